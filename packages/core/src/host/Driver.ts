/**
 * A driver as an exporter hosts it: methods made from handlers, and child drivers.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as DriverInterface from "../contract/DriverInterface.ts"
import * as ByteStream from "../protocol/ByteStream.ts"
import type { DriverFailure } from "../protocol/DriverFailure.ts"
import type {
  CallHandler,
  DriverContext,
  DriverHandler,
  Scopeless,
  StreamHandler,
  StreamingCallHandler
} from "./handler.ts"
import * as typedDriver from "./typedDriver.ts"

export type { DriverContext, DriverHandler }

/**
 * A method with one result; a handler that returns nothing sends null. Lines logged by the handler reach the exporter's log
 * stream.
 *
 * @since 0.1.0
 * @category constructors
 */
export const call = <R = never>(handle: CallHandler<R>["handle"] & Scopeless<R>): DriverHandler<R> => ({
  _tag: "Call",
  handle
})

/**
 * A method with any number of results.
 *
 * @since 0.1.0
 * @category constructors
 */
export const streamingCall = <R = never>(
  handle: StreamingCallHandler<R>["handle"] & Scopeless<R>
): DriverHandler<R> => ({ _tag: "StreamingCall", handle })

/**
 * A byte stream. Opening it opens the device, and its scope lasts as long as a client holds it. `read` is the device's
 * output, `write` takes the client's bytes, and `end` is called when the client has no more to send.
 *
 * Any number of clients may open it at once. For a device that only one client can have, fail to open: the second client
 * gets the failure at once.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Driver, DriverFailure, type ByteStream } from "@effect-jumpstarter/core"
 * import { Effect, type Scope } from "effect"
 *
 * declare const openPort: Effect.Effect<
 *   ByteStream.ByteStream<DriverFailure.DriverFailure>,
 *   DriverFailure.DriverFailure,
 *   Scope.Scope
 * >
 *
 * const console = Effect.sync(() => {
 *   let taken = false
 *   const take = Effect.suspend(() => {
 *     if (taken) return DriverFailure.make("Device", "somebody else has the console")
 *     taken = true
 *     return Effect.void
 *   })
 *   const release = Effect.sync(() => {
 *     taken = false
 *   })
 *   return Driver.stream(Effect.zipRight(Effect.acquireRelease(take, () => release), openPort))
 * })
 * ```
 */
export function stream<R = never>(
  open: Effect.Effect<ByteStream.ByteStream<DriverFailure>, DriverFailure, R>
): DriverHandler<Exclude<R, Scope.Scope>>
export function stream<R>(open: StreamHandler<R>["open"]): DriverHandler<R> {
  return { _tag: "Stream", open }
}

/**
 * A byte stream made by transforming the client's bytes into the device's answers; see `ByteStream.transform`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const streamTransform = <R = never>(
  transform: (input: Stream.Stream<Uint8Array>) => Stream.Stream<Uint8Array, DriverFailure, R>
): DriverHandler<Exclude<R, Scope.Scope>> => stream(ByteStream.transform(transform))

/**
 * A driver with its methods and children, as a plain value. Its resources belong to the scope it is made in, so there is no
 * `close`; see `make`. `R` are the services that its handlers use. The program that makes the exporter provides them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Driver<out R = never> {
  /** The Python client class that speaks this driver's interface; it identifies the interface (`protocol.md` 14). */
  readonly client: string
  /** The kind of device in log lines, such as `power` or `serial`. */
  readonly driverType: string
  readonly labels: Readonly<Record<string, string>>
  readonly description: string | undefined
  readonly methodsDescription: Readonly<Record<string, string>>
  readonly methods: Readonly<Record<string, DriverHandler<R>>>
  readonly children: Readonly<Record<string, Driver<R>>>
  readonly concurrency: number | "unbounded"
  readonly reset: Effect.Effect<void, DriverFailure, R>
}

