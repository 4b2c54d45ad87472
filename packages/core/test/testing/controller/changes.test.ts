// protocol.md 12.3: how leases change, end, and are listed.
import { ClientServiceDefinition, Lease } from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import { ControllerServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import * as ControllerTest from "../../../src/testing/ControllerTest.ts"
import { addClient, addExporter, condition, refusal } from "../../support/controller.ts"

const { methods } = ClientServiceDefinition

const controller = ControllerServiceDefinition.methods

const at = (seconds: number) => ({ seconds: BigInt(seconds), nanos: 0 })

const parent = "namespaces/lab"

// A stand-in with two clients. The first one holds the only exporter.
const leased = Effect.gen(function*() {
  const lab = yield* ControllerTest.make()
  const alice = yield* addClient(lab, "alice")
  const bob = yield* addClient(lab, "bob")
  const bench = yield* addExporter(lab, "bench", { labels: { board: "rpi4" } })
  const notices = yield* bench.online
  yield* alice.lease({ selector: "board=rpi4", lasts: 100 }, "one")
  yield* notices.next
  return { lab, alice, bob, bench, notices }
})

const conflict = "UNKNOWN: duration conflicts with begin_time and end_time"

const required = "UNKNOWN: duration is required (must specify Duration, or both BeginTime and EndTime)"

describe("a lease that changes", () => {
  it.scoped("lasts longer or shorter by its duration", () =>
    Effect.gen(function*() {
      const { alice } = yield* leased
      yield* alice.extend("one", 200)
      yield* TestClock.adjust("150 seconds")
      assert.match(String(condition(yield* alice.get("one"), "Ready")), /^True/)
      yield* alice.extend("one", 120)
      assert.match(String(condition(yield* alice.get("one"), "Ready")), /^False Expired/)
    }))

  it.scoped("changes by the fields of the request, whatever its mask says", () =>
    Effect.gen(function*() {
      const { alice } = yield* leased
      yield* alice.call(methods.updateLease, {
        lease: Lease.fromPartial({
          name: `${parent}/leases/one`,
          duration: at(500),
          selector: "x=y",
          tags: { a: "b" }
        }),
        updateMask: ["nonsense"]
      })
      assert.deepInclude(yield* alice.get("one"), { duration: at(500), selector: "board=rpi4", tags: {} })
      assert.strictEqual(
        yield* refusal(alice.update("one", { duration: at(5), selector: "a b" })),
        "UNKNOWN: failed to parse label selector: unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"
      )
      yield* alice.update("one", { selector: "a b" })
    }))

  it.scoped("refuses a begin or an end alone, and a begin after it has begun", () =>
    Effect.gen(function*() {
      const { alice } = yield* leased
      assert.strictEqual(yield* refusal(alice.update("one", { endTime: at(200) })), required)
      assert.strictEqual(yield* refusal(alice.update("one", { beginTime: at(200) })), required)
      assert.strictEqual(
        yield* refusal(alice.update("one", { beginTime: at(200), duration: at(10) })),
        "UNKNOWN: cannot update BeginTime: lease has already started"
      )
    }))

  it.scoped("gets a begin with an end, and then refuses another one", () =>
    Effect.gen(function*() {
      const { alice } = yield* leased
      yield* alice.update("one", { endTime: at(200), duration: at(150) })
      assert.deepInclude(yield* alice.get("one"), { beginTime: at(50), endTime: at(200) })
      assert.strictEqual(yield* refusal(alice.extend("one", 300)), conflict)
      assert.strictEqual(yield* refusal(alice.update("one", { beginTime: at(50), endTime: at(300) })), conflict)
      assert.strictEqual(yield* refusal(alice.update("one", { beginTime: at(50), duration: at(300) })), conflict)
      yield* alice.update("one", { endTime: at(350), duration: at(300) })
      assert.deepInclude(yield* alice.get("one"), { beginTime: at(50), endTime: at(350), duration: at(300) })
    }))

  it.scoped("moves to another begin with begin and duration, before it begins", () =>
    Effect.gen(function*() {
      const { alice } = yield* leased
      yield* alice.lease({ selector: "board=rpi4", beginTime: at(1000), lasts: 10 }, "later")
      yield* alice.update("later", { beginTime: at(2000), duration: at(20) })
      assert.deepInclude(yield* alice.get("later"), { beginTime: at(2000), duration: at(20), conditions: [] })
    }))

  it.scoped("accepts a duration while it waits, and after it has ended", () =>
    Effect.gen(function*() {
      const { alice } = yield* leased
      yield* alice.lease({ selector: "board=rpi4" }, "waits")
      yield* alice.extend("waits", 5)
      yield* alice.delete("one")
      yield* alice.extend("one", 500)
      assert.match(String(condition(yield* alice.get("one"), "Ready")), /^False Released/)
    }))

  it.scoped("can be changed and deleted only by its owner", () =>
    Effect.gen(function*() {
      const { bob } = yield* leased
      assert.strictEqual(yield* refusal(bob.extend("one", 5)), "UNKNOWN: UpdateLease permission denied")
      assert.strictEqual(yield* refusal(bob.delete("one")), "UNKNOWN: DeleteLease permission denied")
      assert.strictEqual((yield* bob.get("one")).client, "namespaces/lab/clients/alice")
      assert.strictEqual(yield* refusal(bob.extend("nope", 5)), "UNKNOWN: leases.jumpstarter.dev \"nope\" not found")
    }))
})

describe("a lease that is transferred", () => {
  const to = (name: string) => ({ client: `namespaces/lab/clients/${name}` })

  it.scoped("has its new owner immediately, and its exporter is notified", () =>
    Effect.gen(function*() {
      const { alice, bob, lab, notices } = yield* leased
      yield* TestClock.adjust("10 seconds")
      yield* alice.update("one", to("bob"))
      assert.deepInclude(yield* notices.next, { leased: true, leaseName: "one", clientName: "bob" })
      assert.strictEqual(yield* refusal(alice.dial("one")), "UNKNOWN: permission denied")
      assert.strictEqual(yield* refusal(alice.extend("one", 5)), "UNKNOWN: UpdateLease permission denied")
      assert.strictEqual((yield* alice.get("one")).client, "namespaces/lab/clients/bob")
      yield* bob.extend("one", 300)
      assert.deepStrictEqual(yield* lab.holdings, [
        { exporter: "bench", lease: "one", client: "alice", from: 0, until: 10_000 },
        { exporter: "bench", lease: "one", client: "bob", from: 10_000, until: undefined }
      ])
    }))

  it.scoped.each(
    [
      [
        "an unknown client",
        to("nobody"),
        "UNKNOWN: target client not found: clients.jumpstarter.dev \"nobody\" not found"
      ],
      [
        "a client of another namespace",
        { client: "namespaces/other/clients/bob" },
        "UNKNOWN: cannot transfer lease to client in different namespace"
      ],
      [
        "a short name",
        { client: "bob" },
        "INVALID_ARGUMENT: invalid number of segments in identifier \"bob\", expecting 4, got 1"
      ]
    ] as const
  )("cannot go to %s", ([, change, expected]) =>
    Effect.gen(function*() {
      const { alice } = yield* leased
      assert.strictEqual(yield* refusal(alice.update("one", change)), expected)
    }))

  it.scoped("must have begun and not have ended", () =>
    Effect.gen(function*() {
      const { alice } = yield* leased
      yield* alice.lease({ selector: "board=rpi4" }, "waits")
      assert.strictEqual(
        yield* refusal(alice.update("waits", to("bob"))),
        "UNKNOWN: cannot transfer lease: lease has not started yet"
      )
      yield* alice.delete("one")
      assert.strictEqual(
        yield* refusal(alice.update("one", to("bob"))),
        "UNKNOWN: cannot transfer lease: lease has already ended"
      )
      yield* alice.update("one", { client: "" })
    }))
})

describe("a lease that is deleted", () => {
  const again = "FAILED_PRECONDITION: lease \"namespaces/lab/leases/one\" has already been released"

  it.scoped("is released once", () =>
    Effect.gen(function*() {
      const { alice, notices } = yield* leased
      yield* TestClock.adjust("10 seconds")
      yield* alice.delete("one")
      const lease = yield* alice.get("one")
      assert.strictEqual(condition(lease, "Ready"), "False Released: The lease was marked for release")
      assert.deepStrictEqual(lease.effectiveEndTime, at(10))
      assert.deepInclude(yield* notices.next, { leased: false })
      assert.strictEqual(yield* refusal(alice.delete("one")), again)
      assert.strictEqual(
        yield* refusal(alice.delete("nope")),
        "UNKNOWN: leases.jumpstarter.dev \"nope\" not found"
      )
    }))

  it.scoped("can be deleted once after it has expired", () =>
    Effect.gen(function*() {
      const { alice, lab } = yield* leased
      yield* lab.expire("one")
      yield* alice.delete("one")
      assert.match(String(condition(yield* alice.get("one"), "Ready")), /^False Expired/)
      assert.strictEqual(yield* refusal(alice.delete("one")), again)
    }))

  it.scoped("has no exporter and no end if it was waiting", () =>
    Effect.gen(function*() {
      const { alice } = yield* leased
      yield* alice.lease({ selector: "board=rpi4" }, "waits")
      yield* alice.get("waits")
      yield* alice.delete("waits")
      const lease = yield* alice.get("waits")
      assert.match(String(condition(lease, "Pending")), /^True/)
      assert.match(String(condition(lease, "Ready")), /^False Released/)
      assert.deepInclude(lease, { exporter: undefined, effectiveBeginTime: undefined, effectiveEndTime: undefined })
    }))

  it.scoped("has nothing but its release if it was scheduled", () =>
    Effect.gen(function*() {
      const { alice } = yield* leased
      yield* alice.lease({ selector: "board=rpi4", beginTime: at(1000), lasts: 10 }, "later")
      yield* alice.delete("later")
      const lease = yield* alice.get("later")
      assert.deepStrictEqual(lease.conditions.map(({ type }) => type), ["Ready"])
      assert.match(String(condition(lease, "Ready")), /^False Released/)
      assert.deepInclude(lease, { exporter: undefined, effectiveBeginTime: undefined, effectiveEndTime: undefined })
    }))

  it.scoped("is reported to its exporter before the next lease", () =>
    Effect.gen(function*() {
      const { alice, notices } = yield* leased
      yield* alice.lease({ selector: "board=rpi4" }, "two")
      yield* alice.delete("one")
      assert.deepInclude(yield* notices.next, { leased: false })
      assert.deepInclude(yield* notices.next, { leased: true, leaseName: "two" })
    }))
})

describe("lists", () => {
  const names = (leases: ReadonlyArray<Lease>) => leases.map(({ name }) => name.slice(name.lastIndexOf("/") + 1))

  it.scoped("of leases are sorted and paged, and leave out ended leases", () =>
    Effect.gen(function*() {
      const { alice, bob } = yield* leased
      yield* Effect.forEach(["d", "b", "c", "a"], (name) => bob.lease({ selector: "board=rpi4" }, name))
      yield* bob.delete("c")
      const first = yield* alice.call(methods.listLeases, { parent, pageSize: 2 })
      assert.deepStrictEqual(names(first.leases), ["a", "b"])
      assert.isAbove(first.nextPageToken.length, 50)
      const second = yield* alice.call(methods.listLeases, { parent, pageSize: 2, pageToken: first.nextPageToken })
      assert.deepStrictEqual([names(second.leases), second.nextPageToken], [["d", "one"], ""])
      const all = yield* alice.call(methods.listLeases, { parent, pageSize: -1, onlyActive: false })
      assert.deepStrictEqual(names(all.leases), ["a", "b", "c", "d", "one"])
      assert.match(
        yield* refusal(alice.call(methods.listLeases, { parent, pageToken: "nonsense" })),
        /^UNKNOWN: invalid continue token: /
      )
    }))

  it.scoped("of leases can be filtered by tags, and by the equalities of selectors", () =>
    Effect.gen(function*() {
      const { alice } = yield* leased
      yield* alice.lease({ selector: "kind in (a,b),board=rpi4", tags: { run: "7" } }, "two")
      const found = (
        request: { readonly filter?: string; readonly tagFilter?: string; readonly onlyActive?: boolean }
      ) => Effect.map(alice.call(methods.listLeases, { parent, ...request }), ({ leases }) => names(leases))
      // No exporter matches its expression, so it has ended.
      assert.deepStrictEqual(yield* found({ filter: "board==rpi4" }), ["one"])
      assert.deepStrictEqual(yield* found({ filter: "board in (rpi4)", onlyActive: false }), ["one", "two"])
      assert.deepStrictEqual(yield* found({ filter: "kind", onlyActive: false }), [])
      assert.deepStrictEqual(yield* found({ filter: "metadata.jumpstarter.dev/run=7", onlyActive: false }), ["two"])
      assert.deepStrictEqual(yield* found({ filter: "jumpstarter.dev/lease-ended=true", onlyActive: false }), ["two"])
      assert.deepStrictEqual(yield* found({ tagFilter: "run=7", onlyActive: false }), ["two"])
      assert.match(yield* refusal(found({ filter: "a b" })), /^UNKNOWN: unable to parse requirement/)
      assert.match(
        yield* refusal(found({ tagFilter: "a b" })),
        /^INVALID_ARGUMENT: invalid tag_filter: unable to parse/
      )
    }))

  it.scoped("of exporters hide labels, which filters match nevertheless", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make({
        hiddenLabels: ["secret"],
        deprecatedLabels: { old: "use new", toString: "x" }
      })
      const alice = yield* addClient(lab, "alice")
      yield* addExporter(lab, "b", { labels: { secret: "1", old: "x", board: "rpi4" } })
      yield* addExporter(lab, "a")
      const all = yield* alice.exporters()
      assert.deepStrictEqual(all.exporters.map(({ name }) => name), [
        "namespaces/lab/exporters/a",
        "namespaces/lab/exporters/b"
      ])
      const { exporters: [found] } = yield* alice.exporters({ filter: "secret=1" })
      assert.deepInclude(found, {
        labels: { board: "rpi4" },
        deprecatedLabels: { old: "use new" },
        enabled: true,
        online: false,
        status: 0,
        statusMessage: "Never seen"
      })
      const shown = yield* alice.call(methods.listExporters, { parent, filter: "secret=1", showHiddenLabels: true })
      assert.deepStrictEqual(shown.exporters[0]?.labels, { secret: "1", old: "x", board: "rpi4" })
      assert.strictEqual(
        yield* refusal(alice.exporter("nope")),
        "UNKNOWN: exporters.jumpstarter.dev \"nope\" not found"
      )
    }))
})

