// The controls of the stand-in.
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Redacted, Stream, TestClock } from "effect"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import { addClient, addExporter, clientOf, condition, metadataOf, refusal, status } from "../support/controller.ts"
import { logged } from "../support/leaseBench.ts"

// A stand-in whose only exporter is online. Alice holds its lease `one`.
const leased = Effect.fnUntraced(function*(options?: ControllerTest.ControllerTestOptions) {
  const lab = yield* ControllerTest.make(options)
  const alice = yield* addClient(lab, "alice", { team: "red" })
  const bench = yield* addExporter(lab, "bench", { labels: { board: "rpi4" } })
  const notices = yield* bench.online
  yield* alice.lease({ selector: "board=rpi4" }, "one")
  yield* notices.next
  return { lab, alice, bench, notices }
})

describe("an effect that takes a name", () => {
  const named: ReadonlyArray<
    readonly [
      string,
      "client" | "exporter" | "lease",
      (lab: ControllerTest.Control) => Effect.Effect<unknown, ControllerTest.UnknownObject>
    ]
  > = [
    ["takeOffline", "exporter", (lab) => lab.takeOffline("bench")],
    ["setEnabled", "exporter", (lab) => lab.setEnabled("bench", false)],
    ["remove", "exporter", (lab) => lab.remove("bench")],
    ["expire", "lease", (lab) => lab.expire("one")],
    ["release", "lease", (lab) => lab.release("one")],
    ["transfer", "client", (lab) => lab.transfer("one", "bob")],
    [
      "token",
      "client",
      (lab) => lab.token({ kind: "Client", namespace: "lab", name: "bob", endpoint: "", token: Redacted.make("") })
    ]
  ]

  it.scoped.each(named)("%s looks the name up when it runs", ([, kind, make]) =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      const effect = make(lab)
      assert.strictEqual((yield* Effect.flip(effect)).kind, kind)
      yield* lab.addClient("bob")
      const alice = yield* addClient(lab, "alice")
      yield* lab.addExporter("bench", { labels: { board: "rpi4" } })
      yield* alice.lease({ selector: "board=rpi4" }, "one")
      yield* effect
    }))

  it.scoped("fails with UnknownObject, which names the object", () =>
    Effect.gen(function*() {
      const { lab } = yield* leased()
      const problems = yield* Effect.forEach(
        [lab.remove("nope"), lab.expire("nope"), lab.transfer("nope", "alice"), lab.transfer("one", "nobody")],
        (effect) => Effect.flip(effect)
      )
      const noLease = "the controller of this test has no lease \"nope\"; the leases are: one"
      assert.deepStrictEqual(problems.map(({ kind, message, wanted }) => [kind, wanted, message]), [
        ["exporter", "nope", "the controller of this test has no exporter \"nope\"; the exporters are: bench"],
        ["lease", "nope", noLease],
        ["lease", "nope", noLease],
        ["client", "nobody", "the controller of this test has no client \"nobody\"; the clients are: alice"]
      ])
      // The runtime prints the name of an error before its message.
      assert.match(Cause.pretty(Cause.fail(problems[1])), /^UnknownObject: the controller of this test has no lease/)
      const [before] = yield* lab.leases
      assert.deepInclude(before, { client: "alice", ended: false })
    }))

  it.scoped("fails with UnknownObject, which lists ten names at most", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      assert.match((yield* Effect.flip(lab.expire("nope"))).message, /; the leases are: none$/)
      yield* Effect.forEach("abcdefghijkl", (name) => lab.addExporter(name))
      assert.match(
        (yield* Effect.flip(lab.remove("nope"))).message,
        /; the exporters are: a, b, c, d, e, f, g, h, i, j and 2 more$/
      )
    }))
})

it.scoped("leases has the current reason of a lease that waits", () =>
  Effect.gen(function*() {
    const { alice, bench, lab } = yield* leased()
    yield* bench.report(status.ready)
    yield* alice.lease({ selector: "board=rpi4" }, "two")
    const reason = Effect.map(lab.leases, ([, two]) => two?.reason)
    assert.strictEqual(yield* reason, "NotAvailable")
    yield* lab.takeOffline("bench")
    assert.strictEqual(yield* reason, "Offline")
  }))

describe("transfer", () => {
  it.scoped("ends one holding, starts the next, and notifies the exporter", () =>
    Effect.gen(function*() {
      const { alice, lab, notices } = yield* leased()
      const bob = yield* addClient(lab, "bob")
      yield* TestClock.adjust("10 seconds")
      yield* lab.transfer("one", "bob")
      assert.deepInclude(yield* notices.next, { leased: true, leaseName: "one", clientName: "bob" })
      assert.strictEqual(yield* refusal(alice.extend("one", 5)), "UNKNOWN: UpdateLease permission denied")
      yield* bob.extend("one", 300)
      assert.deepInclude((yield* lab.leases)[0], { client: "bob", exporter: "bench", ended: false })
      assert.deepStrictEqual(yield* lab.holdings, [
        { exporter: "bench", lease: "one", client: "alice", from: 0, until: 10_000 },
        { exporter: "bench", lease: "one", client: "bob", from: 10_000, until: undefined }
      ])
    }))

  it.scoped("changes nothing when the client already has the lease", () =>
    Effect.gen(function*() {
      const { lab, notices } = yield* leased()
      yield* lab.transfer("one", "alice")
      yield* lab.release("one")
      assert.deepInclude(yield* notices.next, { leased: false })
      assert.lengthOf(yield* lab.holdings, 1)
    }))
})

