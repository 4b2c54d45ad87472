// Leases in a lab in memory: how they are had, what is seen meanwhile, and that each of them is released.
import { ExporterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { describe, it } from "@effect/vitest"
import { assertInclude, assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { GrpcHandler } from "../../src/grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import type * as heldLease from "../../src/lease/heldLease.ts"
import type { LeaseRequest } from "../../src/lease/leaseRequest.ts"
import type { Dial } from "../../src/lease/opening.ts"
import type { ExporterStatus } from "../../src/protocol/ExporterStatus.ts"
import * as rpcs from "../../src/protocol/rpcs.ts"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import { acquire, board, clientOf, closing, dialling, inTime, logged, request } from "../support/leaseBench.ts"
import * as Probe from "../support/probe.ts"

const rpi4 = { labels: { board: "rpi4" } }

const asked: LeaseRequest = { selector: "board=rpi4", duration: "30 minutes" }

/** A lab with one board, and a client of it. */
const bench = (options: Parameters<typeof board>[2] = {}) =>
  Effect.gen(function*() {
    const lab = yield* ControllerTest.make()
    const rpi = yield* board(lab, "rpi", { ...rpi4, ...options })
    return { lab, rpi, controller: yield* clientOf(lab, "alice"), dial: dialling(rpi) }
  })

const ping = ({ connection }: heldLease.HeldLease) =>
  Effect.flatMap(connection.driver("power"), (power) => power.call("ping"))

const ends = (lab: ControllerTest.Control) =>
  Effect.map(lab.leases, (leases) => leases.map(({ ended, reason }) => `${ended ? "ended" : "open"} ${reason ?? ""}`))

/** The states that a lease has gone through so far, without what is in them. */
const watched = ({ changes }: heldLease.PendingLease) =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    yield* Effect.forkScoped(Stream.runForEach(changes, (state) =>
      Effect.sync(() =>
        seen.push(
          state._tag === "Waiting"
            ? `Waiting ${state.reason}`
            : state._tag === "Ended"
            ? `Ended ${state.end.how}`
            : state._tag
        )
      )))
    yield* Effect.yieldNow()
    return seen
  })

const test = <E>(name: string, body: () => Effect.Effect<void, E, Scope.Scope>) =>
  it.effect(name, () => closing(body()))

