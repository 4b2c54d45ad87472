// Several leases, all of them or none, in a lab in memory.
import { describe, it } from "@effect/vitest"
import { assertInclude, assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import type { ControllerClient } from "../../src/controller/Controller.ts"
import type * as heldLease from "../../src/lease/heldLease.ts"
import type { MemberRequest } from "../../src/lease/leaseRequest.ts"
import * as leaseSet from "../../src/lease/leaseSet.ts"
import type { Dial } from "../../src/lease/opening.ts"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import { acquire, type Board, board, clientOf, closing, inTime, logged } from "../support/leaseBench.ts"
import * as simulatedTime from "../support/simulatedTime.ts"

const gateway: MemberRequest = { selector: "kind=gw", duration: "1 hour" }

const sensor: MemberRequest = { selector: "kind=sensor", duration: "1 hour" }

/** A lab with boards of some kinds, a client of it, and what leads to the board that a lease has. */
const bench = (kinds: Readonly<Record<string, string>>, options?: ControllerTest.ControllerTestOptions) =>
  Effect.gen(function*() {
    const lab = yield* ControllerTest.make(options)
    const boards = new Map<string, Board>()
    for (const [name, kind] of Object.entries(kinds)) {
      boards.set(name, yield* board(lab, name, { labels: { kind, name }, call: Effect.succeed(name) }))
    }
    const dialled: Array<string> = []
    const dial: Dial = (controller, lease) =>
      Effect.gen(function*() {
        const exporter = Option.getOrThrow((yield* Effect.orDie(controller.lease(lease))).exporter)
        dialled.push(exporter)
        return yield* GrpcChannel.fromHandlers(boards.get(exporter)?.handlers() ?? new Map(), {
          target: `lease ${lease}`
        })
      })
    return { lab, dial, dialled, controller: yield* clientOf(lab, "alice") }
  })

const pair = { "gw-1": "gw", "sensor-1": "sensor" }

const ping = ({ connection }: heldLease.HeldLease) =>
  Effect.flatMap(connection.driver("power"), (power) => power.call("ping"))

const ends = (lab: ControllerTest.Control) =>
  Effect.map(
    lab.leases,
    (leases) =>
      leases.map(({ client, ended, exporter, name, reason }) =>
        `${client} ${name.split("-")[0] ?? ""} ${exporter ?? "none"} ${ended ? "ended" : "open"} ${reason ?? ""}`
      )
  )

const both = (controller: ControllerClient, dial: Dial) => leaseSet.acquire(controller, { gateway, sensor }, dial)

// One sensor is free and not for this client, which cannot know that; the other one is leased.
const deceptive = Effect.gen(function*() {
  const { controller, dial, dialled, lab } = yield* bench({ ...pair, "sensor-2": "sensor" }, {
    policies: [{ exporters: "name notin (sensor-2)" }]
  })
  const theirs = yield* acquire(yield* clientOf(lab, "bob"), sensor, dial)
  dialled.length = 0
  const holdings = Effect.map(lab.holdings, (all) => all.filter(({ client }) => client === "alice"))
  return { controller, dial, dialled, holdings, lab, theirs }
})

const test = <E>(name: string, body: () => Effect.Effect<void, E, Scope.Scope>) =>
  it.effect(name, () => closing(body()))

describe("a set of leases", () => {
  test("of free boards is had at once, and released with its scope", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* bench(pair)
      yield* inTime(Effect.scoped(Effect.gen(function*() {
        const leases = yield* both(controller, dial)
        strictEqual(yield* TestClock.currentTimeMillis, 0)
        deepStrictEqual(Object.keys(leases), ["gateway", "sensor"])
        strictEqual(yield* ping(leases.gateway), "gw-1")
        strictEqual(yield* ping(leases.sensor), "sensor-1")
        deepStrictEqual(yield* ends(lab), ["alice gateway gw-1 open Ready", "alice sensor sensor-1 open Ready"])
      })))
      deepStrictEqual(yield* ends(lab), ["alice gateway gw-1 ended Released", "alice sensor sensor-1 ended Released"])
    }))

  test("may be empty", () =>
    Effect.gen(function*() {
      const { controller, dial } = yield* bench(pair)
      deepStrictEqual(yield* leaseSet.acquire(controller, {}, dial), {})
    }))

  test("requests nothing before there is a board for each, and says what it waits for", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* bench(pair)
      const theirs = yield* acquire(yield* clientOf(lab, "bob"), sensor, dial)
      const messages: Array<string> = []
      const fiber = yield* Effect.fork(both(controller, dial).pipe(Effect.provide(logged(messages))))
      yield* TestClock.adjust("90 seconds")
      deepStrictEqual((yield* ends(lab)).length, 1)
      yield* theirs.release
      const leases = yield* inTime(Fiber.join(fiber))
      strictEqual(yield* ping(leases.sensor), "sensor-1")
      const [waits, still] = messages
      strictEqual(
        waits,
        "INFO the leases gateway and sensor wait for enough free exporters: sensor: sensor-1 (LEASE_READY)"
      )
      assertInclude(still, "INFO the leases gateway and sensor still wait after 1m")
    }))

  test("has several boards of one kind", () =>
    Effect.gen(function*() {
      const { controller, dial } = yield* bench({ "gw-1": "gw", "gw-2": "gw", "gw-3": "gw" })
      const leases = yield* leaseSet.acquire(controller, { a: gateway, b: gateway, c: gateway }, dial)
      deepStrictEqual([leases.a, leases.b, leases.c].map(({ exporter }) => exporter.name).sort(), [
        "gw-1",
        "gw-2",
        "gw-3"
      ])
    }))

  test("leaves the board that one of them needs to it", () =>
    Effect.gen(function*() {
      const { controller, dial } = yield* bench({ "gw-1": "gw", "gw-2": "gw" })
      const leases = yield* leaseSet.acquire(controller, {
        any: gateway,
        // After the selector in the order in which they are requested.
        first: { selector: "kind=gw, kind", exporterName: "gw-1", duration: "1 hour" }
      }, dial)
      deepStrictEqual([leases.any.exporter.name, leases.first.exporter.name], ["gw-2", "gw-1"])
    }))

  test("waits until a board that was leased before is ready again", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* bench(pair)
      yield* lab.takeOffline("sensor-1")
      const messages: Array<string> = []
      const fiber = yield* Effect.fork(Effect.provide(both(controller, dial), logged(messages)))
      yield* TestClock.adjust("5 seconds")
      assertInclude(messages[0], "sensor: sensor-1 (offline)")
      yield* Fiber.interrupt(fiber)
      deepStrictEqual(yield* ends(lab), [])
    }))
})