describe("restart", () => {
  it.scoped("ends a lease that expired while the controller was down", () =>
    Effect.gen(function*() {
      const { alice, lab } = yield* leased()
      yield* alice.extend("one", 60)
      yield* lab.stop
      yield* TestClock.adjust("100 seconds")
      assert.deepInclude((yield* lab.leases)[0], { ended: false })
      yield* lab.start
      const lease = yield* alice.get("one")
      assert.strictEqual(condition(lease, "Ready"), "False Expired: The lease has expired")
      assert.deepStrictEqual(lease.effectiveEndTime, { seconds: 100n, nanos: 0 })
    }))

  it.scoped("keeps an exporter online that reports within a minute of its last contact", () =>
    Effect.gen(function*() {
      const { alice, bench, lab } = yield* leased()
      yield* lab.stop
      yield* TestClock.adjust("59 seconds")
      yield* lab.start
      yield* bench.report(status.ready)
      yield* TestClock.adjust("10 seconds")
      assert.isTrue((yield* alice.exporter("bench")).online)
    }))

  it.scoped("takes an exporter offline that had no contact for a minute", () =>
    Effect.gen(function*() {
      const { alice, lab } = yield* leased()
      yield* lab.stop
      yield* TestClock.adjust("2 minutes")
      assert.isTrue((yield* lab.exporters)[0]?.online)
      yield* lab.start
      assert.isFalse((yield* alice.exporter("bench")).online)
    }))
})

describe("addClient", () => {
  it.scoped.each([{ latency: "none" }, { latency: "observed" }] as const)(
    "checks the policies again for waiting leases (%j)",
    (options) =>
      Effect.gen(function*() {
        const settled = TestClock.adjust("2 seconds")
        const lab = yield* ControllerTest.make({
          ...options,
          policies: [{ exporters: "board=rpi4", clients: "team=red" }]
        })
        const alice = yield* addClient(lab, "alice", { team: "red" })
        const bench = yield* addExporter(lab, "bench", { labels: { board: "rpi4" } })
        yield* bench.register()
        yield* bench.report(status.beforeLease)
        const name = yield* alice.lease({ selector: "board=rpi4" })
        yield* settled
        assert.match(String(condition(yield* alice.get(name), "Pending")), /NotReady/)
        const blue = clientOf(lab, metadataOf(yield* lab.addClient("alice", { labels: { team: "blue" } })))
        yield* settled
        assert.match(String(condition(yield* blue.get(name), "Unsatisfiable")), /NoAccess/)
      })
  )
})

describe("a dial that waits for its exporter", () => {
  const dialling = (options?: ControllerTest.ControllerTestOptions) =>
    Effect.gen(function*() {
      const { alice, bench, lab } = yield* leased(options)
      const listening = yield* Deferred.make<void>()
      yield* Effect.forkScoped(
        Effect.ignore(Stream.runDrain(Stream.onStart(bench.listen("one"), Deferred.succeed(listening, undefined))))
      )
      yield* Deferred.await(listening)
      yield* TestClock.adjust("1 millis")
      return { lab, dial: yield* Effect.fork(Effect.exit(alice.dial("one"))) }
    })

  it.scoped("fails when the exporter is removed", () =>
    Effect.gen(function*() {
      const { dial, lab } = yield* dialling()
      yield* TestClock.adjust("1 second")
      assert.isNull(dial.unsafePoll())
      yield* lab.remove("bench")
      assert.strictEqual(
        yield* refusal(Effect.flatten(Fiber.join(dial))),
        "UNKNOWN: exporters.jumpstarter.dev \"bench\" not found"
      )
    }))

  it.scoped("sees the exporter that replaces it", () =>
    Effect.gen(function*() {
      const { dial, lab } = yield* dialling()
      yield* TestClock.adjust("1 second")
      assert.isNull(dial.unsafePoll())
      yield* lab.addExporter("bench")
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(dial)))
    }))
})

describe("a client of the stand-in", () => {
  const warnings = (options?: ControllerTest.ControllerTestOptions) =>
    Effect.gen(function*() {
      const messages: Array<string> = []
      const lab = yield* ControllerTest.make(options)
      const controller = yield* Effect.flatMap(lab.addClient("alice"), lab.controllerOf).pipe(
        Effect.provide(logged(messages))
      )
      return { messages, target: controller.target }
    })

  it.scoped("on a socket logs a warning under a test clock", () =>
    Effect.gen(function*() {
      const listen = { host: "127.0.0.1", port: 0 }
      const { messages, target } = yield* warnings({ listen: { controller: listen, router: listen } })
      assert.lengthOf(messages, 1)
      assert.include(messages[0], `WARN the connection to ${target} is real, but this program runs on a TestClock`)
    }))

  it.scoped("in memory logs none", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* warnings()).messages, [])
    }))

  it.scoped("cannot have a name that is not one", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      const error = yield* Effect.flip(lab.controllerOf(yield* lab.addClient("al ice")))
      assert.strictEqual(error._tag, "ClientConfigError")
    }))
})

describe("a stand-in on a socket", () => {
  it.scopedLive("has addresses in the form of configuration files, on IPv6 too", () =>
    Effect.gen(function*() {
      const listen = { host: "::1", port: 0 }
      const lab = yield* ControllerTest.make({ listen: { controller: listen, router: listen } })
      assert.match(lab.routerEndpoint, /^\[::1\]:\d+$/)
      assert.match((yield* lab.addClient("alice")).endpoint, /^\[::1\]:\d+$/)
    }))
})
