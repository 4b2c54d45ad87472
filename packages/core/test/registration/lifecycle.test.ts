// The life of a registered exporter, row by row as in protocol.md: 13.2 is what it says to the controller, and 9.2 the statuses of one
// lease. The controller is the stand-in, on the test's clock.
import { describe, it } from "@effect/vitest"
import { assertInclude, assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { Cause, Deferred, Effect, Exit, Fiber, Option, Redacted, Scope, TestClock } from "effect"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as DriverFailure from "../../src/protocol/DriverFailure.ts"
import type { HookFailed } from "../../src/protocol/ExporterStatus.ts"
import * as ExporterRegistration from "../../src/registration/ExporterRegistration.ts"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import { exporterOf, metadataOf, status } from "../support/controller.ts"
import { closing, inTime, logged } from "../support/leaseBench.ts"
import * as bench from "../support/registrationBench.ts"

const { client, ping, settled } = bench

const begun = "AVAILABLE: Exporter registered and available"

const ready = "LEASE_READY: Ready for commands"

const free = "AVAILABLE: Available for new lease"

const released = "AVAILABLE: Exporter available after lease release"

const goodbye = ["OFFLINE: Exporter shutting down", "Unregister: Exporter shutdown"]

const test = <E>(name: string, body: () => Effect.Effect<void, E, Scope.Scope>) =>
  it.effect(name, () => closing(body()))

const broken = Effect.fail(new Error("no power"))

const fail = (code: GrpcStatus.GrpcCode, details: string) => Effect.fail(GrpcStatus.make(code, details))

/** The exporter as the controller knows it. */
const known = (lab: ControllerTest.Control) => Effect.map(lab.exporters, ([exporter]) => exporter)

/** Lets time pass until the exporter has said something. */
const until = ({ seen }: bench.Bench, wanted: string) =>
  inTime(Effect.repeat(Effect.delay(settled, "100 millis"), { until: () => seen.includes(wanted) }))

/** A board that counts how often it was made, reset and closed. */
const board = () => {
  const events: Array<string> = []
  const note = (event: string) => Effect.sync(() => void events.push(event))
  const drivers = Effect.map(
    Effect.acquireRelease(note("made"), () => note("closed")),
    () => ({
      power: Driver.make({
        client: "none.Client",
        methods: { ping: Driver.call(() => Effect.as(note("called"), "pong")) },
        reset: note("reset")
      })
    })
  )
  return { drivers, events, note }
}

describe("protocol.md 13.2, 1: the start", () => {
  test("builds the tree once, registers it with its name as a label, and closes it", () =>
    Effect.gen(function*() {
      const { drivers, events } = board()
      const { lab, seen } = yield* bench.make({ drivers, labels: { "jumpstarter.dev/rack": "7" } })
      deepStrictEqual(events, ["made", "reset", "closed"])
      deepStrictEqual(seen, ["Register", begun, "Status"])
      deepStrictEqual(yield* known(lab), {
        name: "rpi",
        labels: { "jumpstarter.dev/name": "rpi", "jumpstarter.dev/rack": "7" },
        online: true,
        status: "AVAILABLE",
        message: "Exporter registered and available",
        drivers: 2,
        lease: undefined
      })
    }))

  test("says which labels the controller does not keep", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      yield* bench.make({ labels: { board: "rpi4", "jumpstarter.dev/rack": "7" } }).pipe(Effect.provide(logged(lines)))
      deepStrictEqual(lines.filter((line) => line.startsWith("WARN")), [
        "WARN rpi: the controller keeps only labels that begin with jumpstarter.dev/, and not board; the administrator of the " +
        "service sets other labels"
      ])
    }))

  test("reports AVAILABLE whatever was left behind, and takes leases", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      const credentials = yield* lab.addExporter("rpi")
      const before = exporterOf(lab, metadataOf(credentials))
      yield* before.register()
      yield* before.report(status.afterLeaseFailed, "crashed")
      const { seen } = yield* bench.registered(lab, yield* Effect.orDie(lab.identityOf(credentials)))
      strictEqual((yield* known(lab))?.status, "AVAILABLE")
      yield* (yield* client(lab)).lease
      yield* settled
      assertTrue(seen.includes(ready))
    }))

  test("takes up a lease that it has already", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      const credentials = yield* lab.addExporter("rpi")
      const before = exporterOf(lab, metadataOf(credentials))
      yield* before.register()
      yield* before.report(status.available)
      const lease = yield* (yield* client(lab)).lease
      yield* before.report(status.offline)
      yield* bench.registered(lab, yield* Effect.orDie(lab.identityOf(credentials)))
      yield* settled
      deepStrictEqual([(yield* known(lab))?.status, (yield* known(lab))?.lease], ["LEASE_READY", lease])
    }))

  test("fails when the drivers cannot be made or reset", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      const lent = (drivers: Effect.Effect<Readonly<Record<string, Driver.Driver>>, Error>) =>
        Effect.flip(lab.hostExporter("rpi", drivers))
      strictEqual((yield* lent(Effect.fail(new Error("no adapter")))).message, "no adapter")
      const broken = Driver.make({ client: "none.Client", reset: DriverFailure.make("Device", "the relay is stuck") })
      strictEqual(
        (yield* lent(Effect.succeed({ power: broken }))).message,
        "power could not be reset: the relay is stuck"
      )
      strictEqual((yield* known(lab))?.online, false)
    }))

  test("fails when the controller refuses the exporter, and waits for one that is away", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      const identity = yield* Effect.orDie(Effect.flatMap(lab.addExporter("rpi"), lab.identityOf))
      const config = { ...identity.config, token: Redacted.make("another") }
      const error = yield* Effect.flip(bench.registered(lab, { ...identity, config }))
      assertInclude(error.message, "Register on controller.memory:443 failed (Unauthenticated, UNKNOWN)")
      const stranger = { ...identity.config, name: "nobody" }
      assertInclude(
        (yield* Effect.flip(bench.registered(lab, { ...identity, config: stranger }))).message,
        "failed (UnknownExporter, UNKNOWN): exporter lab/nobody: exporters.jumpstarter.dev \"nobody\" not found; " +
          "check the namespace and the name in the exporter configuration"
      )
      yield* lab.stop
      const waiting = yield* Effect.fork(bench.registered(lab, identity))
      yield* TestClock.adjust("1 minute")
      strictEqual(Option.isNone(yield* Fiber.poll(waiting)), true)
      yield* lab.start
      yield* inTime(Fiber.join(waiting))
      strictEqual((yield* known(lab))?.status, "AVAILABLE")
    }))

  test("waits for a controller that has just started, and refuses every token at first", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make({ latency: "observed" })
      const identity = yield* Effect.orDie(Effect.flatMap(lab.addExporter("rpi"), lab.identityOf))
      yield* inTime(lab.restart)
      const waiting = yield* Effect.fork(bench.registered(lab, identity))
      yield* TestClock.adjust("5 seconds")
      yield* settled
      strictEqual(Option.isNone(yield* Fiber.poll(waiting)), true)
      strictEqual((yield* known(lab))?.online, false)
      yield* inTime(Fiber.join(waiting))
      strictEqual((yield* known(lab))?.status, "AVAILABLE")
    }))

  test("survives reports that the controller refuses", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const { lab, seen } = yield* bench.make({
        gate: (rpc, text) =>
          rpc === "reportStatus" && text !== begun && text !== free
            ? fail("FAILED_PRECONDITION", "invalid transition")
            : Effect.void
      }).pipe(Effect.provide(logged(lines)))
      const { delete: release, lease } = yield* client(lab)
      yield* release(yield* lease)
      yield* settled
      deepStrictEqual((yield* known(lab))?.status, "AVAILABLE")
      yield* lease
      yield* settled
      strictEqual(seen.filter((line) => line === ready).length, 2)
      assertTrue(
        lines.some((line) => line.startsWith("WARN the controller refused the status LEASE_READY: ReportStatus on"))
      )
    }))
})

