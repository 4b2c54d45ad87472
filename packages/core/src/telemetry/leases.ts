// The metrics of leases.
import type * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import type { LeaseEnding } from "../protocol/LeaseEnded.ts"
import { counter, timer } from "./metrics.ts"

// From a tenth of a second to a day.
const durations = MetricBoundaries.exponential({ start: 100, factor: 2, count: 21 })

const description = {
  waited: "How long it took from the request of a lease until it had an exporter",
  held: "How long leases with an exporter were held, by how they ended",
  extensions: "How often leases were extended"
}

export const waited = (exporter: string, millis: number): Effect.Effect<void> =>
  Metric.update(timer("jumpstarter_lease_wait", description.waited, { exporter }, durations), millis)

export const held = (exporter: string, ended: LeaseEnding, millis: number): Effect.Effect<void> =>
  Metric.update(timer("jumpstarter_lease_held", description.held, { exporter, ended }, durations), millis)

export const extended = (exporter: string): Effect.Effect<void> =>
  Metric.increment(counter("jumpstarter_lease_extensions", description.extensions, { exporter }))
