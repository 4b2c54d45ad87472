// SHA-256 of bytes that come in pieces, which Web Crypto cannot compute.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import * as ContentEncoding from "./ContentEncoding.ts"
import type * as Resource from "./Resource.ts"

export type Algorithm = "sha256" | "md5"

export const ofBytes = (bytes: Uint8Array, algorithm: Algorithm = "sha256"): string =>
  createHash(algorithm).update(bytes).digest("hex")

export interface Digest {
  readonly sha256: string
  readonly size: number
}

// Returns the SHA-256 of a stream, or of at most its first `limit` bytes.
export const sha256 = (limit = Infinity): Sink.Sink<Digest, Uint8Array> =>
  Sink.suspend(() => {
    const hash = createHash("sha256")
    let size = 0
    return Sink.map(
      Sink.forEach((chunk: Uint8Array) =>
        Effect.sync(() => {
          const bytes = chunk.subarray(0, limit - size)
          hash.update(bytes)
          size += bytes.length
        })
      ),
      () => ({ sha256: hash.digest("hex"), size })
    )
  })

// The SHA-256 of the bytes that a driver gets from a source.
export const ofSource = <E, R>(
  source: Resource.Source<void, E, R>
): Effect.Effect<Digest, E | ContentEncoding.ContentEncodingError, R> =>
  Stream.run(
    Option.match(source.contentEncoding, {
      onNone: () => source.stream,
      onSome: (encoding) => ContentEncoding.decode(encoding)(source.stream)
    }),
    sha256()
  )
