// The services that handlers use: those that their exporter was made with.
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { Driver } from "./Driver.ts"
import type { CallHandler, DriverHandler, StreamHandler, StreamingCallHandler } from "./handler.ts"

/** A call's handler that requires no more services. */
interface ProvidedCall extends CallHandler<never> {
  /** The same for a fiber that begins with the driver's services. Providing them takes as long as the rest of a small call. */
  readonly handleProvided: CallHandler<never>["handle"]
}

export type ProvidedHandler = ProvidedCall | StreamingCallHandler<never> | StreamHandler<never>

/** A driver without its children, whose handlers require no more services. */
export interface ProvidedDriver extends Omit<Driver, "children" | "methods"> {
  readonly methods: Readonly<Record<string, ProvidedHandler>>
  readonly services: Context.Context<never>
}

// Services that belong to a call, not to the exporter.
const ofCall: ReadonlySet<string> = new Set([Scope.Scope.key, Tracer.ParentSpan.key])

const without = <R>(services: Context.Context<R>): Context.Context<R> =>
  Context.unsafeMake(new Map([...services.unsafeMap].filter(([key]) => !ofCall.has(key))))

const needsNothing = <R>(_handler: DriverHandler<R>, services: Context.Context<R>): _handler is DriverHandler =>
  services.unsafeMap.size === 0

// The fiber has these services, which its type cannot say.
const isProvided = <R>(
  _handle: CallHandler<R>["handle"],
  _services: Context.Context<R>
): _handle is CallHandler<never>["handle"] => true

/** A handler runs in the context of its RPC, which has the services of the call and no others. */
export const provide = <R>(services: Context.Context<R>): (driver: Driver<R>) => ProvidedDriver => {
  const own = without(services)
  const within = <C>(call: Context.Context<C>): Context.Context<C | R> => Context.merge(call, own)
  const provideCall = ({ handle }: CallHandler<R>): ProvidedCall => {
    const provided: ProvidedCall["handle"] = (args, context) =>
      Effect.mapInputContext(handle(args, context), (call: Context.Context<never>) => within(call))
    return { _tag: "Call", handle: provided, handleProvided: isProvided(handle, own) ? handle : provided }
  }
  const provideHandler = (handler: DriverHandler<R>): ProvidedHandler => {
    if (handler._tag === "Call") return provideCall(handler)
    if (needsNothing(handler, own)) return handler
    switch (handler._tag) {
      case "StreamingCall":
        return {
          _tag: "StreamingCall",
          handle: (args, context) =>
            Stream.mapInputContext(handler.handle(args, context), (call: Context.Context<never>) => within(call))
        }
      case "Stream":
        return {
          _tag: "Stream",
          open: Effect.mapInputContext(handler.open, (call: Context.Context<Scope.Scope>) => within(call))
        }
    }
  }
  return (driver) => ({
    ...driver,
    services: own,
    methods: Object.fromEntries(
      Object.entries(driver.methods).map(([name, handler]) => [name, provideHandler(handler)])
    ),
    reset: Effect.provide(driver.reset, own)
  })
}