describe("protocol.md 13.2, 2: the Status stream", () => {
  test("is opened again when it ends, after the exporter has registered and reported again", () =>
    Effect.gen(function*() {
      const { lab, seen } = yield* bench.make()
      const bob = yield* client(lab)
      yield* bob.lease
      yield* settled
      yield* lab.restart
      yield* inTime(Effect.repeat(settled, { until: () => seen.filter((line) => line === "Status").length === 2 }))
      deepStrictEqual(seen, ["Register", begun, "Status", "leased", ready, "Register", ready, "Status"])
      strictEqual((yield* known(lab))?.online, true)
    }))

  test("with another client of the same lease is a transfer", () =>
    Effect.gen(function*() {
      const clients: Array<string> = []
      const seen = Effect.map(ExporterRegistration.CurrentLease, ({ client }) => void clients.push(client))
      const { lab } = yield* bench.make({ hooks: { beforeLease: { run: seen }, afterLease: { run: seen } } })
      const bob = yield* client(lab)
      yield* lab.addClient("carol")
      const lease = yield* bob.lease
      yield* settled
      yield* lab.transfer(lease, "carol")
      yield* settled
      yield* lab.release(lease)
      yield* settled
      deepStrictEqual(clients, ["bob", "carol"])
    }))

  test("with another lease is an end and a beginning", () =>
    Effect.gen(function*() {
      const { drivers, events } = board()
      const { lab, seen } = yield* bench.make({ drivers })
      const bob = yield* client(lab)
      const one = yield* bob.lease
      yield* settled
      yield* bob.lease
      yield* bob.delete(one)
      yield* inTime(Effect.repeat(settled, { until: () => seen.filter((line) => line === ready).length === 2 }))
      deepStrictEqual(events.slice(3), ["made", "reset", "closed", "made", "reset"])
      deepStrictEqual(seen.filter((line) => !line.includes(":")).slice(2), ["leased", "free", "leased"])
    }))
})

