// How a server starts the fibers of its RPCs.
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as FiberRefs from "effect/FiberRefs"

export interface RpcFibers {
  /** What fibers begin with unless other FiberRefs are given. */
  readonly refs: FiberRefs.FiberRefs
  readonly fork: <A, E>(effect: Effect.Effect<A, E>, refs?: FiberRefs.FiberRefs) => Fiber.RuntimeFiber<A, E>
}