describe("leases without the others", () => {
  it.effect("are released after 10 seconds, unconnected, and requested again after longer pauses", () =>
    Effect.gen(function*() {
      const { controller, dial, dialled, holdings, theirs } = yield* deceptive
      const messages: Array<string> = []
      const fiber = yield* Effect.fork(Effect.provide(both(controller, dial), logged(messages)))
      yield* Effect.sleep("20 minutes")
      const held = yield* holdings
      deepStrictEqual([...new Set(held.map(({ exporter }) => exporter))], ["gw-1"])
      const ended = held.filter(({ until }) => until !== undefined)
      assertTrue(ended.every(({ from, until = 0 }) => Math.round(until - from) === 10_000))
      const pauses = held.slice(1).map(({ from }, index) => from - (held[index]?.until ?? 0))
      const longest = pauses.map((_, index) => Math.min(120_000, 5_000 * 2 ** (index + 1)) + 1_000)
      assertTrue(pauses.every((pause, index) => pause >= 5_000 && pause <= (longest[index] ?? 0)))
      assertTrue(held.length >= 9 && held.length <= 40, `${held.length} times`)
      deepStrictEqual(dialled, [])
      const lines = messages.filter((line) => line.includes("; released:"))
      strictEqual(lines.length, ended.length)
      assertTrue(
        /^INFO the leases gateway and sensor wait again, for \d+s at least: sensor had no exporter within 10s; released: gateway$/
          .test(lines[0] ?? ""),
        lines[0]
      )
      yield* theirs.release
      const leases = yield* Fiber.join(fiber)
      deepStrictEqual(dialled, ["gw-1", "sensor-1"])
      strictEqual(yield* ping(leases.sensor), "sensor-1")
    }).pipe(Effect.scoped, simulatedTime.run(1)))

  test("are released when the program is interrupted", () =>
    Effect.gen(function*() {
      const { controller, dial, holdings, lab } = yield* deceptive
      const fiber = yield* Effect.fork(Effect.scoped(both(controller, dial)))
      yield* TestClock.adjust("1 second")
      strictEqual((yield* holdings).length, 1)
      yield* inTime(Fiber.interrupt(fiber))
      deepStrictEqual((yield* ends(lab)).slice(1), [
        "alice gateway gw-1 ended Released",
        "alice sensor none ended Released"
      ])
    }))

  test("do not keep two programs from each other, even if each has what the other one needs", () =>
    Effect.gen(function*() {
      const { dial, lab } = yield* bench(pair)
      // Both ask for their first one before either asks for its second one.
      const bothAsked = yield* Deferred.make<void>()
      let asked = 0
      const through = (channel: GrpcChannel.Channel): GrpcChannel.Channel => ({
        ...channel,
        unary: (rpc, message, options) =>
          rpc.endsWith("/CreateLease")
            ? Effect.zipRight(
              ++asked === 2 ? Deferred.succeed(bothAsked, undefined) : Deferred.await(bothAsked),
              channel.unary(rpc, message, options)
            )
            : channel.unary(rpc, message, options)
      })
      const carol = yield* clientOf(lab, "carol", through)
      const dave = yield* clientOf(lab, "dave", through)
      const crossed = { gateway, sensor: { ...sensor, selector: "kind = sensor" } }
      const use = (set: Effect.Effect<unknown, heldLease.AcquireError, Scope.Scope>) =>
        Effect.scoped(Effect.zipRight(set, Effect.sleep("1 minute")))
      yield* inTime(
        Effect.all([use(both(carol, dial)), use(leaseSet.acquire(dave, crossed, dial))], {
          concurrency: 2
        }),
        1_000
      )
      const all = yield* lab.holdings
      deepStrictEqual(all.slice(0, 2).map(({ client, exporter }) => `${client} ${exporter}`).sort(), [
        "carol gw-1",
        "dave sensor-1"
      ])
      assertTrue(all.every(({ until }) => until !== undefined))
    }))
})

