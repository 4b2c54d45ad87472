// protocol.md 12.3 and 12.4: which leases the controller refuses, which exporter a lease gets, and the conditions of leases.
import { ClientServiceDefinition, type Lease } from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Random, TestClock } from "effect"
import * as ControllerTest from "../../../src/testing/ControllerTest.ts"
import { addClient, addExporter, condition, refusal, type Requested, status } from "../../support/controller.ts"

const { methods } = ClientServiceDefinition

const at = (seconds: number) => ({ seconds: BigInt(seconds), nanos: 0 })

const start = (options?: ControllerTest.ControllerTestOptions) =>
  Effect.gen(function*() {
    const lab = yield* ControllerTest.make(options)
    return { lab, alice: yield* addClient(lab, "alice", { team: "red" }) }
  })

// A stand-in with one available exporter.
const withBench = (options?: ControllerTest.ControllerTestOptions) =>
  Effect.gen(function*() {
    const { alice, lab } = yield* start(options)
    const bench = yield* addExporter(lab, "bench", { labels: { board: "rpi4" } })
    return { lab, alice, bench, notices: yield* bench.online }
  })

describe("a lease that is created", () => {
  it.scoped.each<[string, Requested, string]>([
    ["no target", {}, "INVALID_ARGUMENT: one of selector or exporter_name is required"],
    ["an empty target", { exporterName: "" }, "INVALID_ARGUMENT: one of selector or exporter_name is required"],
    ["eleven tags", {
      selector: "a=b",
      tags: Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`t${index}`, "x"]))
    }, "INVALID_ARGUMENT: invalid lease tags: too many tags: 11 (maximum 10)"],
    [
      "a tag with a slash",
      { selector: "a=b", tags: { "a/b": "x" } },
      "INVALID_ARGUMENT: invalid lease tags: tag key \"a/b\" must not contain '/' (use simple names without prefix)"
    ],
    [
      "a reserved tag",
      { selector: "a=b", tags: { "jumpstarter.dev/x": "x" } },
      "INVALID_ARGUMENT: invalid lease tags: tag key \"jumpstarter.dev/x\" must not use reserved prefix \"jumpstarter.dev/\""
    ],
    [
      "a selector with ==",
      { selector: "a==b" },
      "UNKNOWN: unsupported label selector operator: =="
    ],
    [
      "a selector that contradicts itself",
      { selector: "a=b,a=c" },
      "UNKNOWN: invalid selector: label a cannot have multiple equality requirements with different values (b and c)"
    ],
    [
      "no duration",
      { selector: "a=b", duration: undefined },
      "UNKNOWN: duration is required (must specify Duration, or both BeginTime and EndTime)"
    ],
    ["a negative duration", { selector: "a=b", lasts: -5 }, "UNKNOWN: duration must be positive, got -5s"],
    ["a duration of zero", { selector: "a=b", lasts: 0 }, "UNKNOWN: duration must be positive, got 0s"],
    [
      "times that contradict each other",
      { selector: "a=b", beginTime: at(100), endTime: at(200), lasts: 50 },
      "UNKNOWN: duration conflicts with begin_time and end_time"
    ],
    [
      "a begin alone",
      { selector: "a=b", beginTime: at(100), duration: undefined },
      "UNKNOWN: duration is required (must specify Duration, or both BeginTime and EndTime)"
    ]
  ])("is refused with %s", ([, requested, expected]) =>
    Effect.gen(function*() {
      const { alice } = yield* start()
      assert.strictEqual(yield* refusal(alice.create(requested)), expected)
    }))

  it.scoped("is refused without a lease, and with an id that is invalid or taken", () =>
    Effect.gen(function*() {
      const { alice } = yield* start()
      assert.strictEqual(
        yield* refusal(alice.call(methods.createLease, { parent: "namespaces/lab" })),
        "INVALID_ARGUMENT: lease is required"
      )
      assert.match(
        yield* refusal(alice.create({ selector: "a=b" }, "UPPER")),
        /^UNKNOWN: Lease\.jumpstarter\.dev "UPPER" is invalid: metadata\.name: Invalid value: "UPPER": a lowercase RFC 1123/
      )
      yield* alice.create({ selector: "a=b" }, "my.lease-1")
      assert.strictEqual(
        yield* refusal(alice.create({ selector: "a=b" }, "my.lease-1")),
        "UNKNOWN: leases.jumpstarter.dev \"my.lease-1\" already exists"
      )
    }))

  it.scoped("is returned without conditions and effective times", () =>
    Effect.gen(function*() {
      const { alice } = yield* withBench()
      const lease = yield* alice.create(
        { selector: "board=rpi4", tags: { run: "7" }, name: "ignored", client: "x" },
        "one"
      )
      assert.deepInclude(lease, {
        name: "namespaces/lab/leases/one",
        client: "namespaces/lab/clients/alice",
        selector: "board=rpi4",
        duration: at(1800),
        effectiveDuration: undefined,
        effectiveBeginTime: undefined,
        exporter: undefined,
        conditions: [],
        tags: { run: "7" },
        allowDisabled: false
      })
    }))

  it.scoped("is ready immediately, with times in whole seconds", () =>
    Effect.gen(function*() {
      const { alice, notices } = yield* withBench()
      yield* TestClock.adjust("1900 millis")
      const lease = yield* alice.get(yield* alice.lease({ selector: "board=rpi4" }, "one"))
      assert.strictEqual(condition(lease, "Ready"), "True Ready: An exporter has been acquired for the client")
      assert.strictEqual(lease.exporter, "namespaces/lab/exporters/bench")
      assert.deepStrictEqual(lease.effectiveBeginTime, at(1))
      assert.deepStrictEqual(lease.effectiveDuration, { seconds: 0n, nanos: 900_000_000 })
      assert.deepStrictEqual(lease.conditions.map((one) => one.lastTransitionTime), [at(1)])
      assert.deepInclude(notices.first, { leased: false, leaseName: undefined })
      assert.deepInclude(yield* notices.next, { leased: true, leaseName: "one", clientName: "alice" })
    }))

  it.scoped("gets a name that sorts by its creation, without an id", () =>
    Effect.gen(function*() {
      const { alice } = yield* withBench()
      const names: Array<string> = []
      for (let count = 0; count < 4; count++) {
        yield* TestClock.adjust("1 millis")
        names.push(yield* alice.lease({ selector: "a=b" }))
      }
      names.forEach((name) => assert.match(name, /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/))
      assert.deepStrictEqual(names.toSorted(), names)
    }))

  it.scoped("is ready after 40 ms with observed latency", () =>
    Effect.gen(function*() {
      const { alice } = yield* withBench({ latency: "observed" })
      const name = yield* alice.lease({ selector: "board=rpi4" })
      yield* TestClock.adjust("20 millis")
      assert.deepStrictEqual((yield* alice.get(name)).conditions, [])
      yield* TestClock.adjust("20 millis")
      assert.isDefined(condition(yield* alice.get(name), "Ready"))
    }))

  it.scoped("has the selector <none> if it names only an exporter", () =>
    Effect.gen(function*() {
      const { alice } = yield* withBench()
      const created = yield* alice.create({ exporterName: "bench" }, "one")
      assert.deepInclude(created, { selector: "<none>", exporterName: "bench" })
      assert.match(String(condition(yield* alice.get("one"), "Ready")), /^True Ready/)
    }))

  it.scoped("has at most the longest duration of Go", () =>
    Effect.gen(function*() {
      const { alice } = yield* withBench()
      const { duration } = yield* alice.create({ selector: "board=rpi4", lasts: 10 ** 12 })
      assert.deepStrictEqual(duration, { seconds: 9_223_372_036n, nanos: 854_775_807 })
    }))

  it.scoped("has a context on main only", () =>
    Effect.gen(function*() {
      const { alice: old } = yield* withBench()
      assert.deepStrictEqual((yield* old.create({ selector: "a=b", context: { run: "7" } })).context, {})
      const { alice, notices } = yield* withBench({ release: "main" })
      assert.deepStrictEqual((yield* alice.create({ selector: "board=rpi4", context: { run: "7" } })).context, {
        run: "7"
      })
      assert.deepInclude(yield* notices.next, { leased: true, context: { run: "7" } })
      const nine = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`c${index}`, "x"]))
      assert.match(
        yield* refusal(alice.create({ selector: "a=b", context: nine })),
        /^UNKNOWN: .* is invalid: spec\.context: Too many: 9: must have at most 8 items$/
      )
    }))
})