describe("protocol.md 13.2, 3: a lease", () => {
  test("has drivers of its own, which are reset before the hook and every call, and closed last", () =>
    Effect.gen(function*() {
      const { drivers, events, note } = board()
      const { dial, lab } = yield* bench.make({
        drivers,
        hooks: { beforeLease: { run: note("hook") }, afterLease: { run: note("hook after") } }
      })
      const lease = yield* (yield* client(lab)).lease
      yield* settled
      const { driver } = yield* ExporterConnection.fromChannel(
        yield* dial(yield* lab.controllerOf(yield* lab.addClient("x")), lease)
      )
      yield* Effect.flatMap(driver("power"), (power) => power.call("ping"))
      deepStrictEqual(events.slice(3), ["made", "reset", "hook", "called"])
      yield* lab.release(lease)
      yield* settled
      deepStrictEqual(events.slice(3), ["made", "reset", "hook", "called", "hook after", "closed"])
    }))

  test("whose drivers cannot be made fails with a message, and the exporter stays", () =>
    Effect.gen(function*() {
      let count = 0
      const drivers = Effect.suspend(() =>
        ++count === 2 ? Effect.dieMessage("the adapter is unplugged") : Effect.succeed({ power: ping })
      )
      const rpi = yield* bench.make({ drivers })
      const bob = yield* client(rpi.lab)
      const lease = yield* bob.lease
      yield* settled
      strictEqual((yield* bob.exporter("rpi")).statusMessage, "the drivers could not be made: the adapter is unplugged")
      assertInclude(
        (yield* Effect.flip(bob.dial(lease))).details,
        "exporter beforeLease hook failed"
      )
      yield* until(rpi, released)
      deepStrictEqual(rpi.seen.slice(3), [
        "leased",
        "BEFORE_LEASE_HOOK_FAILED: the drivers could not be made: the adapter is unplugged",
        "ReleaseLease",
        "free",
        released
      ])
      yield* bob.lease
      yield* settled
      strictEqual(rpi.seen.at(-1), ready)
    }))
})

