// The metrics of a client and of an exporter. Each is looked up in Effect's registry once, not for every call: a call in memory takes
// microseconds.
import type * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricKey from "effect/MetricKey"
import * as MetricLabel from "effect/MetricLabel"
import type { Call } from "../protocol/callSite.ts"
import type * as DriverError from "../protocol/DriverError.ts"
import * as DriverTree from "../protocol/DriverTree.ts"
import type { ConnectionWitness } from "./witness.ts"

type Labels = Readonly<Record<string, string>>

const labelled = (labels: Labels) => Object.entries(labels).map(([key, value]) => MetricLabel.make(key, value))

export const counter = (name: string, description: string, labels: Labels): Metric.Metric.Counter<number> =>
  Metric.fromMetricKey(
    MetricKey.taggedWithLabels(MetricKey.counter(name, { description, incremental: true }), labelled(labels))
  )

export const gauge = (name: string, description: string, labels: Labels): Metric.Metric.Gauge<number> =>
  Metric.fromMetricKey(MetricKey.taggedWithLabels(MetricKey.gauge(name, { description }), labelled(labels)))

// Of milliseconds.
export const timer = (
  name: string,
  description: string,
  labels: Labels,
  boundaries: MetricBoundaries.MetricBoundaries
): Metric.Metric.Histogram<number> =>
  Metric.fromMetricKey(
    MetricKey.taggedWithLabels(
      MetricKey.histogram(name, boundaries, description),
      // The unit of Effect's own timers.
      labelled({ ...labels, time_unit: "milliseconds" })
    )
  )

// From a quarter of a millisecond to a quarter of an hour.
const durations = MetricBoundaries.exponential({ start: 0.25, factor: 2, count: 24 })

const description = {
  calls: "Calls, streaming calls, byte streams and transfers that have begun",
  duration: "How long they took",
  failures: "Those that failed, by the tag of the error",
  bytes: "Bytes of byte streams and transfers",
  openStreams: "Byte streams and transfers that are open",
  reconnects: "How often a connection was re-established after a loss"
}

interface Bytes {
  readonly open: Metric.Metric.Gauge<number>
  readonly sent: Metric.Metric.Counter<number>
  readonly received: Metric.Metric.Counter<number>
}

/**
 * How many driver calls of a connection have begun, and how many of them have ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallCount {
  begun: number
  ended: number
}

// A method of a driver, as it is called.
export interface Operation {
  readonly call: Call
  readonly exporter: string
  readonly count: CallCount
  readonly witness: ConnectionWitness | undefined
  readonly calls: Metric.Metric.Counter<number>
  readonly duration: Metric.Metric.Histogram<number>
  readonly failures: (error: string) => Metric.Metric.Counter<number>
  // Only for byte streams and transfers.
  readonly bytes: Bytes | undefined
}

const prepare = (
  exporter: string,
  call: Call,
  count: CallCount,
  witness: ConnectionWitness | undefined
): Operation => {
  const labels = { exporter, driver: call.driver, method: call.method, kind: call.kind }
  return {
    call,
    exporter,
    count,
    witness,
    calls: counter("jumpstarter_calls", description.calls, labels),
    duration: timer("jumpstarter_call_duration", description.duration, labels, durations),
    failures: (error) => counter("jumpstarter_call_failures", description.failures, { ...labels, error }),
    bytes: call.kind === "call" || call.kind === "streamingCall" ? undefined : {
      open: gauge("jumpstarter_open_streams", description.openStreams, labels),
      sent: counter("jumpstarter_bytes", description.bytes, { ...labels, direction: "sent" }),
      received: counter("jumpstarter_bytes", description.bytes, { ...labels, direction: "received" })
    }
  }
}

// The operations of a driver.
export const operations = (
  exporter: string,
  { path }: DriverTree.DriverNode,
  count: CallCount,
  witness?: ConnectionWitness | undefined
) => {
  const prepared = new Map<string, Operation>()
  return (kind: DriverError.CallKind, method: string): Operation => {
    const key = `${kind} ${method}`
    let operation = prepared.get(key)
    if (operation === undefined) {
      operation = prepare(exporter, { driver: DriverTree.formatPath(path), kind, method }, count, witness)
      prepared.set(key, operation)
    }
    return operation
  }
}

export const reconnected = (exporter: string): Effect.Effect<void> =>
  Metric.increment(counter("jumpstarter_reconnects", description.reconnects, { exporter }))
