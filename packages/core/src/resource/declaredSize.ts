// The size that a source or a sink declares, as a promise.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

/**
 * A transfer did not have its declared size: a file was cut or grew while it was read, a stream ended early, or a dump does
 * not have the expected size.
 *
 * @since 0.1.0
 * @category errors
 */
export class SizeMismatch extends Schema.TaggedError<SizeMismatch>(
  "@effect-jumpstarter/core/Resource/SizeMismatch"
)("SizeMismatch", {
  /** Which bytes were counted: those of the source, or those that the driver wrote. */
  of: Schema.Literal("source", "driver"),
  /** The declared size in bytes. */
  expected: Schema.Number,
  /** How many bytes there were at the end, or when they became too many. */
  actual: Schema.Number
}) {
  override get message(): string {
    const whose = this.of === "source" ? "the source" : "the driver's output"
    const cause = this.of === "source"
      ? "was it changed while it was read? Otherwise declare its real size, or none"
      : "declare the expected size, or none"
    return this.actual < this.expected
      ? `${whose} ended after ${this.actual} of ${this.expected} bytes; ${cause}`
      : `${whose} has more than its ${this.expected} bytes; ${cause}`
  }
}

// Fails when the bytes counted so far, or at the end, break the promise of a declared size.
export const keepSize =
  (of: SizeMismatch["of"], expected: number) => (actual: number, ended: boolean): Effect.Effect<void, SizeMismatch> =>
    actual > expected || ended && actual !== expected ? new SizeMismatch({ of, expected, actual }) : Effect.void

export const counted = <E, R>(
  stream: Stream.Stream<Uint8Array, E, R>,
  size: number
): Stream.Stream<Uint8Array, E | SizeMismatch, R> =>
  Stream.suspend(() => {
    const check = keepSize("source", size)
    let count = 0
    return stream.pipe(
      Stream.tap((bytes) => {
        count += bytes.length
        return check(count, false)
      }),
      Stream.concat(Stream.execute(Effect.suspend(() => check(count, true))))
    )
  })
