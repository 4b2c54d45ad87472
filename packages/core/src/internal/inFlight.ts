// The RPCs that an exporter is serving.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { GrpcHandler, type GrpcHandlers } from "../GrpcHandler.ts"
import * as GrpcStatus from "../GrpcStatus.ts"

// Ends with the scope: further RPCs are refused, and those under way are interrupted and waited for. Servers wait for the
// handlers they know of as well, but a call can still reach one that has begun to close, and what it would find is a
// device that has been released.
export const make = Effect.gen(function*() {
  const fibers = new Set<Fiber.RuntimeFiber<unknown, unknown>>()
  let closed = false
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      closed = true
      return Fiber.interruptAll(fibers)
    })
  )

  const enter = Effect.withFiberRuntime<Fiber.RuntimeFiber<unknown, unknown>, GrpcStatus.GrpcStatusError>((fiber) => {
    if (closed) return GrpcStatus.make("UNAVAILABLE", "the exporter is shutting down")
    fibers.add(fiber)
    return Effect.succeed(fiber)
  })
  const leave = (fiber: Fiber.RuntimeFiber<unknown, unknown>) => Effect.sync(() => fibers.delete(fiber))
  // In a scope that is the RPC's, leaving comes after all its finalizers.
  const scoped = Effect.acquireRelease(enter, leave)

  const track = GrpcHandler.$match({
    Unary: ({ handle }) =>
      GrpcHandler.Unary({
        handle: (message, request) => Effect.acquireUseRelease(enter, () => handle(message, request), leave)
      }),
    ServerStreaming: ({ handle }) =>
      GrpcHandler.ServerStreaming({
        handle: (message, request) => Stream.unwrapScoped(Effect.as(scoped, handle(message, request)))
      }),
    Duplex: ({ handle }) => GrpcHandler.Duplex({ handle: (duplex) => Effect.zipRight(scoped, handle(duplex)) })
  })
  return (handlers: GrpcHandlers): GrpcHandlers =>
    new Map(Array.from(handlers, ([rpc, handler]) => [rpc, track(handler)]))
})