describe("protocol.md 13.2, 4: the end of a lease", () => {
  test("closes the drivers before the exporter is available", () =>
    Effect.gen(function*() {
      const closed = yield* Deferred.make<void>()
      let count = 0
      // The first ones are for the report.
      const drivers = Effect.as(
        Effect.addFinalizer(() => Effect.suspend(() => ++count === 1 ? Effect.void : Deferred.await(closed))),
        { power: ping }
      )
      const { lab, seen } = yield* bench.make({ drivers })
      const bob = yield* client(lab)
      yield* bob.lease
      yield* settled
      yield* bob.delete((yield* lab.leases)[0]?.name ?? "")
      yield* settled
      deepStrictEqual([count, seen.at(-1)], [2, "free"])
      yield* Deferred.succeed(closed, undefined)
      yield* settled
      strictEqual(seen.at(-1), free)
    }))

  test("that comes before the exporter has begun is skipped", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { drivers, events } = board()
      let count = 0
      const { lab, seen } = yield* bench.make({
        drivers: Effect.flatMap(Effect.suspend(() => count++ === 1 ? Deferred.await(gate) : Effect.void), () => drivers)
      })
      const bob = yield* client(lab)
      const one = yield* bob.lease
      yield* settled
      yield* bob.delete(one)
      const two = yield* bob.lease
      yield* bob.delete(two)
      yield* bob.lease
      yield* settled
      deepStrictEqual(seen.slice(3), ["leased", "free", "leased", ready])
      deepStrictEqual(events.slice(3), ["made", "reset"])
    }))

  test("sends its clients away, lets the hook before it end, and runs the hook after it", () =>
    Effect.gen(function*() {
      const ran: Array<string> = []
      const { handlers, lab, seen } = yield* bench.make({
        hooks: {
          beforeLease: { run: Effect.zipRight(Effect.sleep("10 seconds"), Effect.sync(() => void ran.push("before"))) },
          afterLease: { run: Effect.sync(() => void ran.push("after")) }
        }
      })
      const bob = yield* client(lab)
      const lease = yield* bob.lease
      yield* settled
      assertTrue(handlers().size > 0)
      yield* bob.delete(lease)
      yield* settled
      // Its clients are gone at once.
      strictEqual(handlers().size, 0)
      yield* TestClock.adjust("10 seconds")
      yield* settled
      deepStrictEqual(ran, ["before", "after"])
      deepStrictEqual(seen.slice(3), [
        "leased",
        "BEFORE_LEASE_HOOK: Running beforeLease hook",
        "free",
        "AFTER_LEASE_HOOK: Running afterLease hooks",
        free
      ])
    }))
})

describe("protocol.md 13.2, 5: the stop", () => {
  test("reports OFFLINE and unregisters", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { seen } = yield* Scope.extend(bench.make(), scope)
      yield* Scope.close(scope, Exit.void)
      deepStrictEqual(seen.slice(3), goodbye)
    }))

  test("takes at most 10 seconds when the controller does not answer", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      let isStuck = false
      yield* Scope.extend(bench.make({ gate: () => Effect.suspend(() => isStuck ? Effect.never : Effect.void) }), scope)
      isStuck = true
      const closed = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("9 seconds")
      strictEqual(Option.isNone(yield* Fiber.poll(closed)), true)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(closed)
    }))

  test("in a lease interrupts the hook before it, runs the hook after it, and keeps the lease", () =>
    Effect.gen(function*() {
      const ran: Array<string> = []
      const scope = yield* Scope.make()
      const note = (what: string): Effect.Effect<void> =>
        Effect.sync(() => void ran.push(rpi.handlers().size === 0 ? what : `${what}, with clients`))
      const rpi: bench.Bench = yield* Scope.extend(
        bench.make({
          hooks: {
            beforeLease: { run: Effect.onInterrupt(Effect.never, () => note("before interrupted")) },
            afterLease: { run: Effect.suspend(() => note("after")) }
          }
        }),
        scope
      )
      const { lab, seen } = rpi
      const lease = yield* (yield* client(lab)).lease
      yield* settled
      yield* Scope.close(scope, Exit.interrupt(yield* Effect.fiberId))
      deepStrictEqual(ran, ["before interrupted, with clients", "after"])
      deepStrictEqual((yield* lab.leases).map(({ ended, name }) => [name, ended]), [[lease, false]])
      deepStrictEqual(seen.slice(-2), goodbye)
    }))

  test("after `until` waits for the end of the lease", () =>
    Effect.gen(function*() {
      const hangUp = yield* Deferred.make<void>()
      const { lab, registration, seen } = yield* bench.make({ until: Deferred.await(hangUp) })
      const bob = yield* client(lab)
      const lease = yield* bob.lease
      yield* settled
      const ended = yield* Effect.fork(registration.ended)
      yield* Deferred.succeed(hangUp, undefined)
      yield* settled
      strictEqual(Option.isNone(yield* Fiber.poll(ended)), true)
      // It begins as soon as the exporter is free.
      yield* bob.lease
      yield* bob.delete(lease)
      yield* Fiber.join(ended)
      yield* settled
      deepStrictEqual(seen.filter((line) => line === "leased").length, 1)
    }))
})

