/**
 * One method of a driver's contract: a call, a streaming call, or a byte stream, with the schemas of what it takes and
 * gives. Arguments are positional, as they are on the wire (`protocol.md` 3).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { isJsonValue, type JsonValue } from "./ProtobufValue.ts"

/**
 * A schema of something that travels as JSON.
 *
 * @since 0.1.0
 * @category models
 */
export type AnySchema = Schema.Schema.AnyNoContext

/**
 * An argument that can be left out. The driver gets the fallback then.
 *
 * @since 0.1.0
 * @category models
 */
export interface OptionalArgument<S extends AnySchema, Fallback> {
  readonly _tag: "OptionalArgument"
  readonly schema: S
  readonly fallback: Fallback
}

/**
 * An argument that lends the driver bytes of the client: the client passes a `Resource` or the handle of an open one,
 * the driver opens it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResourceArgument {
  readonly _tag: "ResourceArgument"
}

/**
 * @since 0.1.0
 * @category models
 */
export type Argument = AnySchema | OptionalArgument<AnySchema, unknown> | ResourceArgument

/**
 * @since 0.1.0
 * @category models
 */
export type Arguments = ReadonlyArray<Argument>

/**
 * What a call can be described with. Without a schema for it, it has no result.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallOptions {
  readonly args?: Arguments | undefined
  readonly result?: AnySchema | undefined
  readonly documentation?: string | undefined
  /** Whether repeating the call does no harm, so that a caller may retry it. Nothing is retried by itself. */
  readonly idempotent?: boolean | undefined
}

/**
 * A method with one result.
 *
 * @since 0.1.0
 * @category models
 */
export interface Call<Options extends CallOptions> {
  readonly _tag: "Call"
  readonly options: Options
}

/**
 * What a streaming call can be described with.
 *
 * @since 0.1.0
 * @category models
 */
export interface StreamingCallOptions {
  readonly item: AnySchema
  readonly args?: Arguments | undefined
  readonly documentation?: string | undefined
}

/**
 * A method with any number of results.
 *
 * @since 0.1.0
 * @category models
 */
export interface StreamingCall<Options extends StreamingCallOptions> {
  readonly _tag: "StreamingCall"
  readonly options: Options
}

/**
 * A stream of bytes in both directions.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stream {
  readonly _tag: "Stream"
  readonly options: { readonly documentation?: string | undefined }
}

/**
 * @since 0.1.0
 * @category models
 */
export type Any = Call<CallOptions> | StreamingCall<StreamingCallOptions> | Stream

/**
 * The arguments a method takes, as described.
 *
 * @since 0.1.0
 * @category models
 */
export type ArgumentsOf<Options> = Options extends { readonly args: infer Args extends Arguments } ? Args : readonly []

/**
 * What a call results in.
 *
 * @since 0.1.0
 * @category models
 */
export type ResultOf<Options> = Options extends { readonly result: infer Result extends AnySchema }
  ? Schema.Schema.Type<Result>
  : void

/**
 * The result of a method that has none: null on the wire. Whatever a driver answers instead is ignored, as Python's
 * clients do: by then it has acted, and nobody asked for the result.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Nothing: Schema.Schema<void, unknown> = Schema.transform(Schema.Unknown, Schema.Void, {
  decode: () => undefined,
  encode: () => null
})

/**
 * Any JSON, for parts of a contract that have no fixed shape. It is passed on as it is, keys such as `__proto__`
 * included, which a `Schema.Record` would lose.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Json: Schema.Schema<JsonValue> = Schema.declare(isJsonValue, { identifier: "Json" })

/**
 * An argument that can be left out.
 *
 * @since 0.1.0
 * @category constructors
 */
export function optional<S extends AnySchema>(schema: S): OptionalArgument<S, undefined>
export function optional<S extends AnySchema>(
  schema: S,
  options: { readonly fallback: Schema.Schema.Type<S> }
): OptionalArgument<S, Schema.Schema.Type<S>>
export function optional(
  schema: AnySchema,
  options?: { readonly fallback: unknown }
): OptionalArgument<AnySchema, unknown> {
  return { _tag: "OptionalArgument", schema, fallback: options?.fallback }
}

/**
 * An argument that lends the driver bytes of the client.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resource: ResourceArgument = { _tag: "ResourceArgument" }

/**
 * A method with one result, or none when no schema is given for it.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { DriverMethod } from "@effect-jumpstarter/core"
 * import { Schema } from "effect"
 *
 * const setVoltage = DriverMethod.call({
 *   args: [Schema.Number, DriverMethod.optional(Schema.Boolean, { fallback: false })],
 *   documentation: "Sets the output voltage in volts, ramping when asked to."
 * })
 * ```
 */
export const call: {
  (): Call<{}>
  <const Options extends CallOptions>(options: Options): Call<Options>
} = (options: CallOptions = {}): Call<CallOptions> => ({ _tag: "Call", options })

/**
 * A method with any number of results.
 *
 * @since 0.1.0
 * @category constructors
 */
export const streamingCall = <const Options extends StreamingCallOptions>(
  options: Options
): StreamingCall<Options> => ({ _tag: "StreamingCall", options })

/**
 * A stream of bytes in both directions, such as a serial console.
 *
 * @since 0.1.0
 * @category constructors
 */
export const stream = (options: Stream["options"] = {}): Stream => ({ _tag: "Stream", options })
