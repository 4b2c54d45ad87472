// Leases that are held: how their end is noticed, and how it is put off.
import { describe, it } from "@effect/vitest"
import { assertInclude, assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import * as heldLease from "../../src/lease/heldLease.ts"
import type { LeaseRequest } from "../../src/lease/leaseRequest.ts"
import * as terms from "../../src/lease/terms.ts"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import * as support from "../support/controller.ts"
import { acquire, board, clientOf, closing, dialling, inTime, logged } from "../support/leaseBench.ts"

const asked: LeaseRequest = { exporterName: "rpi", duration: "10 minutes" }

const held = (request: Pick<LeaseRequest, "extend"> = {}) =>
  Effect.gen(function*() {
    const lab = yield* ControllerTest.make()
    const rpi = yield* board(lab, "rpi")
    const controller = yield* clientOf(lab, "alice")
    const lease = yield* acquire(controller, { ...asked, ...request }, dialling(rpi))
    return { lab, rpi, lease }
  })

const test = <E>(name: string, body: () => Effect.Effect<void, E, Scope.Scope>) =>
  it.effect(name, () => closing(body()))

const minutes = Effect.map(TestClock.currentTimeMillis, (millis) => millis / 60_000)

describe("the end of a lease", () => {
  test("is noticed when its time is over, and nothing is left to release", () =>
    Effect.gen(function*() {
      const { lab, lease, rpi } = yield* held()
      const end = yield* inTime(lease.ended, 5000)
      strictEqual(end.how, "Expired")
      assertInclude(
        end.message,
        `the lease ${lease.name} ended at 1970-01-01T00:10:00.000Z (Expired): The lease has expired`
      )
      const now = yield* minutes
      assertTrue(now >= 10 && now < 10.2, `${now} minutes`)
      strictEqual((yield* lease.connection.state)._tag, "Closed")
      yield* lease.release
      deepStrictEqual((yield* lab.leases)[0]?.reason, "Expired")
      deepStrictEqual(rpi.events, ["leased", "free"])
    }))

  const ways = [
    ["somebody deletes it", "Deleted", (lab: ControllerTest.Control, name: string) => lab.release(name)],
    [
      "it is transferred",
      "Transferred",
      (lab: ControllerTest.Control, name: string) =>
        Effect.flatMap(lab.addClient("bob"), () => lab.transfer(name, "bob"))
    ]
  ] as const
  for (const [what, how, act] of ways) {
    test(`is noticed within half a minute when ${what}`, () =>
      Effect.gen(function*() {
        const { lab, lease } = yield* held()
        yield* TestClock.adjust("1 minute")
        yield* act(lab, lease.name)
        strictEqual((yield* inTime(lease.ended, 5000)).how, how)
        assertTrue((yield* minutes) <= 1.6)
        yield* lease.release
        // That of another client goes on.
        deepStrictEqual((yield* lab.leases).map(({ client, ended }) => ({ client, ended })), [
          how === "Transferred" ? { client: "bob", ended: false } : { client: "alice", ended: true }
        ])
      }))
  }

  test("is known without the controller", () =>
    Effect.gen(function*() {
      const { lab, lease } = yield* held()
      yield* TestClock.adjust("1 minute")
      yield* lab.stop
      const end = yield* inTime(lease.ended, 5000)
      strictEqual(end.how, "Expired")
      const now = yield* minutes
      assertTrue(now >= 10 && now < 10.4, `${now} minutes`)
      yield* lease.release
    }))
})

describe("a lease is extended", () => {
  test("by its policy and no further, with a warning then", () =>
    Effect.gen(function*() {
      const messages: Array<string> = []
      yield* Effect.gen(function*() {
        const { lease } = yield* held({ extend: { by: "10 minutes", whenLeft: "2 minutes", upTo: "25 minutes" } })
        yield* inTime(lease.ended, 5000)
        const now = yield* minutes
        assertTrue(now >= 25 && now < 25.2, `${now} minutes`)
      }).pipe(Effect.provide(logged(messages)))
      deepStrictEqual(
        messages.flatMap((line) => /was extended by .*$/.exec(line)?.[0] ?? []),
        ["was extended by 10m", "was extended by 5m"]
      )
      assertTrue(
        messages.some((line) => /^WARN .* ends in (2m|1m \d+s): it has reached the 25m of `extend.upTo`/.test(line))
      )
    }))

  test("when a program asks for it, which learns the new end", () =>
    Effect.gen(function*() {
      const { lease } = yield* held()
      yield* TestClock.adjust("4 minutes")
      const end = yield* lease.extend("5 minutes")
      const left = (DateTime.toEpochMillis(end)) / 60_000
      assertTrue(left > 14.9 && left <= 15, `${left} minutes`)
    }))

  test("again after a refusal, which is a warning", () =>
    Effect.gen(function*() {
      const messages: Array<string> = []
      let refusals = 2
      yield* Effect.gen(function*() {
        const lab = yield* ControllerTest.make()
        const rpi = yield* board(lab, "rpi")
        const controller = yield* clientOf(lab, "alice", (channel) => ({
          ...channel,
          unary: (rpc, message, options) =>
            rpc.endsWith("/UpdateLease") && refusals-- > 0
              ? GrpcStatus.make("PERMISSION_DENIED", "not now")
              : channel.unary(rpc, message, options)
        }))
        const extend = { by: "10 minutes", whenLeft: "2 minutes", upTo: "20 minutes" } as const
        const lease = yield* acquire(controller, { ...asked, extend }, dialling(rpi))
        yield* inTime(lease.ended, 5000)
        const now = yield* minutes
        assertTrue(now >= 20 && now < 20.2, `${now} minutes`)
      }).pipe(Effect.provide(logged(messages)))
      deepStrictEqual(
        messages.flatMap((line) =>
          /^WARN.*(could not be extended), and ends in|^INFO.*(was extended) by/.exec(line)?.slice(1) ?? []
        )
          .filter((part) => part !== undefined),
        ["could not be extended", "could not be extended", "was extended"]
      )
    }))

  test("not if it has a fixed end, and the error says so", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      const rpi = yield* board(lab, "rpi")
      const alice = yield* lab.addClient("alice")
      yield* support.clientOf(lab, support.metadataOf(alice)).lease({
        exporterName: "rpi",
        lasts: 600,
        endTime: { seconds: 600n, nanos: 0 }
      }, "fixed")
      const controller = yield* lab.controllerOf(alice)
      const lease = yield* heldLease.acquire(terms.ofName(controller, "fixed", {}), dialling(rpi))
      const error = yield* Effect.flip(lease.extend("1 minute"))
      assertTrue(error._tag === "LeaseError" && error.reason === "NotExtendable", error.message)
    }))

  test("not after its end, which the error is then", () =>
    Effect.gen(function*() {
      const { lab, lease } = yield* held()
      yield* lab.expire(lease.name)
      strictEqual((yield* Effect.flip(lease.extend("1 minute")))._tag, "LeaseEnded")
    }))
})
