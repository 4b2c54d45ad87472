// Files without positions: pipes, standard input and output, character devices. Effect's file system reads and writes at
// positions, which these files refuse. Pipes are opened and used without blocking: a thread that waits for the other end of
// a pipe cannot be cancelled, and four such threads block all file operations of the program.
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
import * as pull from "../util/pull.ts"
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

// Listens to the errors of a stream. Without a listener they would end the process; reads and writes report them through
// `errored`.
const ignore = (): void => {}

const notASocket = (path: string) => refuse("open", path, "a socket cannot be opened as a file")

// A thread reads a device, and may block: only few kinds of devices can be awaited without a thread.
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
      // The program's standard input stays open after a transfer. Node takes a tick to notice that the listener for bytes
      // is gone. Until then a pause does not stop the reading, which keeps the process alive.
      (input) =>
        Effect.sync(() =>
          process.nextTick(() => {
            input.off("error", ignore)
            // Another transfer may have started since.
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

// Reads to the end. The bytes of a pipe are gone once they are read, so it can be read once.
export const read = (path: string, type: Type): Stream.Stream<Uint8Array, FileError> => {
  let used = false
  return Stream.unwrapScoped(Effect.suspend(() => {
    if (used && type !== "CharacterDevice") {
      return refuse("read", path, "it is a pipe, which can be read only once, and it was read before")
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
      Effect.map(pull.values)
    )
  }))
}

const standardOutputs: Readonly<Record<string, () => Writable>> = {
  "/dev/stdout": () => process.stdout,
  "/dev/stderr": () => process.stderr
}

// How often to retry a pipe without a reader, because no event announces its first reader. The reader is another process,
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
    // The output stays open. An interrupted write continues, and may still fail: its error comes right after the callback
    // of a write that is queued behind it.
    (output) =>
      Effect.sync(() => {
        const stop = () => void setImmediate(() => output.off("error", ignore))
        if (output.writableLength > 0) output.write("", stop)
        else stop()
      })
  )
}

// Writes to a pipe only when a process reads from it, and at its pace.
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
