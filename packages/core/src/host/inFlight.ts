// The RPCs that an exporter is serving.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { GrpcHandler, type GrpcHandlers } from "../grpc/GrpcHandler.ts"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"

// Ends with the scope: further RPCs are refused, and those under way are interrupted and awaited. A server does that only
// for the RPCs of its own connections, when it closes. An exporter can end before its servers do, since any number of
// servers can serve its handlers, and a call can still reach a server that has begun to close. Such calls would find a
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

  // This is the RPC's own fiber, so it ends after all finalizers of the RPC.
  const enter = Effect.withFiberRuntime<void, GrpcStatus.GrpcStatusError>((fiber) => {
    if (closed) return GrpcStatus.make("UNAVAILABLE", "the exporter is shutting down")
    fibers.add(fiber)
    fiber.addObserver(() => fibers.delete(fiber))
    return Effect.void
  })

  const track = GrpcHandler.$match({
    Unary: ({ handle }) =>
      GrpcHandler.Unary({ handle: (message, request) => Effect.flatMap(enter, () => handle(message, request)) }),
    ServerStreaming: ({ handle }) =>
      GrpcHandler.ServerStreaming({
        handle: (message, request) => Stream.unwrap(Effect.as(enter, handle(message, request)))
      }),
    Duplex: ({ handle }) => GrpcHandler.Duplex({ handle: (duplex) => Effect.zipRight(enter, handle(duplex)) })
  })
  return (handlers: GrpcHandlers): GrpcHandlers =>
    new Map(Array.from(handlers, ([rpc, handler]) => [rpc, track(handler)]))
})
