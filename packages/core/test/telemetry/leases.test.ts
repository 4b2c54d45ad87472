// What metrics and spans tell of leases.
import { describe, it } from "@effect/vitest"
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as TestClock from "effect/TestClock"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as routerTunnel from "../../src/controller/routerTunnel.ts"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import { addClient } from "../support/controller.ts"
import { acquire, board, clientOf, closing, dialling, inTime } from "../support/leaseBench.ts"
import * as registrationBench from "../support/registrationBench.ts"
import * as spans from "../support/spans.ts"

const ours = /^jumpstarter_(lease|hook|open_tunnels)/

/** The sums of the metrics of an exporter's leases, with their other labels. */
const metricsOf = (exporter: string) =>
  Effect.map(
    Metric.snapshot,
    (pairs) =>
      Object.fromEntries(pairs.flatMap(({ metricKey: { name, tags }, metricState }) => {
        const labels = new Map(Array.from(tags, ({ key, value }) => [key, value]))
        if (!ours.test(name) || labels.get("exporter") !== exporter) return []
        const value = MetricState.isHistogramState(metricState)
          ? [metricState.count, metricState.sum]
          : MetricState.isCounterState(metricState)
          ? metricState.count
          : MetricState.isGaugeState(metricState)
          ? metricState.value
          : undefined
        const others = ["ended", "hook", "on_failure"].flatMap((label) => labels.get(label) ?? [])
        return [[[name, ...others].join(" "), value]]
      }))
  )

describe("a lease", () => {
  it.effect("is a span until it is connected, and another while it is held, with its extensions and how it ended", () =>
    closing(Effect.gen(function*() {
      const { ended, tracer } = spans.make()
      const lab = yield* ControllerTest.make()
      const rpi = yield* board(lab, "rpi-of-spans")
      const controller = yield* clientOf(lab, "alice")
      const lease = yield* acquire(controller, { exporterName: "rpi-of-spans", duration: "10 minutes" }, dialling(rpi))
        .pipe(Effect.withSpan("test"), Effect.withTracer(tracer))
      yield* TestClock.adjust("1 minute")
      yield* lease.extend("5 minutes")
      yield* inTime(lease.release)
      const named = (name: string) => ended.find((span) => span.name === name)
      const about = { "jumpstarter.exporter": "rpi-of-spans", "jumpstarter.lease": lease.name }
      const test = named("test")?.spanId
      const [requested, held] = [named("jumpstarter.lease"), named("jumpstarter.lease.held")]
      deepStrictEqual([requested?.parent, requested?.attributes], [test, about])
      deepStrictEqual([held?.parent, held?.attributes, held?.events], [
        test,
        { ...about, "jumpstarter.lease.ended": "Released" },
        ["jumpstarter.lease.extended"]
      ])
      strictEqual(held?.nanos, 60_000_000_000n)
      deepStrictEqual(yield* metricsOf("rpi-of-spans"), {
        jumpstarter_lease_wait: [1, 0],
        jumpstarter_lease_extensions: 1,
        "jumpstarter_lease_held Released": [1, 60_000],
        // Its exporter is in the same program.
        jumpstarter_lease_served: [1, 60_000]
      })
    })))

  it.effect("that is taken away ends its span with how that happened", () =>
    closing(Effect.gen(function*() {
      const { ended, tracer } = spans.make()
      const lab = yield* ControllerTest.make()
      const rpi = yield* board(lab, "rpi-of-ends")
      const controller = yield* clientOf(lab, "alice")
      const lease = yield* acquire(controller, { exporterName: "rpi-of-ends", duration: "10 minutes" }, dialling(rpi))
        .pipe(Effect.withTracer(tracer))
      yield* lab.release(lease.name)
      yield* inTime(lease.ended)
      const held = ended.find(({ name }) => name === "jumpstarter.lease.held")
      deepStrictEqual([held?.parent, held?.attributes["jumpstarter.lease.ended"]], [undefined, "Deleted"])
    })))
})

describe("a lease, at its exporter", () => {
  const hosted = (lab: ControllerTest.Control, name: string, options: registrationBench.Options) =>
    Effect.gen(function*() {
      const identity = yield* Effect.orDie(Effect.flatMap(lab.addExporter(name), lab.identityOf))
      return yield* registrationBench.registered(lab, identity, options)
    })

  const broken = Effect.fail(new Error("no power"))

  it.effect("is a span with its client and the outcomes of its hooks, whose failures are counted", () =>
    closing(Effect.gen(function*() {
      const { ended, tracer } = spans.make()
      const lab = yield* ControllerTest.make()
      yield* hosted(lab, "served", {
        hooks: { beforeLease: { run: broken }, afterLease: { run: broken, onFailure: "endLease" } }
      }).pipe(Effect.withSpan("the program"), Effect.withTracer(tracer))
      const alice = yield* addClient(lab, "alice")
      yield* lab.addClient("bob")
      const lease = yield* alice.lease({ exporterName: "served" })
      yield* registrationBench.settled
      yield* lab.transfer(lease, "bob")
      yield* TestClock.adjust("1 minute")
      yield* lab.release(lease)
      yield* registrationBench.settled
      const served = ended.find(({ name }) => name === "jumpstarter.lease.served")
      deepStrictEqual([served?.parent, served?.nanos, served?.attributes], [undefined, 60_000_000_000n, {
        "jumpstarter.exporter": "served",
        "jumpstarter.lease": lease,
        "jumpstarter.client": "bob",
        "jumpstarter.before_lease_hook": "Warned",
        "jumpstarter.after_lease_hook": "Failed"
      }])
      deepStrictEqual(yield* metricsOf("served"), {
        jumpstarter_lease_served: [1, 60_000],
        "jumpstarter_hook_failures beforeLease warn": 1,
        "jumpstarter_hook_failures afterLease endLease": 1
      })
    })))

  it.effect("has the kind of the error in its span when its drivers cannot be made", () =>
    closing(Effect.gen(function*() {
      const { ended, tracer } = spans.make()
      const lab = yield* ControllerTest.make()
      let count = 0
      class Unplugged extends Error {
        override readonly name = "Unplugged"
      }
      yield* hosted(lab, "unserved", {
        drivers: Effect.suspend(() => ++count === 1 ? Effect.succeed({}) : Effect.die(new Unplugged()))
      }).pipe(Effect.withTracer(tracer))
      const alice = yield* addClient(lab, "alice")
      const lease = yield* alice.lease({ exporterName: "unserved" })
      yield* registrationBench.settled
      yield* lab.release(lease)
      yield* registrationBench.settled
      const served = ended.find(({ name }) => name === "jumpstarter.lease.served")
      strictEqual(served?.attributes["error.type"], "Unplugged")
    })))

  it.scoped("counts the tunnels of its clients while they are open", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      yield* lab.hostExporter("tunnelled", { power: registrationBench.ping })
      const controller = yield* Effect.flatMap(lab.addClient("alice"), lab.controllerOf)
      const { name } = yield* controller.createLease({ exporterName: "tunnelled", duration: "1 hour" })
      const connect = Effect.flatMap(
        routerTunnel.channel({ controller, lease: name }),
        (channel) => ExporterConnection.fromChannel(channel, { leased: true })
      )
      const open = Effect.map(metricsOf("tunnelled"), ({ jumpstarter_open_tunnels: open }) => open)
      yield* inTime(Effect.scoped(Effect.gen(function*() {
        yield* connect
        yield* connect
        strictEqual(yield* open, 2)
      })))
      yield* inTime(Effect.repeat(Effect.delay(open, "10 millis"), { until: (open) => open === 0 }))
    }))
})
