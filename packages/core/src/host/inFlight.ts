// The RPCs that an exporter is serving.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
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
  const refusal = () => GrpcStatus.make("UNAVAILABLE", "the exporter is shutting down")
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      closed = true
      return Fiber.interruptAll(fibers)
    })
  )

  // This is the RPC's own fiber, so it ends after all finalizers of the RPC. The handler is called there.
  const serve = <A, E, R>(handle: () => Effect.Effect<A, E, R>) =>
    Effect.withFiberRuntime<A, E | GrpcStatus.GrpcStatusError, R>((fiber) => {
      if (closed) return refusal()
      fibers.add(fiber)
      fiber.addObserver(() => fibers.delete(fiber))
      return handle()
    })

  const track = GrpcHandler.$match({
    Unary: ({ handle, start }) =>
      GrpcHandler.Unary({
        handle: (message, request) => serve(() => handle(message, request)),
        start: start && ((message, request, fibers) => {
          if (closed) return refusal()
          const answer = start(message, request, fibers)
          return Exit.isExit(answer) ? answer : serve(() => answer)
        })
      }),
    ServerStreaming: ({ handle }) =>
      GrpcHandler.ServerStreaming({
        handle: (message, request) => Stream.unwrap(serve(() => Effect.succeed(handle(message, request))))
      }),
    Duplex: ({ handle }) => GrpcHandler.Duplex({ handle: (duplex) => serve(() => handle(duplex)) })
  })
  return (handlers: GrpcHandlers): GrpcHandlers =>
    new Map(Array.from(handlers, ([rpc, handler]) => [rpc, track(handler)]))
})
