// protocol.md 13.2: what exporters say, and what they are told.
import { ControllerServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, Stream, TestClock } from "effect"
import * as ControllerTest from "../../../src/testing/ControllerTest.ts"
import { addClient, addExporter, condition, refusal, status } from "../../support/controller.ts"

const { methods } = ControllerServiceDefinition

const start = (options?: ControllerTest.ControllerTestOptions) =>
  Effect.gen(function*() {
    const lab = yield* ControllerTest.make(options)
    const alice = yield* addClient(lab, "alice")
    const bench = yield* addExporter(lab, "bench", { labels: { board: "rpi4", "jumpstarter.dev/admin": "x" } })
    const shown = Effect.map(
      alice.exporter("bench"),
      ({ online, status, statusMessage }) => ({ online, status, statusMessage })
    )
    return { lab, alice, bench, shown }
  })

describe("an exporter that registers", () => {
  it.scoped("has the labels of Jumpstarter that it gave last, beside those of the administrator", () =>
    Effect.gen(function*() {
      const { alice, bench } = yield* start()
      const { uuid } = yield* bench.register({ "jumpstarter.dev/name": "bench", other: "y" })
      assert.deepStrictEqual((yield* alice.exporter("bench")).labels, {
        board: "rpi4",
        "jumpstarter.dev/name": "bench"
      })
      assert.deepStrictEqual(yield* bench.register(), { uuid })
      assert.deepStrictEqual((yield* alice.exporter("bench")).labels, { board: "rpi4" })
      assert.match(
        yield* refusal(bench.register({ "jumpstarter.dev/name": "-" })),
        /^INTERNAL: unable to update exporter: Exporter\.jumpstarter\.dev "bench" is invalid: metadata\.labels: Invalid value/
      )
    }))

  it.scoped("and unregisters has no drivers, and is there all the same", () =>
    Effect.gen(function*() {
      const { alice, bench, shown } = yield* start()
      yield* bench.online
      yield* bench.ask(methods.unregister, { reason: "bye" })
      assert.deepInclude(yield* shown, { online: true, status: status.available })
      assert.match(String(condition(yield* alice.get(yield* alice.lease({ selector: "board" })), "Pending")), /Offline/)
    }))

  it.scoped("and unregisters is offline on main, with its reason", () =>
    Effect.gen(function*() {
      const { bench, shown } = yield* start({ release: "main" })
      yield* bench.online
      yield* bench.ask(methods.unregister, { reason: "bye" })
      assert.deepStrictEqual(yield* shown, { online: false, status: status.offline, statusMessage: "bye" })
      yield* bench.ask(methods.unregister, {})
      assert.deepInclude(yield* shown, { statusMessage: "Exporter unregistered" })
    }))
})

describe("an exporter that reports", () => {
  it.scoped("is online unless it says that it is not", () =>
    Effect.gen(function*() {
      const { bench, shown } = yield* start()
      yield* bench.report(status.ready, "hello")
      assert.deepStrictEqual(yield* shown, { online: true, status: status.ready, statusMessage: "hello" })
      yield* bench.report(42)
      assert.deepStrictEqual(yield* shown, { online: true, status: 0, statusMessage: "" })
      yield* bench.report(status.offline)
      assert.deepInclude(yield* shown, { online: false, status: status.offline })
    }))

  it.scoped("is offline after a minute without a word", () =>
    Effect.gen(function*() {
      const { bench, shown } = yield* start()
      yield* bench.report(status.available)
      yield* TestClock.adjust("59999 millis")
      assert.isTrue((yield* shown).online)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* shown, {
        online: false,
        status: status.offline,
        statusMessage: "Connection lost - last seen more than 1 minute ago"
      })
    }))

  it.scoped("is noticed offline 12 seconds later with observed latency", () =>
    Effect.gen(function*() {
      const { bench, shown } = yield* start({ latency: "observed" })
      yield* bench.report(status.available)
      yield* TestClock.adjust("71999 millis")
      assert.isTrue((yield* shown).online)
      yield* TestClock.adjust("1 millis")
      assert.deepInclude(yield* shown, { online: false, status: status.offline })
    }))

  it.scoped("can end its lease with any status, once", () =>
    Effect.gen(function*() {
      const { alice, bench } = yield* start()
      const { next } = yield* bench.online
      const name = yield* alice.lease({ selector: "board" })
      yield* next
      yield* bench.report(status.available, "", true)
      assert.match(String(condition(yield* alice.get(name), "Ready")), /^False Released/)
      assert.deepInclude(yield* next, { leased: false })
      yield* bench.report(status.available, "", true)
    }))
})

