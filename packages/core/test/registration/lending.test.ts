// An exporter that the stand-in runs: what it registers and reports, and what it outlives.
import { ControllerServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { describe, it } from "@effect/vitest"
import { assertInclude, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { Deferred, Effect, Fiber, type Scope, TestClock } from "effect"
import { setImmediate } from "node:timers"
import { Controller } from "../../src/controller/Controller.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Lease from "../../src/lease/Lease.ts"
import * as exporterStatus from "../../src/protocol/ExporterStatus.ts"
import * as rpcs from "../../src/protocol/rpcs.ts"
import type * as ExporterRegistration from "../../src/registration/ExporterRegistration.ts"
import { Identity } from "../../src/registration/identity.ts"
import * as offer from "../../src/registration/offer.ts"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import * as certificates from "../support/certificates.ts"
import { addClient } from "../support/controller.ts"
import { closing, inTime } from "../support/leaseBench.ts"

const ping = Driver.make({ client: "none.Client", methods: { ping: Driver.call(() => Effect.succeed("pong")) } })

const asked: Lease.LeaseRequest = { exporterName: "rpi", duration: "10 minutes" }

const pinged = ({ connection }: Lease.HeldLease) =>
  Effect.flatMap(connection.driver("power"), (power) => power.call("ping"))

/** Waits until the controller knows that the exporter has a status. */
const reaches = (lab: ControllerTest.Control, status: exporterStatus.ExporterStatus) =>
  Effect.repeat(
    Effect.zipRight(
      Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void))),
      lab.exporters
    ),
    { until: ([exporter]) => exporter?.status === status }
  )

/** A client of the lab. */
const alice = (lab: ControllerTest.Control) => Effect.flatMap(lab.addClient("alice"), lab.controllerOf)

const test = <E>(name: string, body: () => Effect.Effect<void, E, Scope.Scope>) =>
  it.effect(name, () => closing(body()))

const { reportStatus } = ControllerServiceDefinition.methods

/** A lab with one exporter, and what the exporter has reported and done so far. */
const bench = (options: Partial<ExporterRegistration.RegistrationOptions<Driver.Driver>> = {}) =>
  Effect.gen(function*() {
    const lab = yield* ControllerTest.make()
    const seen: Array<string> = []
    const identity = yield* lab.identityOf(yield* lab.addExporter("rpi"))
    const controller: typeof lab.controller = {
      ...lab.controller,
      unary: (rpc, message, options) => {
        if (rpc === rpcs.of(ControllerServiceDefinition, reportStatus)) {
          const { message: text, status } = reportStatus.requestType.decode(message)
          seen.push(`${exporterStatus.fromNumber(status)}: ${text}`)
        }
        return lab.controller.unary(rpc, message, options)
      }
    }
    const registration = yield* offer.register(
      { drivers: { power: ping }, localLogs: false, ...options },
      { observe: (event) => Effect.sync(() => void seen.push(event)) }
    ).pipe(Effect.provideService(Identity, { ...identity, controller }))
    return { lab, registration, seen, controller: yield* alice(lab) }
  })

const acquire = (controller: Controller["Type"]) => Effect.provideService(Lease.acquire(asked), Controller, controller)

const begun = "AVAILABLE: Exporter registered and available"

const ready = "LEASE_READY: Ready for commands"

const free = "AVAILABLE: Available for new lease"

describe("an exporter that hosts drivers", () => {
  test("is online, registered and available from the beginning", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      yield* lab.hostExporter("rpi", { power: ping }, { labels: { board: "rpi4" } })
      deepStrictEqual(yield* lab.exporters, [{
        name: "rpi",
        labels: { board: "rpi4", "jumpstarter.dev/name": "rpi" },
        online: true,
        status: "AVAILABLE",
        message: "Exporter registered and available",
        drivers: 2,
        lease: undefined
      }])
    }))

  test("is not leased while it is disabled", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      yield* lab.hostExporter("rpi", { power: ping }, { enabled: false })
      assertInclude((yield* Effect.flip(acquire(yield* alice(lab)))).message, "ExporterDisabled")
    }))

  test("shows its clients the message of the day and its name", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      yield* lab.hostExporter("rpi", { power: ping }, { motd: "mind the fan" })
      const { connection } = yield* acquire(yield* alice(lab))
      strictEqual(connection.motd, "mind the fan")
      deepStrictEqual(connection.labels, { "jumpstarter.dev/name": "rpi" })
    }))

  test("goes offline and unregisters when its scope closes", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      yield* Effect.scoped(lab.hostExporter("rpi", { power: ping }))
      const [exporter] = yield* lab.exporters
      deepStrictEqual(
        [exporter?.online, exporter?.status, exporter?.drivers, exporter?.message],
        [false, "OFFLINE", 0, "Exporter shutting down"]
      )
    }))
})

