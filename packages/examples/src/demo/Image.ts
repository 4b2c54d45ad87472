/** A generated image for flashing: always the same bytes, compressible by about half. */
import { ContentEncoding } from "@effect-jumpstarter/core"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"

const blockSize = 64 * 1024

const block = (index: number): Uint8Array => {
  const bytes = new Uint8Array(blockSize)
  let state = index * 2_654_435_761 + 1
  for (let at = 0; at < blockSize; at++) {
    // Half noise, half a pattern.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    bytes[at] = at % 4_096 < 2_048 ? state >>> 24 : at >> 8
  }
  return bytes
}

/** The bytes of an image. */
export const bytes = (size: number): Stream.Stream<Uint8Array> =>
  Stream.map(
    Stream.range(0, Math.ceil(size / blockSize) - 1),
    (index) => block(index).subarray(0, Math.min(blockSize, size - index * blockSize))
  )

/** Computes the SHA-256 of bytes, in hexadecimal digits. */
export const sha256 = Sink.suspend(() =>
  Sink.map(
    Sink.foldLeft(createHash("sha256"), (hash, bytes: Uint8Array) => hash.update(bytes)),
    (hash) => hash.digest("hex")
  )
)

/** Writes an image to a file as gzip, and returns the hash of the image and the size of the file. */
export const writeGzip = Effect.fnUntraced(function*(file: string, size: number) {
  const fileSystem = yield* FileSystem.FileSystem
  const hash = createHash("sha256")
  yield* bytes(size).pipe(
    Stream.tap((block) => Effect.sync(() => hash.update(block))),
    ContentEncoding.encode("gzip"),
    Stream.run(fileSystem.sink(file))
  )
  const { size: encodedSize } = yield* fileSystem.stat(file)
  return { sha256: hash.digest("hex"), encodedSize: Number(encodedSize) }
})
