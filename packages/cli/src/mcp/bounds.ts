// How much a tool returns: streams end after a number of items, a time, or an amount of text.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type CommandError, usage } from "../failure.ts"
import type { Json } from "../output.ts"

/** The largest result, in characters of JSON. */
export const maxCharacters = 200_000

const Bounds = Schema.Struct({
  items: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 1_000)), { default: () => 20 }),
  seconds: Schema.optionalWith(Schema.Number.pipe(Schema.between(0.1, 300)), { default: () => 10 })
})

export type Bounds = typeof Bounds.Type

/** The property with the bounds of a stream. */
export const property = "until"

export const schema = {
  type: "object",
  description: "When to stop reading the stream: 20 items or 10 seconds unless given.",
  properties: {
    items: { type: "integer", minimum: 1, maximum: 1_000 },
    seconds: { type: "number", minimum: 0.1, maximum: 300 }
  },
  additionalProperties: false
}

export const parse = (value: unknown): Either.Either<Bounds, CommandError> =>
  Either.mapLeft(
    Schema.decodeUnknownEither(Bounds, { onExcessProperty: "error" })(value ?? {}),
    () => usage(`${property} has items from 1 to 1000 and seconds from 0.1 to 300`)
  )

/** Reads a stream until a bound, and says which one ended it. */
export const collect = <A extends Json, E, R>(
  stream: Stream.Stream<A, E, R>,
  { items, seconds }: Bounds
): Effect.Effect<Json, E, R> =>
  Effect.suspend(() => {
    const read: Array<Json> = []
    let characters = 0
    let ended = "the time"
    const reading = stream.pipe(
      Stream.takeUntil((item) => {
        read.push(item)
        characters += JSON.stringify(item).length
        if (read.length < items && characters < maxCharacters) return false
        ended = read.length < items ? "the size" : "the number of items"
        return true
      }),
      Stream.runDrain,
      Effect.map(() => {
        if (ended === "the time") ended = "the driver"
      })
    )
    return Effect.map(Effect.timeoutOption(reading, Duration.seconds(seconds)), () => ({ items: read, endedBy: ended }))
  })

/** A result, cut where it is too long. */
export const cut = (text: string): string =>
  text.length <= maxCharacters ? text : `${text.slice(0, maxCharacters)}… (cut; it has ${text.length} characters)`