/**
 * The services that handlers or drivers use.
 *
 * @since 0.1.0
 * @category models
 */
export type Services<Self> = Self extends DriverHandler<infer R> ? R : Self extends Driver<infer R> ? R : never

/**
 * What a driver is made of; only `client` is required.
 *
 * @since 0.1.0
 * @category models
 */
export interface DriverOptions<
  Handler extends DriverHandler<unknown> = DriverHandler,
  Child extends Driver<unknown> = Driver,
  R = never
> {
  /** The Python client class that speaks this driver's interface; it identifies the interface (`protocol.md` 14). */
  readonly client: string
  /** The kind of device in log lines, such as `power` or `serial`; `other` unless given. */
  readonly driverType?: string | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** Help for the driver in the command line of Python clients. */
  readonly description?: string | undefined
  /** Help for its commands, keyed by command. */
  readonly methodsDescription?: Readonly<Record<string, string>> | undefined
  readonly methods?: Readonly<Record<string, Handler>> | undefined
  /** Drivers below this one, by name. A driver that appears at several places is one instance (`protocol.md` 7). */
  readonly children?: Readonly<Record<string, Child>> | undefined
  /**
   * How many calls and streaming calls of this driver run at once, 1 or more. Other calls wait in the order they came, and
   * leave the queue when their callers do. `unbounded` unless given, as on Python exporters (`protocol.md` 4.5).
   *
   * A streaming call counts until its end, so one that lasts as long as somebody listens blocks others. Byte streams do not
   * count: an open console would block every call. See `stream` for a device that one client at a time may use.
   */
  readonly concurrency?: number | "unbounded" | undefined
  /**
   * Brings the device into the state that clients expect. It runs when an exporter starts to host the driver, before any
   * call and after the parent's reset (`protocol.md` 13.1). Does nothing unless given. Lines that it logs have the
   * operation `reset`.
   */
  readonly reset?: Effect.Effect<void, DriverFailure, R> | undefined
}

/**
 * Makes a driver from handlers. If its device has to be acquired, make the driver in an effect that acquires it. With the
 * exporter in the same scope, the device is released after all calls have ended, including their finalizers, and all
 * streams are closed.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Driver, DriverFailure, Exporter } from "@effect-jumpstarter/core"
 * import { Effect } from "effect"
 *
 * interface Relay {
 *   readonly set: (closed: boolean) => Promise<void>
 *   readonly close: () => Promise<void>
 * }
 *
 * declare const openRelay: (path: string) => Promise<Relay>
 *
 * const makeRelay = Effect.fnUntraced(function*(path: string) {
 *   const relay = yield* Effect.acquireRelease(
 *     Effect.promise(() => openRelay(path)),
 *     (relay) => Effect.promise(() => relay.close())
 *   )
 *   const set = (closed: boolean) =>
 *     Effect.tryPromise({
 *       try: () => relay.set(closed),
 *       catch: (cause) => DriverFailure.make("Device", "the relay does not answer", cause)
 *     })
 *   return Driver.make({
 *     client: "jumpstarter_driver_power.client.PowerClient",
 *     methods: { on: Driver.call(() => set(true)), off: Driver.call(() => set(false)) },
 *     reset: set(false),
 *     concurrency: 1
 *   })
 * })
 *
 * const program = Effect.gen(function*() {
 *   const drivers = yield* Effect.all({ main: makeRelay("/dev/ttyUSB0"), usb: makeRelay("/dev/ttyUSB1") })
 *   const exporter = yield* Exporter.make(Driver.composite(drivers))
 *   yield* Exporter.serve(exporter, { path: "/tmp/bench.sock" })
 *   return yield* Effect.never
 * }).pipe(Effect.scoped)
 * ```
 */