describe("a defect", () => {
  const registering = (rpc: string) => rpc === "register" ? Effect.dieMessage("this is a defect") : Effect.void

  test("at the start is one of the registration", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(bench.make({ gate: registering }))
      assertTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
    }))

  test("after the start ends the exporter", () =>
    Effect.gen(function*() {
      let isBroken = false
      const { lab, registration } = yield* bench.make({
        gate: (rpc) => isBroken ? registering(rpc) : Effect.void
      })
      isBroken = true
      yield* lab.restart
      const exit = yield* inTime(Effect.exit(registration.ended))
      assertTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
    }))
})

describe("protocol.md 13.2: exitOnLeaseEnd", () => {
  test("ends the exporter after its first lease", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      const identity = yield* Effect.orDie(Effect.flatMap(lab.addExporter("rpi"), lab.identityOf))
      const config = { ...identity.config, exitOnLeaseEnd: true }
      const { registration, seen } = yield* bench.registered(lab, { ...identity, config })
      const bob = yield* client(lab)
      yield* bob.delete(yield* bob.lease)
      yield* registration.ended
      yield* bob.lease
      yield* settled
      strictEqual(seen.filter((line) => line === "leased").length, 1)
    }))
})

describe("protocol.md 13.2: retries", () => {
  test("reports that cannot be delivered are repeated, and only the latest counts", () =>
    Effect.gen(function*() {
      let isAway = false
      const rpi = yield* bench.make({
        gate: (rpc) => rpc === "reportStatus" && isAway ? fail("UNAVAILABLE", "gone") : Effect.void,
        hooks: { beforeLease: { run: Effect.sleep("3 seconds") } }
      })
      const bob = yield* client(rpi.lab)
      isAway = true
      yield* bob.lease
      yield* settled
      yield* TestClock.adjust("3 seconds")
      yield* settled
      isAway = false
      yield* inTime(Effect.repeat(Effect.delay(settled, "100 millis"), { until: () => rpi.seen.at(-1) === ready }))
      strictEqual((yield* known(rpi.lab))?.status, "LEASE_READY")
      yield* TestClock.adjust("1 minute")
      const count = rpi.seen.length
      yield* TestClock.adjust("1 minute")
      strictEqual(rpi.seen.length, count)
    }))
})