describe("an unsatisfiable lease", () => {
  const noAccess = "True NoAccess: While there are 0 exporters matching the selector, none of them are approved by any "
    + "policy for your client"

  it.scoped.each<[string, Requested, string]>([
    ["no exporter matches", { selector: "board=none" }, noAccess],
    [
      "no exporter has the name",
      { exporterName: "nope" },
      "True ExporterNotFound: Requested exporter nope was not found"
    ],
    [
      "the name does not match",
      { selector: "board=zzz", exporterName: "bench" },
      "True SelectorMismatch: Requested exporter bench does not match selector board=zzz"
    ],
    [
      "the named exporter is disabled",
      { exporterName: "off" },
      "True ExporterDisabled: Requested exporter off is disabled. To lease a disabled exporter, set spec.allowDisabled: true "
      + "on the Lease, or use --allow-disabled with jmp create lease"
    ],
    [
      "all matching exporters are disabled",
      { selector: "kind=off", allowDisabled: true },
      "True AllDisabled: All 1 exporters matching the selector are disabled"
    ]
  ])("says that %s", ([, requested, expected]) =>
    Effect.gen(function*() {
      const { alice, lab } = yield* withBench()
      yield* addExporter(lab, "off", { labels: { kind: "off" }, enabled: false })
      const lease = yield* alice.get(yield* alice.lease(requested))
      assert.strictEqual(condition(lease, "Unsatisfiable"), expected)
      assert.isUndefined(lease.effectiveEndTime)
    }))

  it.scoped("says that no policy approves it", () =>
    Effect.gen(function*() {
      const { alice } = yield* withBench({
        policies: [
          { description: "only blue", exporters: "board=rpi4", clients: "team=blue" },
          { description: "an hour at most", exporters: "board=rpi4", maximumDuration: "1 hour" },
          { description: "elsewhere", exporters: "board=other" }
        ]
      })
      const lease = yield* alice.get(yield* alice.lease({ selector: "board=rpi4", lasts: 3601 }))
      assert.strictEqual(
        condition(lease, "Unsatisfiable"),
        "True NoAccess: While there are 1 exporters matching the selector, none of them are approved by any policy for your "
          + "client. Matching policies: only blue; an hour at most"
      )
      const short = yield* alice.lease({ selector: "board=rpi4", lasts: 3600 })
      assert.isDefined(condition(yield* alice.get(short), "Ready"))
      // The limit is not checked again.
      yield* alice.extend(short, 7200)
      assert.isDefined(condition(yield* alice.get(short), "Ready"))
    }))

  it.scoped("is satisfied by a disabled exporter if it names that and allows disabled ones", () =>
    Effect.gen(function*() {
      const { alice, lab } = yield* start()
      const off = yield* addExporter(lab, "off", { enabled: false })
      yield* off.online
      const lease = yield* alice.get(yield* alice.lease({ exporterName: "off", allowDisabled: true }))
      assert.isDefined(condition(lease, "Ready"))
    }))
})