describe("an exporter that watches its status", () => {
  it.scoped("is online for as long as it does, registered or not, whether it lives or not", () =>
    Effect.gen(function*() {
      const { bench, shown } = yield* start()
      const watching = yield* Effect.fork(Stream.runDrain(bench.notices))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* shown, { online: true, status: 0, statusMessage: "Never seen" })
      yield* Fiber.interrupt(watching)
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(yield* shown, { online: false, status: status.offline })
    }))

  it.scoped("is not offline any more, and has no status then", () =>
    Effect.gen(function*() {
      const { bench, shown } = yield* start()
      yield* bench.report(status.offline, "gone")
      yield* Stream.runDrain(Stream.take(bench.notices, 1))
      assert.deepStrictEqual(yield* shown, { online: true, status: 0, statusMessage: "" })
      yield* bench.report(status.ready, "stale")
      yield* Stream.runDrain(Stream.take(bench.notices, 1))
      assert.deepStrictEqual(yield* shown, { online: true, status: status.ready, statusMessage: "stale" })
    }))

  it.scoped("is told of the lease that it has, on each stream", () =>
    Effect.gen(function*() {
      const { alice, bench, lab } = yield* start()
      yield* bench.online
      yield* alice.lease({ selector: "board" }, "one")
      const first = yield* Effect.forEach([1, 2], () => Stream.runHead(bench.notices), { concurrency: 2 })
      assert.deepStrictEqual(first.map((one) => one._tag === "Some" && one.value.leaseName), ["one", "one"])
      // A start does not change that.
      yield* lab.restart
      const again = yield* Stream.runHead(bench.notices)
      assert.isTrue(again._tag === "Some" && again.value.leased)
    }))

  it.scoped("keeps the stream when its object is gone", () =>
    Effect.gen(function*() {
      const { bench, lab } = yield* start()
      const watching = yield* Effect.fork(Stream.runDrain(bench.notices))
      yield* TestClock.adjust("1 second")
      yield* lab.remove("bench")
      assert.strictEqual(
        yield* refusal(bench.report(status.available)),
        "UNKNOWN: exporter lab/bench: exporters.jumpstarter.dev \"bench\" not found"
      )
      yield* TestClock.adjust("1 hour")
      assert.isNull(watching.unsafePoll())
    }))
})

describe("an exporter that releases", () => {
  it.scoped("its own lease, as often as it likes", () =>
    Effect.gen(function*() {
      const { alice, bench } = yield* start()
      yield* bench.online
      const name = yield* alice.lease({ selector: "board" })
      yield* bench.release(name)
      yield* bench.release(name)
      assert.match(String(condition(yield* alice.get(name), "Ready")), /^False Released/)
    }))

  it.scoped("no other", () =>
    Effect.gen(function*() {
      const { alice, bench, lab } = yield* start()
      yield* bench.online
      const other = yield* addExporter(lab, "other")
      const name = yield* alice.lease({ selector: "board" })
      assert.strictEqual(
        yield* refusal(other.release(name)),
        `FAILED_PRECONDITION: lease ${name} is not held by exporter other`
      )
      assert.strictEqual(yield* refusal(other.release("nope")), "NOT_FOUND: lease nope not found")
      assert.match(yield* refusal(other.release("")), /^INTERNAL: /)
    }))
})

describe("an exporter that listens", () => {
  it.scoped("is refused without a lease of its own", () =>
    Effect.gen(function*() {
      const { alice, bench, lab } = yield* start()
      yield* bench.online
      const other = yield* addExporter(lab, "other")
      const name = yield* alice.lease({ selector: "board" })
      const told = (lease: string) => refusal(Stream.runDrain(other.listen(lease)))
      assert.strictEqual(yield* told(name), "UNKNOWN: permission denied")
      assert.strictEqual(yield* told(""), "UNKNOWN: empty lease name")
      assert.strictEqual(yield* told("x"), "UNKNOWN: leases.jumpstarter.dev \"x\" not found")
    }))

  it.scoped("is heard also for a lease that has ended, and is not ended with it", () =>
    Effect.gen(function*() {
      const { alice, bench } = yield* start()
      yield* bench.online
      const name = yield* alice.lease({ selector: "board" })
      yield* bench.report(status.ready)
      const listening = yield* Effect.fork(Stream.runHead(bench.listen(name)))
      yield* TestClock.adjust("1 second")
      yield* alice.delete(name)
      assert.isNull(listening.unsafePoll())
      const answer = yield* alice.dial(name)
      const got = yield* Fiber.join(listening)
      assert.deepStrictEqual(got._tag === "Some" && got.value, answer)
    }))

  it.scoped("ends the stream that listened before, after the tokens that waited on it", () =>
    Effect.gen(function*() {
      const { alice, bench } = yield* start()
      yield* bench.online
      const name = yield* alice.lease({ selector: "board" })
      yield* bench.report(status.ready)
      const reading = yield* Deferred.make<void>()
      const first = yield* Effect.fork(
        Stream.runCollect(Stream.tap(bench.listen(name), () => Deferred.await(reading)))
      )
      yield* TestClock.adjust("1 second")
      // Until its buffer is full.
      const early = yield* Stream.runCollect(
        Stream.catchAll(Stream.repeatEffect(alice.dial(name)), () => Stream.empty)
      )
      const second = yield* Effect.fork(Stream.runHead(bench.listen(name)))
      yield* TestClock.adjust("1 second")
      const late = yield* alice.dial(name)
      yield* Deferred.succeed(reading, undefined)
      assert.deepStrictEqual(yield* Fiber.join(first), early)
      assert.deepStrictEqual(yield* Fiber.join(second), Option.some(late))
    }))
})
