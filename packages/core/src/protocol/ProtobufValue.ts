/**
 * `google.protobuf.Value`, the encoding of every driver argument and result (`protocol.md` 3).
 *
 * What the wire cannot carry is refused with the path of the offending value, before anything is sent, where the
 * reference implementation rounds it, replaces it by null, or fails somewhere else. The codec writes and reads the
 * protobuf bytes itself: generated code assigns keys such as `__proto__` instead of defining them, and lets `NaN` and
 * class instances through.
 *
 * @since 0.1.0
 */
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { formatValuePath } from "./DriverError.ts"
import type { JsonValue } from "./json.ts"
import * as valueCodec from "./valueCodec.ts"

export type { JsonValue }

/**
 * A value the wire cannot carry, or bytes that are no value.
 *
 * @since 0.1.0
 * @category errors
 */
export class ValueError extends Schema.TaggedError<ValueError>(
  "@effect-jumpstarter/core/ProtobufValue/ValueError"
)("ValueError", {
  path: Schema.Array(Schema.Union(Schema.String, Schema.Number)),
  reason: Schema.String
}) {
  override get message(): string {
    return this.path.length === 0 ? this.reason : `${formatValuePath(this.path)}: ${this.reason}`
  }
}

const toError = ({ path, reason }: valueCodec.Refusal): ValueError => new ValueError({ path, reason })

/**
 * The bytes of a `google.protobuf.Value`.
 *
 * Refused are `NaN` and infinities, integers beyond 2^53 - 1, strings with lone surrogates, `undefined`, functions,
 * symbols, bigints, byte arrays, class instances, cyclic values, and values nested so deeply that peers refuse the whole
 * message: with more than 49 lists or 33 objects in each other.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { ProtobufValue } from "@effect-jumpstarter/core"
 * import { Either } from "effect"
 *
 * const bytes = ProtobufValue.encode({ volts: 3.3, channels: [1, 2] })
 * const refused = ProtobufValue.encode({ readings: [1, NaN] })
 * Either.mapLeft(refused, (error) => error.message) // ".readings[1]: NaN cannot be sent, ..."
 * ```
 */
export const encode = (value: JsonValue): Either.Either<Uint8Array, ValueError> =>
  Either.mapLeft(valueCodec.attempt(() => valueCodec.write(new BinaryWriter(), value, []).finish()), toError)

/**
 * The value in the bytes of a `google.protobuf.Value`. A value with no kind set is null, as in the reference
 * implementation; unknown fields are skipped. Numbers that are not finite are refused.
 *
 * @since 0.1.0
 * @category combinators
 */
export const decode = (bytes: Uint8Array): Either.Either<JsonValue, ValueError> =>
  Either.mapLeft(
    valueCodec.attempt(() => {
      const reader = new BinaryReader(bytes)
      return valueCodec.read(reader, reader.len)
    }),
    toError
  )

/**
 * Whether a value of unknown origin can be sent as it is.
 *
 * @since 0.1.0
 * @category guards
 */
export const isJsonValue = (value: unknown): value is JsonValue =>
  Either.isRight(valueCodec.attempt(() => valueCodec.write(new BinaryWriter(), value, [])))