describe("a lease that waits", () => {
  const waiting = (lease: Lease) => {
    assert.isUndefined(condition(lease, "Ready"))
    return condition(lease, "Pending")
  }

  const offline = "True Offline: While there are 1 available exporters (i.e. ), none of them are online"

  it.scoped("waits for an exporter that never connected, has no drivers, or is offline", () =>
    Effect.gen(function*() {
      const { alice, lab } = yield* start()
      const bench = yield* addExporter(lab, "bench", { labels: { board: "rpi4" } })
      const name = yield* alice.lease({ selector: "board=rpi4" })
      assert.strictEqual(waiting(yield* alice.get(name)), offline)
      yield* bench.report(status.available)
      assert.isTrue((yield* alice.exporter("bench")).online)
      assert.strictEqual(waiting(yield* alice.get(name)), offline)
      yield* bench.report(status.offline)
      yield* bench.register()
      assert.strictEqual(waiting(yield* alice.get(name)), offline)
      yield* bench.report(status.available)
      const lease = yield* alice.get(name)
      assert.isDefined(condition(lease, "Ready"))
      // The controller never removes it.
      assert.isDefined(condition(lease, "Pending"))
    }))

  it.scoped("waits for a leased exporter, and then until that is ready", () =>
    Effect.gen(function*() {
      const { alice, bench } = yield* withBench()
      const first = yield* alice.lease({ selector: "board=rpi4" })
      yield* bench.report(status.ready)
      const second = yield* alice.lease({ selector: "board=rpi4" })
      assert.strictEqual(
        waiting(yield* alice.get(second)),
        "True NotAvailable: There are 1 approved exporters, (i.e. ) but all of them are already leased"
      )
      yield* alice.delete(first)
      assert.strictEqual(
        waiting(yield* alice.get(second)),
        "True NotReady: There are 1 online exporters, but none are ready (still cleaning up previous lease)"
      )
      yield* bench.report(status.available)
      assert.isDefined(condition(yield* alice.get(second), "Ready"))
    }))

  it.scoped.each([
    status.beforeLease,
    status.ready,
    status.afterLease,
    status.beforeLeaseFailed,
    status.afterLeaseFailed
  ])("waits for a free exporter with the status %d", (number) =>
    Effect.gen(function*() {
      const { alice, bench } = yield* withBench()
      yield* bench.report(number)
      const name = yield* alice.lease({ selector: "board=rpi4" })
      assert.match(String(waiting(yield* alice.get(name))), /^True NotReady/)
    }))

  it.scoped("is checked once a second with observed latency", () =>
    Effect.gen(function*() {
      const { alice, bench } = yield* withBench({ latency: "observed" })
      yield* bench.report(status.ready)
      const name = yield* alice.lease({ selector: "board=rpi4" })
      yield* TestClock.adjust("500 millis")
      yield* bench.report(status.available)
      yield* TestClock.adjust("500 millis")
      assert.isUndefined(condition(yield* alice.get(name), "Ready"))
      yield* TestClock.adjust("40 millis")
      assert.isDefined(condition(yield* alice.get(name), "Ready"))
    }))

  it.scoped("is checked 40 ms after a change on main with observed latency", () =>
    Effect.gen(function*() {
      const { alice, bench } = yield* withBench({ latency: "observed", release: "main" })
      yield* bench.report(status.ready)
      const name = yield* alice.lease({ selector: "board=rpi4" })
      yield* TestClock.adjust("500 millis")
      yield* bench.report(status.available)
      yield* TestClock.adjust("39 millis")
      assert.isUndefined(condition(yield* alice.get(name), "Ready"))
      yield* TestClock.adjust("1 millis")
      assert.isDefined(condition(yield* alice.get(name), "Ready"))
    }))

  it.scoped("is checked 40 ms after the first of several changes", () =>
    Effect.gen(function*() {
      const { alice, bench } = yield* withBench({ latency: "observed", release: "main" })
      yield* bench.report(status.ready)
      const name = yield* alice.lease({ selector: "board=rpi4" })
      yield* TestClock.adjust("500 millis")
      yield* bench.report(status.available, "first")
      yield* TestClock.adjust("30 millis")
      yield* bench.report(status.available, "second")
      yield* TestClock.adjust("10 millis")
      assert.isDefined(condition(yield* alice.get(name), "Ready"))
    }))

  it.scoped("is in no queue: the first lease is not the first to get the exporter", () =>
    Effect.gen(function*() {
      const { alice, bench } = yield* withBench()
      yield* bench.report(status.ready)
      const names = yield* Effect.forEach([1, 2, 3, 4, 5, 6], () => alice.lease({ selector: "board=rpi4" }))
      const winners: Array<number> = []
      for (const _ of names) {
        yield* bench.report(status.available)
        const [held] = yield* Effect.filter(names, (name) =>
          Effect.map(alice.get(name), (lease) => condition(lease, "Ready")?.startsWith("True") === true))
        winners.push(names.indexOf(held ?? ""))
        yield* bench.report(status.ready)
        yield* alice.delete(held ?? "")
      }
      assert.sameMembers(winners, [0, 1, 2, 3, 4, 5])
      assert.notDeepEqual(winners, [0, 1, 2, 3, 4, 5])
    }).pipe(Effect.withRandom(Random.make("no queue"))))

  it.scoped("gets the exporter of the highest priority, then the first by name", () =>
    Effect.gen(function*() {
      const { alice, lab } = yield* start({
        policies: [{ exporters: "kind=a" }, { exporters: "kind=a,fast", priority: 5 }]
      })
      for (
        const [name, labels] of [["c", { kind: "a", fast: "" }], ["d", { kind: "a", fast: "" }], ["b", { kind: "a" }], [
          "a",
          { kind: "a" }
        ]] as const
      ) {
        yield* (yield* addExporter(lab, name, { labels })).online
      }
      const got = yield* Effect.forEach([1, 2, 3, 4], () =>
        Effect.flatMap(alice.lease({ selector: "kind=a" }), (name) =>
          Effect.map(alice.get(name), ({ exporter }) =>
            exporter?.at(-1))))
      assert.deepStrictEqual(got, ["c", "d", "a", "b"])
    }))

  it.scoped("becomes unsatisfiable when its exporter is disabled", () =>
    Effect.gen(function*() {
      const { alice, bench, lab } = yield* withBench()
      yield* bench.report(status.ready)
      const name = yield* alice.lease({ selector: "board=rpi4" })
      yield* lab.setEnabled("bench", false)
      assert.match(String(condition(yield* alice.get(name), "Unsatisfiable")), /AllDisabled/)
    }))
})

