// What metrics and spans tell of leases.
import { describe, it } from "@effect/vitest"
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as TestClock from "effect/TestClock"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import { acquire, board, clientOf, closing, dialling, inTime } from "../support/leaseBench.ts"
import * as spans from "../support/spans.ts"

/** The sums of the metrics of an exporter's leases, with their other labels. */
const metricsOf = (exporter: string) =>
  Effect.map(
    Metric.snapshot,
    (pairs) =>
      Object.fromEntries(pairs.flatMap(({ metricKey: { name, tags }, metricState }) => {
        const labels = new Map(Array.from(tags, ({ key, value }) => [key, value]))
        if (!name.startsWith("jumpstarter_lease") || labels.get("exporter") !== exporter) return []
        const ended = labels.get("ended")
        const value = MetricState.isHistogramState(metricState)
          ? [metricState.count, metricState.sum]
          : MetricState.isCounterState(metricState)
          ? metricState.count
          : undefined
        return [[ended === undefined ? name : `${name} ${ended}`, value]]
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
        "jumpstarter_lease_held Released": [1, 60_000]
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