export function make<Handler extends DriverHandler<unknown> = never, Child extends Driver<unknown> = never, R = never>(
  options: DriverOptions<Handler, Child, R>
): Driver<Services<Handler> | Services<Child> | R>
export function make<R>(options: DriverOptions<DriverHandler<R>, Driver<R>, R>): Driver<R> {
  return {
    client: options.client,
    driverType: options.driverType ?? "other",
    labels: options.labels ?? {},
    description: options.description,
    methodsDescription: options.methodsDescription ?? {},
    methods: options.methods ?? {},
    children: options.children ?? {},
    concurrency: options.concurrency ?? "unbounded",
    reset: options.reset ?? Effect.void
  }
}

/**
 * Makes a driver that only groups others.
 *
 * @since 0.1.0
 * @category constructors
 */
export const composite = <Child extends Driver<unknown> = never>(
  children: Readonly<Record<string, Child>>
): Driver<Services<Child>> =>
  make<never, Child>({
    client: "jumpstarter_driver_composite.client.CompositeClient",
    driverType: "composite",
    children
  })

// The services of one handler of a contract. A byte stream's handler is an effect, whose scope lasts as long as a client
// holds it.
type HandlerServices<Handler> = Handler extends (...args: never) => infer Result ? ResultServices<Result>
  : Exclude<ResultServices<Handler>, Scope.Scope>

type ResultServices<Result> = Result extends Effect.Effect<infer _A, infer _E, infer R> ? R
  : Result extends Stream.Stream<infer _A, infer _E, infer R> ? R
  : never

type HandlersServices<Handlers> = { [Name in keyof Handlers]-?: HandlerServices<Handlers[Name]> }[keyof Handlers]

// Checks on handlers that inference from a type parameter does not make.
type Implementing<I extends DriverInterface.Any, Handlers> = {
  readonly [Name in keyof Handlers]: Name extends keyof I["methods"] ? Scopeless<HandlerServices<Handlers[Name]>>
    : "the contract has no such method"
}

/**
 * Makes a driver that implements a contract. Arguments are checked against the contract before a handler gets them, results
 * before they are sent. Missing or mistyped handlers are found only at compile time. Documentation of methods in the
 * contract also appears in the exporter's report.
 *
 * Handlers can use services. They come from the program that makes the exporter, not from the caller: `Exporter.make`
 * requires the services of its drivers' handlers. `Scope` is not among them.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Driver, DriverInterface, DriverMethod } from "@effect-jumpstarter/core"
 * import { Context, Effect, Schema, Stream } from "effect"
 *
 * const Power = DriverInterface.make("jumpstarter_driver_power.client.PowerClient", {
 *   on: DriverMethod.call(),
 *   read: DriverMethod.streamingCall({ item: Schema.Struct({ voltage: Schema.Number, current: Schema.Number }) })
 * })
 *
 * const supply = Driver.fromInterface(Power, {
 *   on: () => Effect.log("on"),
 *   read: () => Stream.make({ voltage: 12, current: 0.5 })
 * })
 *
 * class Relay extends Context.Tag("Relay")<Relay, { readonly set: (closed: boolean) => Effect.Effect<void> }>() {}
 *
 * const switched: Driver.Driver<Relay> = Driver.fromInterface(Power, {
 *   on: () => Effect.flatMap(Relay, (relay) => relay.set(true)),
 *   read: () => Stream.empty
 * })
 * ```
 */
export const fromInterface = <
  I extends DriverInterface.Any,
  Handlers extends DriverInterface.Handlers<I, unknown>,
  Child extends Driver<unknown> = never,
  R = never
>(
  contract: I,
  handlers: Handlers & Implementing<I, Handlers>,
  options: Omit<DriverOptions<never, Child, R>, "client" | "driverType" | "methods"> = {}
): Driver<HandlersServices<Handlers> | Services<Child> | R> => {
  const methods = typedDriver.methods<HandlersServices<Handlers>>(contract, handlers)
  return make({
    ...options,
    client: contract.client,
    driverType: contract.driverType,
    methodsDescription: { ...typedDriver.documentation(contract, methods), ...options.methodsDescription },
    methods
  })
}
