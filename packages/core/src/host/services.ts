// The services that handlers use: those that their exporter was made with.
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { Driver } from "./Driver.ts"
import type { DriverHandler } from "./handler.ts"

/** A driver without its children, whose handlers require no more services. */
export type ProvidedDriver = Omit<Driver, "children">

// Services that belong to a call, not to the exporter.
const ofCall: ReadonlySet<string> = new Set([Scope.Scope.key, Tracer.ParentSpan.key])

const without = <R>(services: Context.Context<R>): Context.Context<R> =>
  Context.unsafeMake(new Map([...services.unsafeMap].filter(([key]) => !ofCall.has(key))))

// Providing a context takes as long as the rest of a small call.
const needsNothing = <R>(_handler: DriverHandler<R>, services: Context.Context<R>): _handler is DriverHandler =>
  services.unsafeMap.size === 0

/** A handler runs in the context of its RPC, which has the services of the call and no others. */
export const provide = <R>(services: Context.Context<R>): (driver: Driver<R>) => ProvidedDriver => {
  const own = without(services)
  const within = <C>(call: Context.Context<C>): Context.Context<C | R> => Context.merge(call, own)
  const provideHandler = (handler: DriverHandler<R>): DriverHandler => {
    if (needsNothing(handler, own)) return handler
    switch (handler._tag) {
      case "Call":
        return {
          _tag: "Call",
          handle: (args, context) =>
            Effect.mapInputContext(handler.handle(args, context), (call: Context.Context<never>) => within(call))
        }
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
    methods: Object.fromEntries(
      Object.entries(driver.methods).map(([name, handler]) => [name, provideHandler(handler)])
    ),
    reset: Effect.provide(driver.reset, own)
  })
}
