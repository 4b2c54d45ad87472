// The channel of a lease asks the controller whether the lease goes on before it dials.
import { describe, it } from "@effect/vitest"
import { assertInclude, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as leasedChannel from "../../src/lease/leasedChannel.ts"
import { LeaseEnded } from "../../src/protocol/LeaseEnded.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"

const end = new LeaseEnded({ lease: "l1", how: "Deleted", at: DateTime.unsafeMake(0), details: "somebody deleted it" })

const leased = (answer: LeaseEnded | undefined) =>
  Effect.map(GrpcChannel.fromHandlers(new Map(), { target: "lease l1" }), (channel) => {
    const events: Array<string> = []
    const noting = <A>(event: string, value: A) =>
      Effect.sync(() => {
        events.push(event)
        return value
      })
    const { connection } = leasedChannel.make({
      ...channel,
      connection: { open: noting("dialled", undefined), drop: () => Effect.void, onEnd: () => Effect.void }
    }, {
      ask: noting("asked", answer),
      askUnlessKnown: noting("asked unless known", answer),
      end: () => answer
    })
    return { events, open: connection?.open ?? Effect.dieMessage("there is no connection") }
  })

describe("the channel of a lease", () => {
  it.scoped("takes what is known for the first dial, and asks before each later one", () =>
    Effect.gen(function*() {
      const { events, open } = yield* leased(undefined)
      yield* open
      yield* open
      yield* open
      deepStrictEqual(events, ["asked unless known", "dialled", "asked", "dialled", "asked", "dialled"])
    }))

  it.scoped("does not dial for a lease that has ended", () =>
    Effect.gen(function*() {
      const { events, open } = yield* leased(end)
      for (const asked of ["asked unless known", "asked"]) {
        const error = yield* Effect.flip(open)
        strictEqual(error.code, "UNAVAILABLE")
        assertInclude(error.details, "somebody deleted it")
        deepStrictEqual(events.splice(0), [asked])
      }
    }))
})
