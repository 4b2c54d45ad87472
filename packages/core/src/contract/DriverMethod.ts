/**
 * One method of a driver's contract: a call, a streaming call, or a byte stream, with the schemas of its arguments and
 * results. Arguments are positional, as on the wire (`protocol.md` 3).
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { JsonValue } from "../protocol/ProtobufValue.ts"

/**
 * A schema of a value that travels as JSON. JSON has no undefined. If the schema of an argument, a result or an item allows
 * undefined, it is sent as null, and a received null is read as undefined unless the schema also allows null.
 *
 * @since 0.1.0
 * @category models
 */
export type AnySchema = Schema.Schema.AnyNoContext

/**
 * An argument that can be left out. The driver then gets the fallback.
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
 * An argument through which the driver reads the client's bytes. The client passes a `Resource.Source`, or an open or
 * presigned one; the handler gets a stream.
 *
 * @since 0.1.0
 * @category models
 */
export interface SourceArgument {
  readonly _tag: "SourceArgument"
}

/**
 * An argument through which the driver writes bytes to the client. The client passes a `Resource.Sink`, or an open or
 * presigned one; the handler gets a function that writes.
 *
 * @since 0.1.0
 * @category models
 */
export interface SinkArgument {
  readonly _tag: "SinkArgument"
}

/**
 * @since 0.1.0
 * @category models
 */
export type Argument = AnySchema | OptionalArgument<AnySchema, unknown> | SourceArgument | SinkArgument

/**
 * @since 0.1.0
 * @category models
 */
export type Arguments = ReadonlyArray<Argument>

/**
 * The options that describe any method.
 *
 * @since 0.1.0
 * @category models
 */
export interface MethodOptions {
  readonly documentation?: string | undefined
  /**
   * Whether some drivers of the interface lack the method. A host may leave it out; clients of such a driver get
   * `MethodNotImplemented`.
   */
  readonly optional?: boolean | undefined
}

/**
 * What a method does to the world.
 *
 * - `read`: it only observes. The device, the exporter and the bench stay as they are, except that a received message is
 *   no longer waiting.
 * - `write`: it changes something that another call can change back, such as the power.
 * - `destructive`: it can lose what no call brings back, such as the content of a flash or a stored fault.
 *
 * When drivers of one label differ, the strictest one counts.
 *
 * @since 0.1.0
 * @category models
 */
export type MethodEffect = "read" | "write" | "destructive"

/**
 * The options that describe a call or a streaming call.
 *
 * @since 0.1.0
 * @category models
 */
export interface EffectOptions {
  /** What the method does to the world; `write` by default. `effectOf` reads this. */
  readonly effect?: MethodEffect | undefined
}

/**
 * The options that describe the arguments of a call.
 *
 * @since 0.1.0
 * @category models
 */
export interface ArgumentOptions {
  readonly args?: Arguments | undefined
  /** The schema of any further arguments, after those of `args`. */
  readonly rest?: AnySchema | undefined
}

/**
 * The options that describe a call. Without a result schema it has no result: a host sends null, and a client ignores what
 * the driver returns, as Python clients do.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallOptions extends MethodOptions, ArgumentOptions, EffectOptions {
  readonly result?: AnySchema | undefined
  /**
   * Whether repeating the call does no harm, so that a caller may retry it. `DriverInterface.isRetryable` reads this;
   * nothing is retried automatically.
   */
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
 * The options that describe a streaming call.
 *
 * @since 0.1.0
 * @category models
 */