describe("a lease", () => {
  test("of a free board is had at once, without any time on the test clock", () =>
    Effect.gen(function*() {
      const { controller, dial, lab, rpi } = yield* bench()
      const lease = yield* acquire(controller, asked, dial)
      deepStrictEqual(lease.exporter, { name: "rpi", labels: { board: "rpi4", "jumpstarter.dev/name": "rpi" } })
      strictEqual(yield* ping(lease), "pong")
      deepStrictEqual(yield* ends(lab), ["open Ready"])
      deepStrictEqual(rpi.events, ["leased"])
    }))

  test("waits for a busy board, and shows for what, in its states and in the log", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* bench()
      const other = yield* clientOf(lab, "bob")
      const theirs = yield* acquire(other, asked, dial)
      const messages: Array<string> = []
      yield* Effect.gen(function*() {
        const pending = yield* request(controller, asked, dial)
        const seen = yield* watched(pending)
        const fiber = yield* Effect.fork(pending.acquired)
        yield* TestClock.adjust("90 seconds")
        strictEqual(seen.at(-1), "Waiting NotAvailable")
        yield* theirs.release
        const lease = yield* inTime(Fiber.join(fiber))
        yield* inTime(lease.release)
        deepStrictEqual(seen, ["Requested", "Waiting NotAvailable", "Acquired", "Connected", "Ended Released"])
      }).pipe(Effect.provide(logged(messages)))
      const ours = messages.filter((line) => line.includes("the selector"))
      strictEqual(ours.length, 3)
      assertInclude(ours[0], "waits for an exporter: NotAvailable: There are 1 approved exporters")
      assertInclude(ours[1], "still waits after 1m")
      assertInclude(ours[2], "has the exporter rpi (after 1m 3")
    }))

  test("connects to an exporter whose hook ends while an attempt to connect is under way", () =>
    Effect.gen(function*() {
      const { controller, dial } = yield* bench()
      const statuses: Array<ExporterStatus> = ["BEFORE_LEASE_HOOK", "LEASE_READY"]
      const preparing = {
        ...controller,
        exporter: (name: string) =>
          Effect.map(controller.exporter(name), (exporter) => ({
            ...exporter,
            status: statuses.shift() ?? exporter.status
          }))
      }
      let dials = 0
      const silent = GrpcChannel.fromHandlers(
        new Map([[
          rpcs.ofExporter(ExporterServiceDefinition.methods.getReport),
          GrpcHandler.Unary({ handle: () => Effect.never })
        ]])
      )
      const lease = yield* inTime(
        acquire(
          preparing,
          asked,
          (controller, lease) => Effect.suspend(() => dials++ === 0 ? silent : dial(controller, lease))
        )
      )
      strictEqual(yield* ping(lease), "pong")
    }))

  test("that no exporter fits fails at once, with what there is", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* bench()
      const error = yield* Effect.flip(
        acquire(controller, { selector: "board=rpi5", duration: "1 hour" }, dial)
      )
      assertTrue(error._tag === "LeaseError" && error.reason === "Unsatisfiable")
      assertInclude(
        error.message,
        "no lease for the selector \"board=rpi5\" (Unsatisfiable): no exporter has these labels; there are the exporters: " +
          "rpi (board=rpi4); the controller reported NoAccess: While there are 0 exporters matching the selector"
      )
      deepStrictEqual(yield* ends(lab), ["ended NoAccess"])
    }))

  test("of an exporter that there is not fails at once, with those that there are", () =>
    Effect.gen(function*() {
      const { controller, dial } = yield* bench()
      const error = yield* Effect.flip(acquire(controller, { exporterName: "rpi5", duration: "1 hour" }, dial))
      assertInclude(
        error.message,
        "no lease for the exporter rpi5 (Unsatisfiable): no exporter has this name; there are the exporters: rpi; " +
          "the controller reported ExporterNotFound: "
      )
    }))

  test("of an exporter that is disabled, by its name, fails with the exporter", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* bench()
      yield* lab.setEnabled("rpi", false)
      const error = yield* Effect.flip(acquire(controller, { exporterName: "rpi", duration: "1 hour" }, dial))
      assertInclude(
        error.message,
        "(Unsatisfiable): there is the exporter rpi (disabled); the controller reported ExporterDisabled: "
      )
    }))

  test("that is disabled fails with the exporter that was meant", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* bench()
      yield* lab.setEnabled("rpi", false)
      const error = yield* Effect.flip(acquire(controller, asked, dial))
      assertInclude(
        error.message,
        "(Unsatisfiable): exporters with these labels: rpi (disabled); the controller reported "
      )
    }))

  test("that a program has waited for long enough is given back at once, though its scope stays open", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* bench()
      yield* acquire(yield* clientOf(lab, "bob"), asked, dial)
      const pending = yield* request(controller, { ...asked, waitAtMost: "1 minute" }, dial)
      const error = yield* inTime(Effect.flip(pending.acquired), 10_000)
      assertTrue(error._tag === "LeaseError" && error.reason === "WaitedTooLong")
      assertInclude(error.message, "it had no exporter within 1m (waitAtMost): NotAvailable: ")
      deepStrictEqual(yield* ends(lab), ["open Ready", "ended Released"])
    }))

  test("is waited for as long as the configuration of the client says", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* bench()
      yield* acquire(yield* clientOf(lab, "bob"), asked, dial)
      const leases = { ...controller.config.leases, acquisitionTimeout: Duration.minutes(1) }
      const impatient = { ...controller, config: { ...controller.config, leases } }
      const error = yield* inTime(Effect.flip(acquire(impatient, asked, dial)), 10_000)
      assertInclude(error.message, "it had no exporter within 1m (waitAtMost): NotAvailable: ")
    }))

  test("that begins later is waited for from its begin on", () =>
    Effect.gen(function*() {
      const { controller, dial } = yield* bench()
      yield* TestClock.setTime(1_000_000)
      const beginTime = DateTime.unsafeMake(1_000_000 + 3_600_000)
      const pending = yield* request(controller, { ...asked, beginTime, waitAtMost: "1 minute" }, dial)
      const seen = yield* watched(pending)
      yield* inTime(pending.acquired, 10_000)
      deepStrictEqual(seen, ["Requested", "Scheduled", "Acquired", "Connected"])
      const late = (yield* TestClock.currentTimeMillis) - beginTime.epochMillis
      assertTrue(late >= 0 && late <= 20_000, `${late} ms`)
    }))

  test("that somebody deletes while it waits fails with its end", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* bench()
      yield* acquire(yield* clientOf(lab, "bob"), asked, dial)
      const pending = yield* request(controller, asked, dial)
      yield* TestClock.adjust("1 second")
      yield* lab.release(pending.name)
      const error = yield* inTime(Effect.flip(pending.acquired))
      assertTrue(error._tag === "LeaseError" && error.reason === "Ended")
      assertInclude(error.message, "(Deleted): The lease was marked for release")
    }))
})