describe("during a lease, an exporter", () => {
  test("without hooks is ready, and free again when the session ends", () =>
    Effect.gen(function*() {
      const { controller, lab, seen } = yield* bench()
      yield* Effect.scoped(Effect.flatMap(acquire(controller), pinged))
      yield* reaches(lab, "AVAILABLE")
      deepStrictEqual(seen, [begun, "leased", ready, "session-ended", free, "free"])
    }))

  test("runs its hooks before and after, once each", () =>
    Effect.gen(function*() {
      const ran: Array<string> = []
      const note = (what: string) => Effect.sync(() => void ran.push(what))
      const { controller, seen } = yield* bench({
        hooks: {
          beforeLease: { run: Effect.zipRight(Effect.sleep("1 second"), note("before")) },
          afterLease: { run: Effect.zipRight(Effect.sleep("1 second"), note("after")) }
        }
      })
      yield* inTime(Effect.scoped(Effect.flatMap(acquire(controller), pinged)))
      deepStrictEqual(ran, ["before", "after"])
      deepStrictEqual(seen, [
        begun,
        "leased",
        "BEFORE_LEASE_HOOK: Running beforeLease hook",
        ready,
        "session-ended",
        "AFTER_LEASE_HOOK: Running afterLease hooks",
        free,
        "free"
      ])
    }))

  test("may take longer for its hook than a client waits for the other end of a tunnel", () =>
    Effect.gen(function*() {
      const { controller, seen } = yield* bench({
        hooks: { beforeLease: { run: Effect.sleep("100 seconds") } }
      })
      strictEqual(yield* inTime(Effect.flatMap(acquire(controller), pinged)), "pong")
      deepStrictEqual(seen, [begun, "leased", "BEFORE_LEASE_HOOK: Running beforeLease hook", ready])
    }))

  const endings = [
    ["is released", (lab: ControllerTest.Control, lease: string) => lab.release(lease)],
    ["expires", (lab: ControllerTest.Control, lease: string) => lab.expire(lease)]
  ] as const
  for (const [how, end] of endings) {
    test(`that ${how} without an end of the session, closes its tunnels and runs the hook after it`, () =>
      Effect.gen(function*() {
        const hooked = yield* Deferred.make<void>()
        const { controller, lab, seen } = yield* bench({
          hooks: { afterLease: { run: Effect.asVoid(Deferred.succeed(hooked, undefined)) } }
        })
        const lease = yield* acquire(controller)
        yield* end(lab, lease.name)
        yield* Deferred.await(hooked)
        yield* reaches(lab, "AVAILABLE")
        strictEqual((yield* inTime(Effect.flip(pinged(lease))))._tag, "ConnectionLost")
        deepStrictEqual(seen.slice(2), [ready, "free", "AFTER_LEASE_HOOK: Running afterLease hooks", free])
      }))
  }

  test("reports that the hook before it failed, and becomes free when the lease is released", () =>
    Effect.gen(function*() {
      const { controller, lab, seen } = yield* bench({
        hooks: {
          beforeLease: {
            run: Effect.zipRight(Effect.sleep("1 second"), Effect.fail(new Error("no power"))),
            onFailure: "endLease"
          },
          afterLease: { run: Effect.dieMessage("this hook is skipped") }
        }
      })
      const error = yield* inTime(Effect.flip(acquire(controller)))
      strictEqual(error._tag, "HookFailed")
      yield* reaches(lab, "AVAILABLE")
      deepStrictEqual(seen.slice(2), [
        "BEFORE_LEASE_HOOK: Running beforeLease hook",
        "BEFORE_LEASE_HOOK_FAILED: beforeLease hook failed (on_failure=endLease): no power",
        "free",
        "AVAILABLE: Exporter available after lease release"
      ])
    }))

  test("reports that the hook after it failed, and becomes free when the lease is released", () =>
    Effect.gen(function*() {
      const { controller, lab, seen } = yield* bench({
        hooks: { afterLease: { run: Effect.dieMessage("no power"), onFailure: "endLease" } }
      })
      yield* inTime(Effect.scoped(acquire(controller)))
      yield* reaches(lab, "AVAILABLE")
      deepStrictEqual(seen.slice(3), [
        "session-ended",
        "AFTER_LEASE_HOOK: Running afterLease hooks",
        "AFTER_LEASE_HOOK_FAILED: afterLease hook failed (on_failure=endLease): no power",
        "free",
        "AVAILABLE: Exporter available after lease release"
      ])
    }))

  test("lets the hook before it end when the lease ends meanwhile", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const { lab, seen } = yield* bench({
        hooks: {
          beforeLease: { run: Effect.zipRight(Deferred.succeed(started, undefined), Effect.sleep("10 seconds")) }
        }
      })
      const raw = yield* addClient(lab, "bob")
      const lease = yield* raw.lease({ exporterName: "rpi" })
      yield* Deferred.await(started)
      yield* raw.delete(lease)
      yield* TestClock.adjust("10 seconds")
      deepStrictEqual(seen.slice(2), ["BEFORE_LEASE_HOOK: Running beforeLease hook", "free", free])
    }))

  test("serves leases that follow each other without a gap", () =>
    Effect.gen(function*() {
      const { controller, lab, seen } = yield* bench()
      const one = yield* acquire(controller)
      const waiting = yield* Effect.fork(acquire(controller))
      yield* TestClock.adjust("1 second")
      yield* lab.release(one.name)
      strictEqual(yield* pinged(yield* inTime(Fiber.join(waiting))), "pong")
      const [, , ...rest] = seen
      deepStrictEqual(rest.filter((event) => event !== free), [ready, "free", "leased", ready])
    }))
})