export interface StreamingCallOptions extends MethodOptions, ArgumentOptions, EffectOptions {
  readonly item: AnySchema
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
export interface Stream<Options extends MethodOptions> {
  readonly _tag: "Stream"
  readonly options: Options
}

/**
 * @since 0.1.0
 * @category models
 */
export type Any = Call<CallOptions> | StreamingCall<StreamingCallOptions> | Stream<MethodOptions>

/**
 * The arguments that a method takes, as described.
 *
 * @since 0.1.0
 * @category models
 */
export type ArgumentsOf<Options> = Options extends { readonly args: infer Args extends Arguments } ? Args : readonly []

/**
 * The result of a call, or another type for a call without a result.
 *
 * @since 0.1.0
 * @category models
 */
export type ResultOf<Options, Otherwise> = Options extends { readonly result: infer Result extends AnySchema }
  ? Schema.Schema.Type<Result>
  : Otherwise

// Checks on a description that inference from a type parameter does not make: each wrong part gets its complaint as its
// type. Schemas are not inspected, because helpers that are generic in a schema could not be written.
type Exact<Options, Known> = {
  readonly [Name in keyof Options]: Name extends keyof Known ? Name extends "args" ? Tuple<Options[Name]> : unknown
    : "there is no such option"
}

type Tuple<Args> = Args extends Arguments
  ? number extends Args["length"] ? "args has to be a tuple: write it here, or with `as const`" : unknown
  : unknown

/**
 * Any JSON, for parts of a contract that have no fixed shape. The value is passed on unchanged, including keys such as
 * `__proto__`, which a `Schema.Record` would lose. Values from the wire are JSON, and values that cannot be sent are
 * refused with their path when they are written to the wire. The schema itself refuses only undefined.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Json: Schema.Schema<JsonValue> = Schema.declare((value): value is JsonValue => value !== undefined, {
  identifier: "Json"
})

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
 * An argument through which the driver reads the client's bytes, such as an image to flash.
 *
 * @since 0.1.0
 * @category constructors
 */
export const source: SourceArgument = { _tag: "SourceArgument" }

/**
 * An argument through which the driver writes bytes to the client, such as a dump. The client's call returns the sink's
 * result, unless it has a result of its own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const sink: SinkArgument = { _tag: "SinkArgument" }

// The descriptions in the parameters of a function, with their names; a complaint if the function returns something else.
type Named<Describe extends () => Arguments> = Describe extends (...args: infer Args) => infer Returned
  ? InOrder<{ [Index in keyof Args]-?: Exclude<Args[Index], undefined> }, Returned>
  : never

type InOrder<Args, Returned> = [Args, Returned] extends [Returned, Args] ? Args
  : { readonly "return the parameters in their order, as in `(a = ..., b = ...) => [a, b]`": never }

/**
 * Arguments with names, which editors show where the method is called and where a handler implements it. The names are the
 * parameters of a function, with the descriptions as their defaults. The function returns them in the same order, which is
 * the order on the wire. TypeScript keeps such names only for parameters; text in a value cannot become one.
 *
 * A JSDoc comment above a method in the contract is shown in the same places, and above the methods of clients and fakes.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Device, DriverInterface, DriverMethod } from "@effect-jumpstarter/core"
 * import { Effect, Schema } from "effect"
 *
 * const Supply = DriverInterface.make("acme_drivers.client.SupplyClient", {
 *   setVoltage: DriverMethod.call({
 *     args: DriverMethod.named((volts = Schema.Number, ramp = DriverMethod.optional(Schema.Boolean)) => [volts, ramp])
 *   })
 * })
 *
 * class BoardSupply extends Device.Tag("acme/BoardSupply", Supply)<BoardSupply>() {}
 *
 * // setVoltage(volts: number, ramp?: boolean): Effect<void, DriverCallError>
 * const program = Effect.flatMap(BoardSupply, (supply) => supply.setVoltage(12, true))
 * ```
 */
export function named<Describe extends () => Arguments | readonly []>(describe: Describe): Named<Describe>
export function named<Args extends Arguments>(describe: () => Args): Args {
  return describe()
}

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
 * const run = DriverMethod.call({
 *   args: [Schema.String],
 *   rest: Schema.String,
 *   result: Schema.Int,
 *   documentation: "Runs a command with any number of words, and answers its exit code."
 * })
 * const dump = DriverMethod.call({
 *   args: [DriverMethod.sink],
 *   optional: true,
 *   documentation: "Reads the memory back, where the driver can."
 * })
 * ```
 */
export const call: {
  (): Call<{}>
  <const Options extends CallOptions>(options: Options & Exact<Options, CallOptions>): Call<Options>
} = (options: CallOptions = {}): Call<CallOptions> => ({ _tag: "Call", options })

/**
 * A method with any number of results.
 *
 * @since 0.1.0
 * @category constructors
 */
export const streamingCall = <const Options extends StreamingCallOptions>(
  options: Options & Exact<Options, StreamingCallOptions>
): StreamingCall<Options> => ({ _tag: "StreamingCall", options })

/**
 * A stream of bytes in both directions, such as a serial console.
 *
 * @since 0.1.0
 * @category constructors
 */
export const stream: {
  (): Stream<{}>
  <const Options extends MethodOptions>(options: Options & Exact<Options, MethodOptions>): Stream<Options>
} = (options: MethodOptions = {}): Stream<MethodOptions> => ({ _tag: "Stream", options })

/**
 * What a method does to the world. A method whose description does not say so counts as a write, and so does a byte
 * stream, because the client can send anything through it. The methods of a driver without a contract are writes, too.
 *
 * @since 0.1.0
 * @category getters
 * @example
 * ```ts
 * import { DriverMethod } from "@effect-jumpstarter/core"
 * import { Power } from "@effect-jumpstarter/core/drivers"
 *
 * // on, off and rescue are writes
 * const observations = Object.entries(Power.contract.methods).flatMap(([name, method]) =>
 *   DriverMethod.effectOf(method) === "read" ? [name] : []
 * )
 * ```
 */
export const effectOf = (method: Any): MethodEffect =>
  method._tag === "Stream" ? "write" : method.options.effect ?? "write"

/**
 * Whether an argument can be left out.
 *
 * @since 0.1.0
 * @category guards
 */
export const isOptional = (argument: Argument): argument is OptionalArgument<AnySchema, unknown> =>
  Predicate.isTagged(argument, "OptionalArgument")

/**
 * Whether the driver reads the client's bytes through an argument.
 *
 * @since 0.1.0
 * @category guards
 */
export const isSource = (argument: Argument): argument is SourceArgument =>
  Predicate.isTagged(argument, "SourceArgument")

/**
 * Whether the driver writes bytes to the client through an argument.
 *
 * @since 0.1.0
 * @category guards
 */
export const isSink = (argument: Argument): argument is SinkArgument => Predicate.isTagged(argument, "SinkArgument")

/**
 * Whether bytes travel beside the call for an argument, in either direction.
 *
 * @since 0.1.0
 * @category guards
 */
export const isLent = (argument: Argument): argument is SourceArgument | SinkArgument =>
  isSource(argument) || isSink(argument)
