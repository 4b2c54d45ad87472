// The fibers of a server's RPCs.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import type { RpcFibers } from "../grpc/rpcFibers.ts"
import { withoutServices } from "../util/withoutServices.ts"

/**
 * Makes a starter of fibers. All fibers begin with the same FiberRefs: Effect's `runFork` makes them anew for each fiber, which takes
 * longer than a small effect. They can be interrupted even if the server is started in an acquisition.
 */
export const make: Effect.Effect<RpcFibers> = Effect.map(
  withoutServices(Effect.runtime<never>()),
  ({ context, fiberRefs, runtimeFlags }) => {
    const id = FiberId.unsafeMake()
    const shared = FiberRefs.updateManyAs(fiberRefs, {
      forkAs: id,
      entries: [[FiberRef.currentContext, [[id, context]]]]
    })
    const runtime = Runtime.make({
      context,
      fiberRefs: FiberRefs.empty(),
      runtimeFlags: RuntimeFlags.enable(runtimeFlags, RuntimeFlags.Interruption)
    })
    return {
      refs: shared,
      fork: (effect, refs = shared) => Runtime.runFork(runtime, effect, { updateRefs: () => refs })
    }
  }
)

/** Whether a handler that was started has ended already. */
export const hasEnded = <A, E>(answer: Effect.Effect<A, E>): answer is Exit.Exit<A, E> => Exit.isExit(answer)