describe("protocol.md 13.2: the exporter's own release", () => {
  const hooks = { afterLease: { run: Effect.void } }

  /** Ends the session, as a client does that then goes away. */
  const sessionEnded = ({ handlers, lab }: bench.Bench) =>
    Effect.gen(function*() {
      yield* (yield* client(lab)).lease
      yield* settled
      const { endSession } = yield* ExporterConnection.fromChannel(
        yield* GrpcChannel.fromHandlers(handlers()),
        { leased: true }
      )
      deepStrictEqual(yield* endSession, { ended: true, message: "" })
    }).pipe(Effect.scoped)

  const after = ["session-ended", "AFTER_LEASE_HOOK: Running afterLease hooks", free]

  test("follows the hook after the session by a second", () =>
    Effect.gen(function*() {
      const rpi = yield* bench.make({ hooks })
      yield* sessionEnded(rpi)
      yield* settled
      yield* TestClock.adjust("999 millis")
      yield* settled
      deepStrictEqual(rpi.seen.slice(5), after)
      yield* TestClock.adjust("1 millis")
      yield* settled
      deepStrictEqual(rpi.seen.slice(5), [...after, "ReleaseLease", "free"])
      deepStrictEqual((yield* rpi.lab.leases).map(({ reason }) => reason), ["Released"])
    }))

  test("is left to the client when there is no hook", () =>
    Effect.gen(function*() {
      const rpi = yield* bench.make()
      yield* sessionEnded(rpi)
      yield* settled
      yield* TestClock.adjust("1 minute")
      deepStrictEqual(rpi.seen.slice(5), ["session-ended", free])
    }))

  for (const code of ["PERMISSION_DENIED", "INVALID_ARGUMENT", "UNIMPLEMENTED"] as const) {
    test(`goes over a report on a controller that answers ${code}`, () =>
      Effect.gen(function*() {
        const rpi = yield* bench.make({
          hooks,
          gate: (rpc) => rpc === "releaseLease" ? fail(code, "no") : Effect.void
        })
        yield* sessionEnded(rpi)
        yield* settled
        yield* TestClock.adjust("1 second")
        yield* settled
        deepStrictEqual(rpi.seen.slice(8), [
          "ReleaseLease",
          "AFTER_LEASE_HOOK: Available for new lease (releases)",
          "free",
          released
        ])
        deepStrictEqual((yield* rpi.lab.leases).map(({ reason }) => reason), ["Released"])
        strictEqual((yield* known(rpi.lab))?.status, "AVAILABLE")
      }))
  }

  test("is repeated until it succeeds, and is over when the lease ends otherwise", () =>
    Effect.gen(function*() {
      const rpi = yield* bench.make({
        hooks,
        gate: (rpc) => rpc === "releaseLease" ? fail("UNAVAILABLE", "gone") : Effect.void
      })
      yield* sessionEnded(rpi)
      yield* settled
      yield* TestClock.adjust("1 minute")
      assertTrue(rpi.seen.filter((line) => line === "ReleaseLease").length > 5)
      const [lease] = yield* rpi.lab.leases
      yield* rpi.lab.expire(lease?.name ?? "")
      yield* settled
      strictEqual(rpi.seen.at(-1), "free")
    }))

  test("is done when the controller knows the lease no longer, whatever its Status stream said last", () =>
    Effect.gen(function*() {
      const rpi = yield* bench.make({
        hooks,
        gate: (rpc) => rpc === "releaseLease" ? fail("NOT_FOUND", "there is no such lease") : Effect.void
      })
      yield* sessionEnded(rpi)
      yield* settled
      yield* TestClock.adjust("1 minute")
      yield* settled
      deepStrictEqual(rpi.seen.slice(5), [...after, "ReleaseLease", "free"])
    }))

  test("holds up the end of the exporter for at most 10 seconds", () =>
    Effect.gen(function*() {
      const rpi = yield* bench.make({
        hooks: { afterLease: { run: broken, onFailure: "exit" } },
        gate: (rpc) => rpc === "releaseLease" ? fail("UNAVAILABLE", "gone") : Effect.void
      })
      const ended = yield* Effect.fork(Effect.flip(rpi.registration.ended))
      yield* sessionEnded(rpi)
      yield* settled
      // The status of the failure lasts for 10 seconds.
      yield* TestClock.adjust("19 seconds")
      yield* settled
      strictEqual(Option.isNone(yield* Fiber.poll(ended)), true)
      yield* TestClock.adjust("1 seconds")
      yield* settled
      strictEqual((yield* Fiber.join(ended))._tag, "HookFailed")
    }))
})

interface Row {
  readonly name: string
  readonly hooks: ExporterRegistration.Hooks<ExporterConnection.ExporterConnection>
  /** What the exporter says from the begin of the lease, whose session its client ends when it is ready. */
  readonly says: ReadonlyArray<string>
  readonly exits?: string
}

const beforeRuns = "BEFORE_LEASE_HOOK: Running beforeLease hook"

const afterRuns = "AFTER_LEASE_HOOK: Running afterLease hooks"