describe("a lease is released", () => {
  const ways: ReadonlyArray<
    readonly [string, (lease: heldLease.HeldLease) => Effect.Effect<unknown, unknown>, "hook" | "no hook"]
  > = [
    ["on success", ping, "hook"],
    ["on a typed failure", () => Effect.fail("no"), "hook"],
    ["on a defect", () => Effect.dieMessage("no"), "hook"],
    ["on an interruption by itself", () => Effect.interrupt, "no hook"]
  ]
  for (const [how, program, hook] of ways) {
    test(`${how}, with its session ended first`, () =>
      Effect.gen(function*() {
        const { controller, dial, lab, rpi } = yield* bench({ afterLease: Effect.sleep("3 seconds") })
        const exit = yield* acquire(controller, asked, dial).pipe(
          Effect.flatMap(program),
          Effect.scoped,
          Effect.exit,
          inTime
        )
        strictEqual(Exit.isSuccess(exit), how === "on success")
        deepStrictEqual(yield* ends(lab), ["ended Released"])
        deepStrictEqual(
          rpi.events,
          hook === "hook" ? ["leased", "session-ended", "hook done", "free"] : ["leased", "session-ended", "free"]
        )
      }))
  }

  test("when a program is interrupted in a call", () =>
    Effect.gen(function*() {
      const probe = yield* Probe.make
      const { controller, dial, lab, rpi } = yield* bench({ call: probe.watch(Effect.never) })
      const fiber = yield* acquire(controller, asked, dial).pipe(
        Effect.flatMap(ping),
        Effect.scoped,
        Effect.fork
      )
      yield* probe.started
      yield* Fiber.interrupt(fiber)
      yield* probe.finalized
      deepStrictEqual(yield* ends(lab), ["ended Released"])
      deepStrictEqual(rpi.events, ["leased", "session-ended", "free"])
    }))

  test("when a program is interrupted while it waits for an exporter", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* bench()
      yield* acquire(yield* clientOf(lab, "bob"), asked, dial)
      const fiber = yield* Effect.fork(acquire(controller, asked, dial))
      yield* TestClock.adjust("5 seconds")
      deepStrictEqual(yield* ends(lab), ["open Ready", "open NotAvailable"])
      yield* Fiber.interrupt(fiber)
      deepStrictEqual(yield* ends(lab), ["open Ready", "ended Released"])
    }))

  test("when a program is interrupted while it connects", () =>
    Effect.gen(function*() {
      const { controller, lab } = yield* bench()
      const probe = yield* Probe.make
      const silent: Dial = () =>
        Effect.zipRight(
          Effect.acquireRelease(Effect.void, () => probe.watch(Effect.void)),
          GrpcChannel.fromHandlers(
            new Map([[
              rpcs.ofExporter(ExporterServiceDefinition.methods.getReport),
              GrpcHandler.Unary({
                handle: () => Effect.zipRight(Deferred.succeed(connecting, undefined), Effect.never)
              })
            ]])
          )
        )
      const connecting = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(acquire(controller, asked, silent))
      yield* Deferred.await(connecting)
      yield* Fiber.interrupt(fiber)
      strictEqual(yield* probe.finalizations, 1)
      deepStrictEqual(yield* ends(lab), ["ended Released"])
    }))

  test("when a layer that is built after it fails", () =>
    Effect.gen(function*() {
      const { controller, dial, lab, rpi } = yield* bench()
      class Lease extends Context.Tag("Lease")<Lease, heldLease.HeldLease>() {}
      const broken = Layer.effectDiscard(Effect.zipRight(Effect.flatMap(Lease, ping), Effect.fail("no")))
      const exit = yield* Effect.void.pipe(
        Effect.provide(Layer.provide(broken, Layer.scoped(Lease, acquire(controller, asked, dial)))),
        Effect.exit,
        inTime
      )
      deepStrictEqual(exit, Exit.fail("no"))
      deepStrictEqual(yield* ends(lab), ["ended Released"])
      deepStrictEqual(rpi.events, ["leased", "session-ended", "free"])
    }))

  test("once, however often it is asked for", () =>
    Effect.gen(function*() {
      const { controller, dial, lab, rpi } = yield* bench()
      yield* inTime(Effect.scoped(Effect.gen(function*() {
        const lease = yield* acquire(controller, asked, dial)
        yield* Effect.all([lease.release, lease.release], { concurrency: 2 })
        deepStrictEqual(yield* ends(lab), ["ended Released"])
        yield* lease.release
        strictEqual(Option.getOrNull(yield* Stream.runLast(lease.changes))?._tag, "Ended")
      })))
      deepStrictEqual(rpi.events, ["leased", "session-ended", "free"])
    }))

  test("though its hook takes longer than it may, with a warning", () =>
    Effect.gen(function*() {
      const { controller, dial, lab, rpi } = yield* bench({ afterLease: Effect.never })
      const messages: Array<string> = []
      const begun = yield* TestClock.currentTimeMillis
      yield* acquire(controller, { ...asked, afterLease: "20 seconds" }, dial).pipe(
        Effect.scoped,
        inTime,
        Effect.provide(logged(messages))
      )
      const took = (yield* TestClock.currentTimeMillis) - begun
      assertTrue(took >= 20_000 && took < 21_000, `${took} ms`)
      deepStrictEqual(yield* ends(lab), ["ended Released"])
      assertTrue(messages.some((line) =>
        line.startsWith("WARN") && line.includes("the afterLease hook did not end within 20s (afterLease)")
      ))
      deepStrictEqual(rpi.events.slice(0, 2), ["leased", "session-ended"])
    }))

  test("after a hook that takes longer than an exporter may take to be ready", () =>
    Effect.gen(function*() {
      const { controller, dial, lab, rpi } = yield* bench({ afterLease: Effect.sleep("90 seconds") })
      const messages: Array<string> = []
      const begun = yield* TestClock.currentTimeMillis
      yield* acquire(controller, { ...asked, connect: { readyTimeout: "10 seconds" } }, dial).pipe(
        Effect.scoped,
        inTime,
        Effect.provide(logged(messages))
      )
      const took = (yield* TestClock.currentTimeMillis) - begun
      assertTrue(took >= 90_000 && took < 100_000, `${took} ms`)
      deepStrictEqual(messages.filter((line) => line.startsWith("WARN")), [])
      deepStrictEqual(yield* ends(lab), ["ended Released"])
      deepStrictEqual(rpi.events, ["leased", "session-ended", "hook done", "free"])
    }))

  test("when the wait for its hook is interrupted", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* bench({ afterLease: Effect.never })
      const fiber = yield* Effect.fork(Effect.scoped(acquire(controller, asked, dial)))
      yield* TestClock.adjust("1 second")
      deepStrictEqual(yield* ends(lab), ["open Ready"])
      yield* Fiber.interrupt(fiber)
      deepStrictEqual(yield* ends(lab), ["ended Released"])
    }))
})

