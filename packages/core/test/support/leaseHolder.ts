// A program that holds a lease whose controller never answers its release.
import { NodeRuntime } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import { acquire, board, clientOf, dialling } from "./leaseBench.ts"

const program = Effect.gen(function*() {
  const lab = yield* ControllerTest.make()
  const rpi = yield* board(lab, "rpi")
  const controller = yield* clientOf(lab, "alice", (channel) => ({
    ...channel,
    unary: (rpc, message, options) =>
      rpc.endsWith("/DeleteLease")
        ? Effect.zipRight(Effect.sync(() => process.stdout.write("releasing\n")), Effect.never)
        : channel.unary(rpc, message, options)
  }))
  yield* acquire(controller, { exporterName: "rpi", duration: "30 minutes" }, dialling(rpi))
  process.stdout.write("held\n")
  yield* Effect.never
})

NodeRuntime.runMain(Effect.scoped(program))