describe("a set that cannot be had", () => {
  const refused = (kinds: Readonly<Record<string, string>>, requests: Readonly<Record<string, MemberRequest>>) =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* bench(kinds)
      // What is leased does not matter.
      yield* acquire(yield* clientOf(lab, "bob"), gateway, dial)
      const error = yield* Effect.flip(leaseSet.acquire(controller, requests, dial))
      strictEqual((yield* lab.leases).length, 1)
      return error.message
    })

  test("because no exporter fits one of them fails at once", () =>
    Effect.gen(function*() {
      strictEqual(
        yield* refused(pair, { gateway, sensor: { ...sensor, selector: "kind=radio" } }),
        "no lease for sensor (the selector \"kind=radio\") (Unsatisfiable): no exporter fits; "
          + "no exporter has these labels; there are the exporters: gw-1 (kind=gw, name=gw-1), sensor-1 (kind=sensor, name=sensor-1)"
      )
      strictEqual(
        yield* refused(pair, { gateway, sensor: { exporterName: "radio-1", duration: "1 hour" } }),
        "no lease for sensor (the exporter radio-1) (Unsatisfiable): no exporter fits; "
          + "no exporter has this name; there are the exporters: gw-1, sensor-1"
      )
    }))

  test("because too few exporters fit several of them fails at once", () =>
    Effect.gen(function*() {
      strictEqual(
        yield* refused(pair, {
          a: gateway,
          b: { ...gateway, selector: "kind" },
          c: { ...gateway, selector: "kind,kind" }
        }),
        "no lease for b (the selector \"kind\") (Unsatisfiable): b, c and a need 3 exporters, and 2 fit; "
          + "exporters with these labels: gw-1, sensor-1"
      )
    }))

  test("because a request is invalid fails at once", () =>
    Effect.gen(function*() {
      strictEqual(
        yield* refused(pair, { gateway, sensor: { ...sensor, duration: 0 } }),
        "no lease for sensor (the selector \"kind=sensor\") (Invalid): the duration must be finite and greater than zero; it is 0"
      )
      assertInclude(
        yield* refused(pair, { gateway, sensor: { ...sensor, selector: "kind=" + "a b" } }),
        "the selector \"kind=a b\" is invalid at character 8"
      )
    }))

  test("because the controller refuses one of them fails, and all are released", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* bench(pair, { policies: [{ exporters: "kind=gw" }] })
      const messages: Array<string> = []
      const error = yield* Effect.flip(both(controller, dial)).pipe(Effect.provide(logged(messages)), inTime)
      assertTrue(error._tag === "LeaseError" && error.reason === "Unsatisfiable")
      assertInclude(
        error.message,
        "no lease for sensor (the selector \"kind=sensor\") (Unsatisfiable): exporters with these labels: sensor-1; the "
          + "controller reported NoAccess: "
      )
      deepStrictEqual(yield* ends(lab), ["alice gateway gw-1 ended Released", "alice sensor none ended NoAccess"])
      assertTrue(messages.some((line) =>
        line.startsWith("INFO the leases gateway and sensor are released, because sensor failed: no lease for sensor")
      ))
    }))

  test("within the shortest waitAtMost fails with those that were missing", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* bench(pair)
      yield* acquire(yield* clientOf(lab, "bob"), sensor, dial)
      const requests = { gateway: { ...gateway, waitAtMost: "1 minute" }, sensor } as const
      const error = yield* inTime(Effect.flip(leaseSet.acquire(controller, requests, dial)), 10_000)
      strictEqual(yield* TestClock.currentTimeMillis, 60_000)
      assertTrue(error._tag === "LeaseError" && error.reason === "WaitedTooLong" && error.lease === "sensor")
      strictEqual(
        error.message,
        "no lease for sensor (the selector \"kind=sensor\") (WaitedTooLong): "
          + "gateway and sensor did not all have an exporter within 1m (waitAtMost): sensor: sensor-1 (LEASE_READY)"
      )
    }))

  test("within a waitAtMost that ends while some are held fails, and releases them", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* deceptive
      const requests = { gateway: { ...gateway, waitAtMost: "5 seconds" }, sensor } as const
      const error = yield* inTime(Effect.flip(leaseSet.acquire(controller, requests, dial)), 1_000)
      assertInclude(
        error.message,
        "(WaitedTooLong): gateway and sensor did not all have an exporter within 5s (waitAtMost): "
          + "the controller has not assigned one to each yet"
      )
      strictEqual(yield* TestClock.currentTimeMillis, 5_000)
      deepStrictEqual((yield* ends(lab)).slice(1), [
        "alice gateway gw-1 ended Released",
        "alice sensor none ended Released"
      ])
    }))

  test("because one cannot be connected fails, and all are released, though the scope stays open", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* bench(pair)
      const broken: Dial = (controller, lease) =>
        lease.startsWith("sensor")
          ? GrpcChannel.fromHandlers(new Map(), { target: `lease ${lease}` })
          : dial(controller, lease)
      const error = yield* inTime(Effect.flip(both(controller, broken)))
      assertTrue(error._tag === "ConnectError")
      assertTrue(/^cannot connect to the exporter at "lease sensor-/.test(error.message), error.message)
      deepStrictEqual((yield* ends(lab)).map((end) => end.includes("ended")), [true, true])
    }))
})
