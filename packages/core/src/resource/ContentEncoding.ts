/**
 * The encodings that a resource can have on the client's disk (`protocol.md` 6.3), as transformations of byte streams. They
 * stream: memory stays bounded for any size and ratio, the consumer sets the pace, and interruption releases the codec.
 * Codecs run off the event loop, and are loaded when a stream first runs.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as pull from "../util/pull.ts"
import { Scavenging } from "../util/scavenging.ts"
import * as Codec from "./codec.ts"
import type * as CodecPackages from "./codecPackages.ts"

/**
 * `gzip` is also read with a zlib header. `xz` is the `.xz` container.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ContentEncoding = Schema.Literal("gzip", "xz", "bz2", "zstd")

/**
 * @since 0.1.0
 * @category models
 */
export type ContentEncoding = typeof ContentEncoding.Type

const outcomes = {
  Truncated: "data ends too early",
  Corrupt: "data is corrupt",
  Unsupported: "data cannot be decoded here",
  Unavailable: "codec cannot be used"
}

/**
 * Bytes could not be encoded or decoded.
 *
 * - `Truncated`: the input ends before the encoded data does; empty input is the extreme case.
 * - `Corrupt`: the input is not of this encoding, a checksum does not match, or something else follows the encoded data.
 * - `Unsupported`: the data is well-formed but asks for more memory, or for a feature, than the codec has.
 * - `Unavailable`: the codec could not be loaded, because its package is not installed where the program or its bundle can find it,
 *   or broke down. The details name the package.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContentEncodingError extends Schema.TaggedError<ContentEncodingError>(
  "@effect-jumpstarter/core/ContentEncoding/ContentEncodingError"
)("ContentEncodingError", {
  encoding: ContentEncoding,
  reason: Schema.Literal("Truncated", "Corrupt", "Unsupported", "Unavailable"),
  details: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `${this.encoding} ${outcomes[this.reason]}: ${this.details}`
  }
}

// Regroups the chunks of a stream into pieces of at most `Codec.inputSize`, then null, so that one large chunk costs no
// more memory than many small ones. The pieces are copies, because the codecs transfer them to another thread.
const makeInput = <E, R>(
  pull: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<E>, R>,
  scavenging: Scavenging
) => {
  let pending: Array<Uint8Array> = []
  let available = 0
  let ended = false

  const take = (size: number): Uint8Array<ArrayBuffer> => {
    const bytes = new Uint8Array(size)
    scavenging.add(size)
    let filled = 0
    let used = 0
    while (filled < size) {
      const part = pending[used]!
      const wanted = size - filled
      bytes.set(part.length > wanted ? part.subarray(0, wanted) : part, filled)
      if (part.length > wanted) {
        pending[used] = part.subarray(wanted)
        break
      }
      filled += part.length
      used += 1
    }
    pending = pending.slice(used)
    available -= size
    return bytes
  }

  const refill: Effect.Effect<void, E, R> = Effect.suspend(() =>
    available > 0 || ended ? Effect.void : Effect.matchEffect(pull, {
      onFailure: Option.match({
        onNone: () =>
          Effect.sync(() => {
            ended = true
          }),
        onSome: (error) => Effect.fail(error)
      }),
      onSuccess: (chunk) => {
        for (const part of chunk) {
          if (part.length > 0) {
            pending.push(part)
            available += part.length
          }
        }
        return refill
      }
    })
  )

  return Effect.map(refill, () => available === 0 ? null : take(Math.min(available, Codec.inputSize)))
}

const run = <E, R>(
  stream: Stream.Stream<Uint8Array, E, R>,
  encoding: ContentEncoding,
  direction: CodecPackages.Direction
): Stream.Stream<Uint8Array, E | ContentEncodingError, R> => {
  const toError = (failure: Codec.Failure) => new ContentEncodingError({ encoding, ...failure })

  return Stream.unwrapScoped(Effect.gen(function*() {
    const scavenging = new Scavenging()
    const input = makeInput(yield* Stream.toPull(stream), scavenging)
    const first = yield* input
    if (first === null && direction === "decode") {
      return yield* new ContentEncodingError({ encoding, reason: "Truncated", details: "there is no data at all" })
    }
    const codec = yield* Effect.mapError(Codec.make(encoding, direction, first), toError)

    let started = false
    const nextInput = Effect.suspend(() => {
      if (started) {
        return input
      }
      started = true
      return Effect.succeed(first)
    })

    let reply: Codec.Reply = undefined
    return pull.chunks(Effect.gen(function*() {
      while (true) {
        const event = yield* Effect.mapError(
          codec.next(reply),
          (failure) => Option.some<E | ContentEncodingError>(toError(failure))
        )
        reply = undefined
        switch (event._tag) {
          case "Read":
            reply = yield* Effect.mapError(nextInput, (error) => Option.some<E | ContentEncodingError>(error))
            break
          case "Write":
            scavenging.add(event.bytes.length)
            return Chunk.of(event.bytes)
          case "Done":
            return yield* Effect.fail(Option.none<E | ContentEncodingError>())
        }
      }
    }))
  }))
}

/**
 * Turns a byte stream into another one. In a pipe it takes only the encoding.
 *
 * @since 0.1.0
 * @category models
 */
export interface Recode {
  (
    encoding: ContentEncoding
  ): <E, R>(stream: Stream.Stream<Uint8Array, E, R>) => Stream.Stream<Uint8Array, E | ContentEncodingError, R>
  <E, R>(
    stream: Stream.Stream<Uint8Array, E, R>,
    encoding: ContentEncoding
  ): Stream.Stream<Uint8Array, E | ContentEncodingError, R>
}

const recode = (direction: CodecPackages.Direction): Recode =>
  dual(
    2,
    <E, R>(stream: Stream.Stream<Uint8Array, E, R>, encoding: ContentEncoding) => run(stream, encoding, direction)
  )

/**
 * Encodes a byte stream. The end of the source flushes everything, so the output is complete. An empty source also has an
 * encoding, which is not empty.
 *
 * `bz2` output is a sequence of streams of one block each; the bzip2 tool and `decode` read them as one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const encode: Recode = recode("encode")

/**
 * Decodes a byte stream. The stream ends only after the whole source was read and found valid: a cut-off source is an
 * error, and so is anything after the encoded data. Concatenated gzip members, xz and bz2 streams and zstd frames decode to
 * the concatenation of their contents, as with the tools of these names. Zero padding after gzip data is skipped, also as
 * with the tool.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import * as ContentEncoding from "@effect-jumpstarter/core/ContentEncoding"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * const program = Stream.make(new TextEncoder().encode("firmware")).pipe(
 *   ContentEncoding.encode("zstd"),
 *   ContentEncoding.decode("zstd"),
 *   Stream.decodeText(),
 *   Stream.mkString,
 *   Effect.map((text) => text === "firmware")
 * )
 * ```
 */
export const decode: Recode = recode("decode")