describe("a lease with times", () => {
  it.scoped("has no conditions before its begin", () =>
    Effect.gen(function*() {
      const { alice } = yield* withBench()
      const name = yield* alice.lease({
        selector: "board=rpi4",
        beginTime: { seconds: 60n, nanos: 999_999_999 },
        lasts: 10
      })
      assert.deepInclude(yield* alice.get(name), { conditions: [], beginTime: at(60) })
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual((yield* alice.get(name)).conditions, [])
      yield* TestClock.adjust("1 seconds")
      assert.isDefined(condition(yield* alice.get(name), "Ready"))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(condition(yield* alice.get(name), "Ready"), "False Expired: The lease has expired")
    }))

  it.scoped("expires immediately if its time is over", () =>
    Effect.gen(function*() {
      const { alice } = yield* withBench()
      yield* TestClock.adjust("1 hour")
      const name = yield* alice.lease({ selector: "board=rpi4", beginTime: at(10), lasts: 60 })
      assert.strictEqual(condition(yield* alice.get(name), "Ready"), "False Expired: The lease has expired")
    }))

  it.scoped("begins a duration before its end", () =>
    Effect.gen(function*() {
      const { alice } = yield* withBench()
      const lease = yield* alice.create({ selector: "board=rpi4", endTime: at(100), lasts: 40 })
      assert.deepInclude(lease, { beginTime: at(60), endTime: at(100), duration: at(40) })
    }))

  it.scoped("has the duration between its begin and its end", () =>
    Effect.gen(function*() {
      const { alice } = yield* withBench()
      const lease = yield* alice.create({
        selector: "board=rpi4",
        beginTime: at(60),
        endTime: at(100),
        duration: undefined
      })
      assert.deepStrictEqual(lease.duration, at(40))
    }))

  it.scoped("expires up to a second early, and has the time of its end", () =>
    Effect.gen(function*() {
      const { alice, notices } = yield* withBench()
      yield* TestClock.adjust("1160 millis")
      const name = yield* alice.lease({ selector: "board=rpi4", lasts: 4 })
      yield* TestClock.adjust("3839 millis")
      assert.match(String(condition(yield* alice.get(name), "Ready")), /^True/)
      yield* TestClock.adjust("1 millis")
      const ended = yield* alice.get(name)
      assert.strictEqual(condition(ended, "Ready"), "False Expired: The lease has expired")
      assert.deepInclude(ended, { effectiveBeginTime: at(1), effectiveEndTime: at(5), effectiveDuration: at(4) })
      yield* notices.next
      assert.deepInclude(yield* notices.next, { leased: false, leaseName: undefined, clientName: undefined })
    }))

  it.scoped("continues while its exporter is offline, and whatever that reports", () =>
    Effect.gen(function*() {
      const { alice, bench, lab } = yield* withBench()
      const name = yield* alice.lease({ selector: "board=rpi4" })
      yield* bench.report(status.offline)
      yield* lab.takeOffline("bench")
      assert.match(String(condition(yield* alice.get(name), "Ready")), /^True/)
      yield* bench.report(status.available)
      assert.match(String(condition(yield* alice.get(name), "Ready")), /^True/)
    }))
})
