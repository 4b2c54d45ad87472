// Retried requests: which failed attempts may have been carried out.
import { describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as attempts from "../../src/controller/attempts.ts"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"

const place = { rpc: "/x/CreateLease", target: "lab" }

const exists = GrpcStatus.make("ALREADY_EXISTS", "there is one")

/** The result of a request whose first attempt fails with `first` and whose second finds that the lease exists. */
const outcome = (first: GrpcStatus.GrpcStatusError) =>
  Effect.gen(function*() {
    let count = 0
    const attempt = Effect.suspend(() =>
      Effect.fail(attempts.fromStatus("CreateLease")(count++ === 0 ? first : exists))
    )
    const fiber = yield* Effect.fork(
      attempts.persistOnce(
        { name: "CreateLease", target: "lab" },
        Duration.seconds(30),
        attempt,
        "AlreadyExists",
        Effect.succeedSome("found")
      )
    )
    yield* TestClock.adjust("1 second")
    return yield* Effect.merge(Effect.mapError(Fiber.join(fiber), ({ reason }) => reason))
  })

describe("a request that changes something", () => {
  it.effect("may have been carried out when its answer was lost, but not when it was never sent", () =>
    Effect.gen(function*() {
      deepStrictEqual(
        [
          yield* outcome(GrpcStatus.lost(place, "the connection was lost")),
          yield* outcome(GrpcStatus.make("UNAVAILABLE", "the controller stops")),
          yield* outcome(GrpcStatus.refused(place, "UNAVAILABLE", "the server did not begin the RPC"))
        ],
        ["found", "found", "AlreadyExists"]
      )
    }))
})