const rows: ReadonlyArray<Row> = [
  { name: "no hooks configured at all", hooks: {}, says: [ready, free] },
  { name: "beforeLease set", hooks: { beforeLease: { run: Effect.void } }, says: [beforeRuns, ready, free] },
  {
    name: "beforeLease fails, onFailure: warn",
    hooks: { beforeLease: { run: broken } },
    says: [beforeRuns, "LEASE_READY: [HOOK_WARNING] beforeLease hook warning: no power", free]
  },
  {
    name: "beforeLease fails, endLease",
    hooks: { beforeLease: { run: broken, onFailure: "endLease" }, afterLease: { run: Effect.void } },
    says: [
      beforeRuns,
      "BEFORE_LEASE_HOOK_FAILED: beforeLease hook failed (on_failure=endLease): no power",
      "ReleaseLease",
      released
    ]
  },
  {
    name: "beforeLease fails, exit",
    hooks: { beforeLease: { run: broken, onFailure: "exit" } },
    says: [
      beforeRuns,
      "BEFORE_LEASE_HOOK_FAILED: beforeLease hook failed (on_failure=exit, shutting down): no power",
      "OFFLINE: Exporter shutting down due to beforeLease hook failure",
      "ReleaseLease"
    ],
    exits:
      "the beforeLease hook of the exporter at rpi failed: beforeLease hook failed (on_failure=exit, shutting down): no power"
  },
  {
    name: "afterLease set",
    hooks: { afterLease: { run: Effect.void } },
    says: [ready, afterRuns, free, "ReleaseLease"]
  },
  {
    name: "afterLease fails, warn",
    hooks: { afterLease: { run: broken, onFailure: "warn" } },
    says: [ready, afterRuns, "AVAILABLE: [HOOK_WARNING] afterLease hook warning: no power", "ReleaseLease"]
  },
  {
    name: "afterLease fails, endLease",
    hooks: { afterLease: { run: broken, onFailure: "endLease" } },
    says: [
      ready,
      afterRuns,
      "AFTER_LEASE_HOOK_FAILED: afterLease hook failed (on_failure=endLease): no power",
      "ReleaseLease",
      released
    ]
  },
  {
    name: "afterLease fails, exit",
    hooks: { afterLease: { run: broken, onFailure: "exit" } },
    says: [
      ready,
      afterRuns,
      "AFTER_LEASE_HOOK_FAILED: afterLease hook failed (on_failure=exit, shutting down): no power",
      "OFFLINE: Exporter shutting down due to afterLease hook failure",
      "ReleaseLease"
    ],
    exits:
      "the afterLease hook of the exporter at rpi failed: afterLease hook failed (on_failure=exit, shutting down): no power"
  },
  {
    name: "a hook that takes too long",
    hooks: { beforeLease: { run: Effect.never, timeout: "3 seconds" } },
    says: [beforeRuns, "LEASE_READY: [HOOK_WARNING] beforeLease hook warning: Hook timed out after 3 seconds", free]
  }
]

describe("protocol.md 9.2: the statuses of a lease", () => {
  for (const { exits, hooks, name, says } of rows) {
    test(name, () =>
      Effect.gen(function*() {
        const rpi = yield* bench.make({ hooks })
        const ended = yield* Effect.fork(Effect.flip(rpi.registration.ended))
        const bob = yield* client(rpi.lab)
        const lease = yield* bob.lease
        yield* settled
        yield* TestClock.adjust("3 seconds")
        yield* settled
        if (rpi.seen.some((line) => line.startsWith("LEASE_READY"))) {
          const connection = yield* ExporterConnection.fromChannel(
            yield* GrpcChannel.fromHandlers(rpi.handlers()),
            { leased: true }
          )
          yield* connection.endSession
        }
        yield* settled
        yield* TestClock.adjust("10 seconds")
        yield* settled
        if (says.at(-1) === free) yield* bob.delete(lease)
        yield* settled
        deepStrictEqual(rpi.seen.slice(3).filter((line) => /[A-Z]/.test(line)), says)
        deepStrictEqual((yield* rpi.lab.leases).map(({ ended }) => ended), [true])
        if (exits === undefined) {
          // An exporter never wedges.
          strictEqual((yield* known(rpi.lab))?.status, "AVAILABLE")
          yield* bob.lease
          yield* settled
          strictEqual(rpi.seen.filter((line) => line === "leased").length, 2)
        } else {
          const error: HookFailed = yield* Fiber.join(ended)
          strictEqual(error.message, exits)
        }
      }))
  }
})
