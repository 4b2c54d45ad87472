/**
 * A driver's contract: a named set of methods, from which the typed client, the handlers of a host and fakes follow.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { DriverCallError } from "./DriverError.ts"
import type { DriverFailure } from "./DriverFailure.ts"
import type * as DriverMethod from "./DriverMethod.ts"
import type * as Resource from "./Resource.ts"
import type { ByteStream } from "./RouterStream.ts"

/**
 * @since 0.1.0
 * @category models
 */
export type Methods = Readonly<Record<string, DriverMethod.Any>>

/**
 * A driver's contract. Exporters identify it by the name of the Python client class that speaks it, `client`; drivers
 * that report one of `alsoSpokenBy` fulfil it as well.
 *
 * @since 0.1.0
 * @category models
 */
export interface DriverInterface<out M extends Methods> {
  readonly client: string
  readonly alsoSpokenBy: ReadonlyArray<string>
  readonly driverType: string
  readonly methods: M
}

/**
 * @since 0.1.0
 * @category models
 */
export type Any = DriverInterface<Methods>

/**
 * Describes a driver's contract.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { DriverInterface, DriverMethod } from "@effect-jumpstarter/core"
 * import { Schema } from "effect"
 *
 * class PowerReading extends Schema.Class<PowerReading>("PowerReading")({
 *   voltage: Schema.Number,
 *   current: Schema.Number
 * }) {}
 *
 * const Power = DriverInterface.make("jumpstarter_driver_power.client.PowerClient", {
 *   on: DriverMethod.call(),
 *   off: DriverMethod.call(),
 *   read: DriverMethod.streamingCall({ item: PowerReading })
 * })
 * ```
 */
export const make = <const M extends Methods>(
  client: string,
  methods: M,
  options: {
    readonly alsoSpokenBy?: ReadonlyArray<string> | undefined
    /** The kind of device in log lines, such as `power` or `serial`. */
    readonly driverType?: string | undefined
  } = {}
): DriverInterface<M> => ({
  client,
  alsoSpokenBy: options.alsoSpokenBy ?? [],
  driverType: options.driverType ?? "other",
  methods
})

type ClientArgument<Arg, A, E, R> = Arg extends DriverMethod.ResourceArgument
  ? Resource.Resource<A, E, R> | Resource.ResourceHandle<A, E>
  : Arg extends DriverMethod.AnySchema ? Schema.Schema.Type<Arg>
  : never

/**
 * The parameters a client's method takes for some described arguments; `A`, `E` and `R` are those of lent resources.
 *
 * @since 0.1.0
 * @category models
 */
export type ClientArguments<Args, A, E, R> = Args extends readonly [infer Head, ...infer Tail]
  ? Head extends DriverMethod.OptionalArgument<infer S, infer _>
    ? [argument?: Schema.Schema.Type<S> | undefined, ...rest: ClientArguments<Tail, A, E, R>]
  : [argument: ClientArgument<Head, A, E, R>, ...rest: ClientArguments<Tail, A, E, R>]
  : []

type TakesResource<Args extends DriverMethod.Arguments> = Extract<Args[number], DriverMethod.ResourceArgument> extends
  never ? false : true

type CallOf<Args extends DriverMethod.Arguments, Result> = TakesResource<Args> extends true ? <A, E = never, R = never>(
    ...args: ClientArguments<Args, A, E, R>
  ) => Effect.Effect<Result, DriverCallError | E, Exclude<R, Scope.Scope>>
  : (...args: ClientArguments<Args, never, never, never>) => Effect.Effect<Result, DriverCallError>

type StreamingCallOf<Args extends DriverMethod.Arguments, Item> = TakesResource<Args> extends true
  ? <A, E = never, R = never>(
    ...args: ClientArguments<Args, A, E, R>
  ) => Stream.Stream<Item, DriverCallError | E, Exclude<R, Scope.Scope>>
  : (...args: ClientArguments<Args, never, never, never>) => Stream.Stream<Item, DriverCallError>

/**
 * One method of a typed client.
 *
 * @since 0.1.0
 * @category models
 */
export type ClientMethod<Method> = Method extends DriverMethod.Call<infer Options>
  ? CallOf<DriverMethod.ArgumentsOf<Options>, DriverMethod.ResultOf<Options>>
  : Method extends DriverMethod.StreamingCall<infer Options>
    ? StreamingCallOf<DriverMethod.ArgumentsOf<Options>, Schema.Schema.Type<Options["item"]>>
  : () => Effect.Effect<ByteStream<DriverCallError>, DriverCallError, Scope.Scope>

/**
 * The methods of a contract as a client has them.
 *
 * @since 0.1.0
 * @category models
 */
export type ClientMethods<I extends Any> = {
  readonly [Name in keyof I["methods"]]: ClientMethod<I["methods"][Name]>
}

type HandlerArgument<Arg> = Arg extends DriverMethod.ResourceArgument
  ? Effect.Effect<Resource.DriverResource, DriverFailure, Scope.Scope>
  : Arg extends DriverMethod.AnySchema ? Schema.Schema.Type<Arg>
  : never

/**
 * The parameters a handler gets for some described arguments. A resource comes as the effect that opens it.
 *
 * @since 0.1.0
 * @category models
 */
export type HandlerArguments<Args> = Args extends readonly [infer Head, ...infer Tail]
  ? Head extends DriverMethod.OptionalArgument<infer S, infer Fallback>
    ? [argument: Schema.Schema.Type<S> | Fallback, ...rest: HandlerArguments<Tail>]
  : [argument: HandlerArgument<Head>, ...rest: HandlerArguments<Tail>]
  : []

/**
 * What a host implements one method with.
 *
 * @since 0.1.0
 * @category models
 */
export type Handler<Method> = Method extends DriverMethod.Call<infer Options> ? (
    ...args: HandlerArguments<DriverMethod.ArgumentsOf<Options>>
  ) => Effect.Effect<DriverMethod.ResultOf<Options>, DriverFailure>
  : Method extends DriverMethod.StreamingCall<infer Options> ? (
      ...args: HandlerArguments<DriverMethod.ArgumentsOf<Options>>
    ) => Stream.Stream<Schema.Schema.Type<Options["item"]>, DriverFailure>
  : Effect.Effect<ByteStream<DriverFailure>, DriverFailure, Scope.Scope>

/**
 * What a host implements a contract with.
 *
 * @since 0.1.0
 * @category models
 */
export type Handlers<I extends Any> = {
  readonly [Name in keyof I["methods"]]: Handler<I["methods"][Name]>
}
