/**
 * A driver's contract: a named set of methods. The typed client, a host's handlers and fakes are derived from it.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import type { ByteStream } from "../protocol/ByteStream.ts"
import { ConnectionLost, type DriverCallError } from "../protocol/DriverError.ts"
import type { DriverFailure } from "../protocol/DriverFailure.ts"
import type * as Resource from "../resource/Resource.ts"
import * as DriverMethod from "./DriverMethod.ts"

/**
 * @since 0.1.0
 * @category models
 */
export type Methods = Readonly<Record<string, DriverMethod.Any>>

/**
 * A driver's contract. Exporters identify it by the name of the Python client class that speaks it, `client`. Drivers that
 * report one of `alsoSpokenBy` fulfil it, too.
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

const transfers = ({ options }: DriverMethod.Any): boolean =>
  "args" in options && options.args?.some(DriverMethod.isLent) === true

/**
 * Returns whether a failed call can be repeated: the connection was lost, the driver may or may not have acted, and the
 * contract marks the method `idempotent`. Nothing is retried automatically; use this with `Effect.retry`.
 *
 * The failure of a transfer does not name its method, so then all methods that transfer bytes must be marked. A
 * `ConnectionLost` of origin `client` means that reconnecting has ended, so another attempt is in vain.
 *
 * @since 0.1.0
 * @category guards
 * @example
 * ```ts
 * import { DriverInterface } from "@effect-jumpstarter/core"
 * import { Power } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * const surelyOff = (power: Power.Client) =>
 *   Effect.retry(power.off(), { while: DriverInterface.isRetryable(Power.contract), times: 3 })
 * ```
 */
export const isRetryable = ({ methods }: Any) => (error: unknown): error is ConnectionLost => {
  if (!(error instanceof ConnectionLost) || error.origin !== "transport") return false
  const called = error.kind === "resource" ? Object.values(methods).filter(transfers) : [methods[error.method]]
  return called.length > 0 && called.every((method) => method?._tag === "Call" && method.options.idempotent === true)
}

// The arguments that may follow the described ones.
type Rest<Options> = Options extends { readonly rest: infer S extends DriverMethod.AnySchema }
  ? ReadonlyArray<Schema.Schema.Type<S>>
  : readonly []

type Takes<Options extends DriverMethod.ArgumentOptions, Arg> =
  Extract<DriverMethod.ArgumentsOf<Options>[number], Arg> extends never ? false : true

// The first of some arguments, as a tuple of one, which keeps its name. A mapped tuple also keeps names.
type First<Args extends ReadonlyArray<unknown>> = Args extends readonly [unknown, ...infer Rest]
  ? Args extends readonly [...infer Head, ...Rest] ? Head : never
  : never

// What a client passes as an argument; `A`, `E` and `R` are those of the resource it lends.
type ClientArgument<Arg, A, E, R> = Arg extends DriverMethod.OptionalArgument<infer S, infer _>
  ? Schema.Schema.Type<S> | undefined
  : Arg extends DriverMethod.SourceArgument
    ? Resource.Source<void, E, R> | Resource.ResourceHandle<void, E> | Resource.PresignedRequest
  : Arg extends DriverMethod.SinkArgument
    ? Resource.Sink<A, E, R> | Resource.ResourceHandle<A, E> | Resource.PresignedRequest
  : Arg extends DriverMethod.AnySchema ? Schema.Schema.Type<Arg>
  : never

type ClientTuple<Args extends ReadonlyArray<unknown>, A, E, R> = {
  [Index in keyof Args]: ClientArgument<Args[Index], A, E, R>
}

type ClientParameters<Args extends ReadonlyArray<unknown>, Further extends ReadonlyArray<unknown>, A, E, R> =
  Args extends readonly [infer Head, ...infer Tail] ? [
      ...(Head extends DriverMethod.OptionalArgument<DriverMethod.AnySchema, unknown>
        ? Partial<ClientTuple<First<Args>, A, E, R>>
        : ClientTuple<First<Args>, A, E, R>),
      ...ClientParameters<Tail, Further, A, E, R>
    ]
    : [...rest: Further]

type ClientArguments<Options extends DriverMethod.ArgumentOptions, A, E, R> = ClientParameters<
  DriverMethod.ArgumentsOf<Options>,
  Rest<Options>,
  A,
  E,
  R
>

type ClientCall<Options extends DriverMethod.CallOptions> = Takes<Options, DriverMethod.SinkArgument> extends true
  ? <A = void, E = never, R = never>(
    ...args: ClientArguments<Options, A, E, R>
  ) => Effect.Effect<DriverMethod.ResultOf<Options, A>, DriverCallError | E, Exclude<R, Scope.Scope>>
  : Takes<Options, DriverMethod.SourceArgument> extends true ? <E = never, R = never>(
      ...args: ClientArguments<Options, never, E, R>
    ) => Effect.Effect<DriverMethod.ResultOf<Options, void>, DriverCallError | E, Exclude<R, Scope.Scope>>
  : (
    ...args: ClientArguments<Options, never, never, never>
  ) => Effect.Effect<DriverMethod.ResultOf<Options, void>, DriverCallError>

