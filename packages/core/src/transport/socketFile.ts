// The file of a Unix socket that a server listens on: who may open it, and whose it is.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { dirname, join } from "node:path"
import * as socketPath from "./socketPath.ts"

export interface SocketFile {
  // Removes the file, unless another server has put its own there since.
  readonly remove: () => void
  // Gives back what had to be kept until the server has closed.
  readonly release: () => void
}

// A socket file outlives a server that was killed. One that nobody answers on is in the way and is removed, as servers
// built on gRPC's C core do; one that somebody answers on is left, and binding fails.
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

// Gives a file its name, unless there is one of that name.
const moveTo = (from: string, path: string): void => {
  try {
    Fs.linkSync(from, path)
  } catch (error) {
    // Some file systems have no links.
    if (codeOf(error) !== "EEXIST" && !Fs.existsSync(path)) return Fs.renameSync(from, path)
    throw new Error(`EADDRINUSE: another server or another file is at ${path}`, { cause: error })
  }
}

const listening = (server: Net.Server, path: string): Effect.Effect<void, Cause.UnknownException> =>
  Effect.async((resume) => {
    // Later ones are about connections that could not be accepted, which is for their peers to notice.
    server.on("error", (error: Error) => resume(new Cause.UnknownException(error)))
    server.listen({ path }, () => resume(Effect.void))
  })

// A socket gets its permissions from the umask, which belongs to the whole process, and can be narrowed only once it is there.
// It is made in a directory that nobody else can enter, and moved to its path when it has its mode.
const listenPrivately = (
  server: Net.Server,
  path: string,
  mode: number
): Effect.Effect<SocketFile, Cause.UnknownException> =>
  Effect.gen(function*() {
    const directory = yield* Effect.try(() => Fs.mkdtempSync(`${dirname(path)}/.`))
    const file = join(directory, "s")
    // Where the directory leaves no room for another one, Linux has a shorter way to it. The server removes the file of that
    // name when it closes, and until then the descriptor must be no other directory's.
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