describe("a create whose answer is lost", () => {
  const isCreate = (rpc: string) => rpc.endsWith("/CreateLease")

  const lost = GrpcStatus.lost({ rpc: "", target: "lab" }, "the connection was lost")

  /** Loses the first answers; what was asked for is done `later`. */
  const losing = (count: number, later: Effect.Effect<void> = Effect.void, until = Effect.succeed(false)) => {
    let left = count
    return (channel: GrpcChannel.Channel): GrpcChannel.Channel => ({
      ...channel,
      unary: (rpc, message, options) =>
        isCreate(rpc) && left-- > 0
          ? Effect.if(until, {
            onTrue: () => channel.unary(rpc, message, options),
            onFalse: () =>
              Effect.zipRight(
                Effect.forkDaemon(Effect.zipRight(later, Effect.ignore(channel.unary(rpc, message, options)))),
                Effect.zipRight(Effect.yieldNow(), lost)
              )
          })
          : channel.unary(rpc, message, options)
    })
  }

  const losingBench = (through: ReturnType<typeof losing>) =>
    Effect.gen(function*() {
      const { dial, lab } = yield* bench()
      return { lab, dial, controller: yield* clientOf(lab, "carol", through) }
    })

  test("leaves one lease, which is used", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* losingBench(losing(1))
      const lease = yield* inTime(acquire(controller, asked, dial))
      strictEqual(yield* ping(lease), "pong")
      deepStrictEqual(yield* ends(lab), ["open Ready"])
    }))

  test("leaves one lease that is used, also when the controller was away for longer than one request", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* losingBench(
        losing(Infinity, Effect.void, Effect.map(TestClock.currentTimeMillis, (now) => now > 10_000))
      )
      const lease = yield* inTime(acquire(controller, asked, dial))
      strictEqual(yield* ping(lease), "pong")
      deepStrictEqual(yield* ends(lab), ["open Ready"])
    }))

  test("leaves one lease that is released, when the program is interrupted meanwhile", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* losingBench(losing(Infinity))
      const fiber = yield* Effect.fork(Effect.scoped(acquire(controller, asked, dial)))
      yield* TestClock.adjust("1 second")
      deepStrictEqual(yield* ends(lab), ["open Ready"])
      yield* inTime(Fiber.interrupt(fiber))
      deepStrictEqual(yield* ends(lab), ["ended Released"])
    }))

  test("is released, though the delete came before it", () =>
    Effect.gen(function*() {
      const { controller, dial, lab } = yield* losingBench(losing(Infinity, Effect.sleep("25 seconds")))
      const fiber = yield* Effect.fork(Effect.scoped(acquire(controller, asked, dial)))
      yield* TestClock.adjust("1 second")
      yield* inTime(Fiber.interrupt(fiber))
      yield* TestClock.adjust("1 minute")
      deepStrictEqual(yield* ends(lab), ["ended Released"])
    }))
})

describe("a lease that cannot be released", () => {
  test("is named in a warning", () =>
    Effect.gen(function*() {
      const { dial, lab } = yield* bench()
      const controller = yield* clientOf(lab, "carol", (channel) => ({
        ...channel,
        unary: (rpc, message, options) =>
          rpc.endsWith("/DeleteLease")
            ? GrpcStatus.refused({ rpc, target: "lab" }, "UNAVAILABLE", "nobody is there")
            : channel.unary(rpc, message, options)
      }))
      const messages: Array<string> = []
      yield* acquire(controller, asked, dial).pipe(
        Effect.scoped,
        inTime,
        Effect.provide(logged(messages))
      )
      const [lease] = yield* lab.leases
      const warning = messages.find((line) => line.includes("could not be released"))
      assertInclude(
        warning,
        `WARN the lease ${lease?.name} for the selector "board=rpi4" could not be released and keeps its exporter until its 30m are over: `
      )
      assertInclude(warning, `\`jmp delete leases ${lease?.name}\` releases it`)
    }))
})
