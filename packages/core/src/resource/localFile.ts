// Reads and writes local files of every kind: regular ones, pipes and devices.
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as EffectSink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as pull from "../util/pull.ts"
import * as fileError from "./fileError.ts"
import * as sequentialFile from "./sequentialFile.ts"

// Each read needs a turn of the thread pool.
const chunkBytes = 256 * 1024

// Files of /proc report a size of zero. Files of /sys report the size of one block, but have no blocks on disk.
const sizeOf = ({ blksize, blocks, size, type }: FileSystem.File.Info): number | undefined =>
  type !== "File" || size === 0n || Option.contains(blocks, 0) && Option.contains(blksize, size)
    ? undefined
    : Number(size)

// Without the queue of `FileSystem.stream`, which reads ahead: V8 then collects the whole heap half as often while a file is sent.
const read = (fileSystem: FileSystem.FileSystem, path: string): Stream.Stream<Uint8Array, fileError.FileError> =>
  Stream.unwrapScoped(Effect.map(fileSystem.open(path, { flag: "r" }), (file) =>
    pull.values(
      Effect.flatMap(
        Effect.mapError(file.readAlloc(chunkBytes), Option.some),
        Option.match({ onNone: () => Effect.fail(Option.none()), onSome: Effect.succeed })
      )
    )))

// Returns the bytes of a file, and their number if the file reports it.
export const open = Effect.fnUntraced(function*(fileSystem: FileSystem.FileSystem, path: string) {
  const info = yield* fileSystem.stat(path)
  if (info.type === "Directory") {
    return yield* fileError.refuse("stat", path, "it is a directory")
  }
  const stream = sequentialFile.isSequential(info.type)
    ? sequentialFile.read(path, info.type)
    : read(fileSystem, path)
  return { size: sizeOf(info), stream }
})

export const sink = (
  fileSystem: FileSystem.FileSystem,
  path: string
): EffectSink.Sink<void, Uint8Array, never, fileError.FileError> =>
  EffectSink.unwrap(
    fileSystem.stat(path).pipe(
      Effect.map(({ type }) =>
        type === "CharacterDevice"
          // In append mode the device decides the position.
          ? fileSystem.sink(path, { flag: "a" })
          : sequentialFile.isSequential(type)
          ? sequentialFile.write(path, type)
          : fileSystem.sink(path)
      ),
      // A file that cannot be examined, mostly because it does not exist yet, fails with a reason when it is opened.
      Effect.orElseSucceed(() => fileSystem.sink(path))
    )
  )