type ClientStreamingCall<Options extends DriverMethod.StreamingCallOptions> =
  Takes<Options, DriverMethod.SourceArgument | DriverMethod.SinkArgument> extends true ? <E = never, R = never>(
      ...args: ClientArguments<Options, unknown, E, R>
    ) => Stream.Stream<Schema.Schema.Type<Options["item"]>, DriverCallError | E, Exclude<R, Scope.Scope>>
    : (
      ...args: ClientArguments<Options, never, never, never>
    ) => Stream.Stream<Schema.Schema.Type<Options["item"]>, DriverCallError>

/**
 * One method of a typed client.
 *
 * @since 0.1.0
 * @category models
 */
export type ClientMethod<Method> = Method extends DriverMethod.Call<infer Options> ? ClientCall<Options>
  : Method extends DriverMethod.StreamingCall<infer Options> ? ClientStreamingCall<Options>
  : () => Effect.Effect<ByteStream<DriverCallError>, DriverCallError, Scope.Scope>

/**
 * The typed client of a contract: its methods. A call with a sink and without a result of its own returns the sink's
 * result. All methods are there, optional or not: one that the driver lacks fails with `MethodNotImplemented`.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { DriverInterface, DriverMethod } from "@effect-jumpstarter/core"
 * import { Effect } from "effect"
 *
 * const Relay = DriverInterface.make("acme_drivers.client.RelayClient", {
 *   open: DriverMethod.call(),
 *   close: DriverMethod.call()
 * })
 *
 * interface Relay extends DriverInterface.Client<typeof Relay> {}
 *
 * const blink = (relay: Relay) => Effect.zipRight(relay.close(), Effect.delay(relay.open(), "1 second"))
 * ```
 */
export type Client<I extends Any> = Types.Simplify<
  {
    readonly [Name in keyof I["methods"]]: ClientMethod<I["methods"][Name]>
  }
>

type HandlerArgument<Arg> = Arg extends DriverMethod.OptionalArgument<infer S, infer Fallback>
  ? Schema.Schema.Type<S> | Fallback
  : Arg extends DriverMethod.SourceArgument ? Stream.Stream<Uint8Array, DriverFailure>
  : Arg extends DriverMethod.SinkArgument
    ? (bytes: Stream.Stream<Uint8Array, DriverFailure>) => Effect.Effect<void, DriverFailure>
  : Arg extends DriverMethod.AnySchema ? Schema.Schema.Type<Arg>
  : never

type HandlerParameters<Args extends ReadonlyArray<unknown>, Further extends ReadonlyArray<unknown>> = [
  ...{ -readonly [Index in keyof Args]: HandlerArgument<Args[Index]> },
  ...Further
]

type HandlerArguments<Options extends DriverMethod.ArgumentOptions> = HandlerParameters<
  DriverMethod.ArgumentsOf<Options>,
  Rest<Options>
>

/**
 * A host's implementation of one method, using the services `R`. A source comes as a stream to run once, a sink as a
 * function to call once. Both are released when the handler is done.
 *
 * @since 0.1.0
 * @category models
 */
export type Handler<Method, R = never> = Method extends DriverMethod.Call<infer Options> ? (
    ...args: HandlerArguments<Options>
  ) => Effect.Effect<DriverMethod.ResultOf<Options, void>, DriverFailure, R>
  : Method extends DriverMethod.StreamingCall<infer Options> ? (
      ...args: HandlerArguments<Options>
    ) => Stream.Stream<Schema.Schema.Type<Options["item"]>, DriverFailure, R>
  : Effect.Effect<ByteStream<DriverFailure>, DriverFailure, Scope.Scope | R>

type OptionalNames<M extends Methods> = {
  [Name in keyof M]: M[Name]["options"] extends { readonly optional: true } ? Name : never
}[keyof M]

/**
 * A host's implementation of a contract: a handler for every method, except optional ones that the driver lacks. `R` are
 * the services that the handlers use.
 *
 * @since 0.1.0
 * @category models
 */
export type Handlers<I extends Any, R = never> = Types.Simplify<
  & {
    readonly [Name in keyof I["methods"] as Name extends OptionalNames<I["methods"]> ? never : Name]: Handler<
      I["methods"][Name],
      R
    >
  }
  & {
    readonly [Name in keyof I["methods"] as Name extends OptionalNames<I["methods"]> ? Name : never]?:
      | Handler<I["methods"][Name], R>
      | undefined
  }
>
