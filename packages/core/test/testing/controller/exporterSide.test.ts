// protocol.md 13.2: what exporters report, and how the controller notifies them.
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
  it.scoped("replaces the labels with Jumpstarter's prefix, and keeps those of the administrator", () =>
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

  it.scoped("has no drivers after it unregisters, and is still online", () =>
    Effect.gen(function*() {
      const { alice, bench, shown } = yield* start()
      yield* bench.online
      yield* bench.call(methods.unregister, { reason: "bye" })
      assert.deepInclude(yield* shown, { online: true, status: status.available })
      assert.match(String(condition(yield* alice.get(yield* alice.lease({ selector: "board" })), "Pending")), /Offline/)
    }))

  it.scoped("is offline with its reason after it unregisters from main", () =>
    Effect.gen(function*() {
      const { bench, shown } = yield* start({ release: "main" })
      yield* bench.online
      yield* bench.call(methods.unregister, { reason: "bye" })
      assert.deepStrictEqual(yield* shown, { online: false, status: status.offline, statusMessage: "bye" })
      yield* bench.call(methods.unregister, {})
      assert.deepInclude(yield* shown, { statusMessage: "Exporter unregistered" })
    }))
})

describe("an exporter that reports", () => {
  it.scoped("is online unless it reports that it is offline", () =>
    Effect.gen(function*() {
      const { bench, shown } = yield* start()
      yield* bench.report(status.ready, "hello")
      assert.deepStrictEqual(yield* shown, { online: true, status: status.ready, statusMessage: "hello" })
      yield* bench.report(42)
      assert.deepStrictEqual(yield* shown, { online: true, status: 0, statusMessage: "" })
      yield* bench.report(status.offline)
      assert.deepInclude(yield* shown, { online: false, status: status.offline })
    }))

  it.scoped("is offline after a minute without contact", () =>
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

  it.scoped("is offline after a minute that begins within a nanosecond", () =>
    Effect.gen(function*() {
      const { alice, bench, shown } = yield* start()
      yield* TestClock.setTime(0.000_000_4)
      yield* bench.report(status.available)
      yield* TestClock.setTime(1_000)
      // The controller looks again at what is due.
      yield* alice.lease({ selector: "board" })
      yield* TestClock.adjust("59001 millis")
      assert.deepInclude(yield* shown, { online: false, status: status.offline })
    }))

  it.scoped("is offline 12 seconds later with observed latency", () =>
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

describe("an exporter with a Status stream", () => {
  it.scoped("is online as long as the stream is open, even if it is not registered", () =>
    Effect.gen(function*() {
      const { bench, shown } = yield* start()
      const watching = yield* Effect.fork(Stream.runDrain(bench.notices))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* shown, { online: true, status: 0, statusMessage: "Never seen" })
      yield* Fiber.interrupt(watching)
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(yield* shown, { online: false, status: status.offline })
    }))

  it.scoped("changes from offline to unspecified, and keeps any other status", () =>
    Effect.gen(function*() {
      const { bench, shown } = yield* start()
      yield* bench.report(status.offline, "gone")
      yield* Stream.runDrain(Stream.take(bench.notices, 1))
      assert.deepStrictEqual(yield* shown, { online: true, status: 0, statusMessage: "" })
      yield* bench.report(status.ready, "stale")
      yield* Stream.runDrain(Stream.take(bench.notices, 1))
      assert.deepStrictEqual(yield* shown, { online: true, status: status.ready, statusMessage: "stale" })
    }))

  it.scoped("gets its current lease on each stream", () =>
    Effect.gen(function*() {
      const { alice, bench, lab } = yield* start()
      yield* bench.online
      yield* alice.lease({ selector: "board" }, "one")
      const first = yield* Effect.forEach([1, 2], () => Stream.runHead(bench.notices), { concurrency: 2 })
      assert.deepStrictEqual(first.map((one) => one._tag === "Some" && one.value.leaseName), ["one", "one"])
      // The same is true after a restart.
      yield* lab.restart
      const again = yield* Stream.runHead(bench.notices)
      assert.isTrue(again._tag === "Some" && again.value.leased)
    }))

  it.scoped("keeps the stream when its object is deleted", () =>
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

describe("an exporter that releases a lease", () => {
  it.scoped("can release its own lease repeatedly", () =>
    Effect.gen(function*() {
      const { alice, bench } = yield* start()
      yield* bench.online
      const name = yield* alice.lease({ selector: "board" })
      yield* bench.release(name)
      yield* bench.release(name)
      assert.match(String(condition(yield* alice.get(name), "Ready")), /^False Released/)
    }))

  it.scoped("cannot release the lease of another exporter", () =>
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
  it.scoped("is refused for a lease that it does not hold", () =>
    Effect.gen(function*() {
      const { alice, bench, lab } = yield* start()
      yield* bench.online
      const other = yield* addExporter(lab, "other")
      const name = yield* alice.lease({ selector: "board" })
      const refused = (lease: string) => refusal(Stream.runDrain(other.listen(lease)))
      assert.strictEqual(yield* refused(name), "UNKNOWN: permission denied")
      assert.strictEqual(yield* refused(""), "UNKNOWN: empty lease name")
      assert.strictEqual(yield* refused("x"), "UNKNOWN: leases.jumpstarter.dev \"x\" not found")
    }))

  it.scoped("keeps its stream when the lease ends, and still gets tokens", () =>
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

  it.scoped("ends its earlier stream, after the tokens that waited there", () =>
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
      // Dials until the buffer is full.
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
