/**
 * `google.protobuf.Value`, the encoding of every driver argument and result (`protocol.md` 3).
 *
 * A value that the wire cannot carry is refused before anything is sent, with the path of the offending part. The reference
 * implementation rounds it, replaces it by null, or fails somewhere else. The codec writes and reads the protobuf bytes itself,
 * because generated code assigns keys such as `__proto__` instead of defining them, and lets `NaN` and class instances through.
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
 * The wire cannot carry a value, or the bytes are not a value. `path` leads to the offending part.
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
 * Encodes a value as the bytes of a `google.protobuf.Value`.
 *
 * Fails for `NaN` and infinities, integers beyond 2^53 - 1, strings with lone surrogates, `undefined`, functions, symbols,
 * bigints, byte arrays, class instances, cyclic values, and values that peers refuse because they are nested too deeply: more
 * than 49 lists or 33 objects inside each other.
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
 * Decodes the bytes of a `google.protobuf.Value`. A value with no kind set is null, as in the reference implementation. Unknown
 * fields are skipped. Numbers that are not finite fail.
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
 * Returns whether a value of unknown origin can be sent as it is.
 *
 * @since 0.1.0
 * @category guards
 */
export const isJsonValue = (value: unknown): value is JsonValue =>
  Either.isRight(valueCodec.attempt(() => valueCodec.write(new BinaryWriter(), value, [])))