const carriers = [
  { carrier: "memory", it: it.scoped, passes: <A, E, R>(effect: Effect.Effect<A, E, R>) => inTime(effect) },
  { carrier: "tls", it: it.scopedLive, passes: <A, E, R>(effect: Effect.Effect<A, E, R>) => effect }
]

for (const { carrier, it, passes } of carriers) {
  describe(`over ${carrier}, an exporter outlives`, () => {
    const lease = Effect.gen(function*() {
      const { certificate } = yield* certificates.localhost
      const listen = { host: "127.0.0.1", port: 0, certificate }
      const lab = yield* ControllerTest.make(
        carrier === "memory" ? {} : { listen: { controller: listen, router: listen }, latency: "none" }
      )
      yield* lab.hostExporter("rpi", { power: ping })
      const controller = yield* alice(lab)
      return { lab, controller, lease: yield* acquire(controller) }
    })

    it("the controller: its tunnels stay, and it listens, reports and takes leases again", () =>
      Effect.gen(function*() {
        const { controller, lab, lease: one } = yield* lease
        strictEqual(yield* pinged(one), "pong")
        yield* lab.stop
        strictEqual(yield* pinged(one), "pong")
        yield* lab.start
        yield* passes(one.release)
        const two = yield* passes(acquire(controller))
        strictEqual(yield* pinged(two), "pong")
        const [exporter] = yield* lab.exporters
        deepStrictEqual([exporter?.online, exporter?.status, exporter?.lease], [true, "LEASE_READY", two.name])
      }))

    it("the router: a client dials it again", () =>
      Effect.gen(function*() {
        const { lab, lease: one } = yield* lease
        strictEqual(yield* pinged(one), "pong")
        yield* lab.loseRouter
        yield* lab.restoreRouter
        strictEqual(
          yield* passes(Effect.retry(pinged(one), { while: ({ _tag }) => _tag === "ConnectionLost" })),
          "pong"
        )
      }))

    it("both at once, with a lease that it still has", () =>
      Effect.gen(function*() {
        const { lab, lease: one } = yield* lease
        yield* lab.stop
        yield* lab.loseRouter
        yield* lab.start
        yield* lab.restoreRouter
        strictEqual(
          yield* passes(Effect.retry(pinged(one), { while: ({ _tag }) => _tag === "ConnectionLost" })),
          "pong"
        )
        const [exporter] = yield* lab.exporters
        deepStrictEqual([exporter?.status, exporter?.lease], ["LEASE_READY", one.name])
      }))
  })
}
