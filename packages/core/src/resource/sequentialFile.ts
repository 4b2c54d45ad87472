// Files that have no positions: pipes, standard input and output, character devices. Effect's file system reads and writes at
// positions, which these refuse. Pipes are opened and used without blocking: a thread that waits for the other end of a pipe
// cannot be called back, and with four of those a program does nothing with files any more.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as fs from "node:fs"
import { Socket } from "node:net"
import type { Readable, Writable } from "node:stream"
import { setImmediate } from "node:timers"
import { isatty, ReadStream } from "node:tty"
import * as readable from "../util/readable.ts"
import { type FileError, fromNode, refuse } from "./fileError.ts"

// Standard streams can be sockets.
type Type = "FIFO" | "CharacterDevice" | "Socket"

export const isSequential = (type: string): type is Type =>
  type === "FIFO" || type === "CharacterDevice" || type === "Socket"

const open = (path: string, flags: number): Effect.Effect<number, NodeJS.ErrnoException> =>
  Effect.async((resume) =>
    fs.open(path, flags, (error, fd) => resume(error === null ? Effect.succeed(fd) : Effect.fail(error)))
  )

const destroy = (stream: Readable | Writable) => Effect.sync(() => void stream.destroy())

// Listens to the errors of a stream. One that nobody listens to ends the process, and `errored` is what reads and writes report.
const ignore = (): void => {}

const notASocket = (path: string) => refuse("open", path, "a socket cannot be opened as a file")

// A device is read by a thread, which may have to wait for it: few kinds of devices can be waited for without one.
const readableOf = (fd: number, path: string, type: Type): Readable =>
  type === "FIFO"
    ? new Socket({ fd, readable: true, writable: false })
    : isatty(fd)
    ? new ReadStream(fd)
    : fs.createReadStream(path, { fd, highWaterMark: 256 * 1024 })

const openReadable = (path: string, type: Type): Effect.Effect<Readable, FileError, Scope.Scope> => {
  if (type === "Socket") {
    return path !== "/dev/stdin" ? notASocket(path) : Effect.acquireRelease(
      Effect.sync(() => process.stdin.on("error", ignore)),
      // What the program was started with stays open when a transfer has ended. Node takes a tick to see that the listener for
      // bytes is gone; until then a pause does not stop the reading, which keeps the process alive.
      (input) =>
        Effect.sync(() =>
          process.nextTick(() => {
            input.off("error", ignore)
            // Another transfer may have begun since.
            if (input.listenerCount("readable") === 0) input.pause()
          })
        )
    )
  }
  return Effect.acquireRelease(
    open(path, fs.constants.O_RDONLY | (type === "FIFO" ? fs.constants.O_NONBLOCK : 0)).pipe(
      Effect.mapBoth({
        onFailure: (cause) => fromNode("open", path, cause),
        onSuccess: (fd) => readableOf(fd, path, type).on("error", ignore)
      })
    ),
    destroy
  )
}

// Reads to the end. What a pipe has given is gone, so it can be read once.
export const read = (path: string, type: Type): Stream.Stream<Uint8Array, FileError> => {
  let used = false
  return Stream.unwrapScoped(Effect.suspend(() => {
    if (used && type !== "CharacterDevice") {
      return refuse("read", path, "it is a pipe, which can be read once only, and that has been done")
    }
    used = true
    return openReadable(path, type).pipe(
      Effect.flatMap((stream) =>
        readable.make(
          stream,
          (cause) => fromNode("read", path, cause),
          () => refuse("read", path, "it was closed before its end")
        )
      ),
      Effect.map(Stream.repeatEffectOption)
    )
  }))
}

const standardOutputs: Readonly<Record<string, () => Writable>> = {
  "/dev/stdout": () => process.stdout,
  "/dev/stderr": () => process.stderr
}

// How often a pipe that nobody reads is tried again, as no event tells of its first reader. The reader is another process,
// so this is real time.
const readerInterval = Effect.withClock(Effect.sleep("20 millis"), Clock.make())

const openPipe = (path: string): Effect.Effect<Writable, FileError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.map(
      open(path, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK),
      (fd): Writable => new Socket({ fd, readable: false, writable: true }).on("error", ignore)
    ),
    destroy
  ).pipe(
    Effect.catchAll((cause) =>
      cause.code === "ENXIO" ? Effect.zipRight(readerInterval, openPipe(path)) : fromNode("open", path, cause)
    )
  )

const openWritable = (path: string, type: Type): Effect.Effect<Writable, FileError, Scope.Scope> => {
  if (type === "FIFO") return openPipe(path)
  const standard = standardOutputs[path]
  return standard === undefined ? notASocket(path) : Effect.acquireRelease(
    Effect.sync(() => standard().on("error", ignore)),
    // It stays open. A write that was interrupted goes on, and may fail yet: what is queued behind it is called back, and then
    // comes the error.
    (output) =>
      Effect.sync(() => {
        const stop = () => void setImmediate(() => output.off("error", ignore))
        if (output.writableLength > 0) output.write("", stop)
        else stop()
      })
  )
}

// Writes to a pipe when somebody reads from it, and no faster than that.
export const write = (path: string, type: Type): Sink.Sink<void, Uint8Array, never, FileError> =>
  Sink.unwrapScoped(
    Effect.map(
      openWritable(path, type),
      (writable) =>
        Sink.forEach((bytes: Uint8Array) =>
          Effect.async<void, FileError>((resume) => {
            const done = (error: NodeJS.ErrnoException | null | undefined) =>
              resume(error === null || error === undefined ? Effect.void : fromNode("write", path, error))
            if (writable.errored) done(writable.errored)
            else writable.write(bytes, done)
          })
        )
    )
  )