describe("the older calls of clients", () => {
  it.scoped("create, show and end leases", () =>
    Effect.gen(function*() {
      const { alice, bob } = yield* leased
      const { name } = yield* bob.callController(controller.requestLease, {
        duration: at(60),
        selector: { matchLabels: { board: "rpi4" }, matchExpressions: [] }
      })
      assert.deepStrictEqual(yield* bob.callController(controller.listLeases, {}), { names: [name] })
      const shown = yield* alice.callController(controller.getLease, { name: "one" })
      assert.deepInclude(shown, {
        duration: at(100),
        selector: { matchLabels: { board: "rpi4" }, matchExpressions: [] }
      })
      yield* alice.callController(controller.releaseLease, { name: "one" })
      yield* alice.callController(controller.releaseLease, { name: "one" })
      assert.deepStrictEqual(yield* alice.callController(controller.listLeases, {}), { names: [] })
      assert.isDefined(condition(yield* bob.get(name), "Ready"))
    }))

  it.scoped("refuse the lease of another client", () =>
    Effect.gen(function*() {
      const { bob } = yield* leased
      assert.strictEqual(
        yield* refusal(bob.callController(controller.getLease, { name: "one" })),
        "UNKNOWN: GetLease permission denied"
      )
      assert.strictEqual(
        yield* refusal(bob.callController(controller.releaseLease, { name: "one" })),
        "UNKNOWN: ReleaseLease permission denied"
      )
    }))

  it.scoped("do not count an expired lease as released", () =>
    Effect.gen(function*() {
      const { alice, bench, lab } = yield* leased
      yield* lab.expire("one")
      yield* alice.callController(controller.releaseLease, { name: "one" })
      yield* bench.release("one")
      yield* alice.delete("one")
    }))
})
