// The file of a Unix socket that a server listens on: its permissions, and which server owns it.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { dirname, join } from "node:path"
import * as socketPath from "./socketPath.ts"

export interface SocketFile {
  // Removes the file, unless another server has replaced it.
  readonly remove: () => void
  // Releases the descriptor that had to stay open until the server has closed.
  readonly release: () => void
}

// Removes the socket file of a killed server, as servers built on gRPC's C core do. When a server still listens on the file, it
// stays, and binding fails.
const removeStale = (path: string): Effect.Effect<void> =>
  Effect.async((resume) => {
    const socket = Net.connect({ path })
    const done = () => {
      socket.destroy()
      resume(Effect.void)
    }
    socket.once("connect", done)
    socket.once("error", (error: NodeJS.ErrnoException) => {
      try {
        // Connecting to any other file is refused as well.
        if (error.code === "ECONNREFUSED" && Fs.lstatSync(path).isSocket()) Fs.rmSync(path)
      } catch {
        // Binding will say what is wrong with the path.
      }
      done()
    })
    return Effect.sync(done)
  })

const codeOf = (error: unknown): unknown => error instanceof Error && "code" in error ? error.code : undefined

// Moves a file to a path, unless the path exists.
const moveTo = (from: string, path: string): void => {
  try {
    Fs.linkSync(from, path)
  } catch (error) {
    // Some file systems do not support hard links.
    if (codeOf(error) !== "EEXIST" && !Fs.existsSync(path)) return Fs.renameSync(from, path)
    throw new Error(`EADDRINUSE: another server or another file is at ${path}`, { cause: error })
  }
}

const listening = (server: Net.Server, path: string): Effect.Effect<void, Cause.UnknownException> =>
  Effect.async((resume) => {
    // Later errors are about connections that could not be accepted; their peers notice.
    server.on("error", (error: Error) => resume(new Cause.UnknownException(error)))
    server.listen({ path }, () => resume(Effect.void))
  })

// A new socket gets its permissions from the umask of the whole process, and they can be narrowed only once the socket exists. So it
// is created in a directory that no other user can enter, and moved to its path when it has its mode.
const listenPrivately = (
  server: Net.Server,
  path: string,
  mode: number
): Effect.Effect<SocketFile, Cause.UnknownException> =>
  Effect.gen(function*() {
    const directory = yield* Effect.try(() => Fs.mkdtempSync(`${dirname(path)}/.`))
    const file = join(directory, "s")
    // When the path of the temporary directory is too long for a socket, Linux offers a shorter one through a descriptor. The server
    // removes the file at that path when it closes, so the descriptor must stay open until then and refer to this directory.
    const isLong = Buffer.byteLength(file) > socketPath.maxBytes
    const descriptor = isLong && process.platform === "linux"
      ? yield* Effect.try(() => Fs.openSync(directory, "r"))
      : undefined
    const release = () => {
      if (descriptor !== undefined) Fs.closeSync(descriptor)
    }
    return yield* listening(server, descriptor === undefined ? file : `/proc/self/fd/${descriptor}/s`).pipe(
      Effect.zipRight(Effect.try((): SocketFile => {
        Fs.chmodSync(file, mode)
        const { dev, ino } = Fs.lstatSync(file)
        moveTo(file, path)
        return {
          remove: () => {
            const found = Fs.lstatSync(path, { throwIfNoEntry: false })
            if (found?.dev === dev && found.ino === ino) Fs.rmSync(path, { force: true })
          },
          release
        }
      })),
      Effect.tapError(() =>
        Effect.sync(() => {
          server.close()
          release()
        })
      ),
      Effect.ensuring(Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true })))
    )
  })

export const listen = (
  server: Net.Server,
  path: string,
  mode = 0o600
): Effect.Effect<SocketFile, Cause.UnknownException> =>
  socketPath.isFile
    ? Effect.zipRight(removeStale(path), listenPrivately(server, path, mode))
    : Effect.as(listening(server, path), { remove: () => {}, release: () => {} })
