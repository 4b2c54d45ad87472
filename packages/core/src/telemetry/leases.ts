// The metrics and the spans of leases.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import type { LeaseEnding } from "../protocol/LeaseEnded.ts"
import * as monotonicClock from "../util/monotonicClock.ts"
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

/** The span of the request of a lease, until its exporter is connected. */
export const requested = (lease: string) =>
  Effect.withSpan("jumpstarter.lease", { attributes: { "jumpstarter.lease": lease }, captureStackTrace: false })

/** The time for which a lease has an exporter. */
export interface Holding {
  readonly extended: (by: Duration.Duration) => Effect.Effect<void>
  readonly ended: (how: LeaseEnding) => Effect.Effect<void>
}

interface Held {
  readonly lease: string
  readonly exporter: string
  /** On the monotonic clock. */
  readonly since: number
  /** The span in which the lease was requested. */
  readonly parent: Option.Option<Tracer.AnySpan>
}

const nanos = Effect.clockWith((clock) => Effect.sync(() => clock.unsafeCurrentTimeNanos()))

/** Begins the span of the time for which a lease has an exporter, and annotates the current one. */
export const hold = ({ exporter, lease, parent, since }: Held): Effect.Effect<Holding> =>
  Effect.gen(function*() {
    yield* Effect.annotateCurrentSpan("jumpstarter.exporter", exporter)
    const span = yield* Effect.makeSpan("jumpstarter.lease.held", {
      ...Option.match(parent, { onNone: () => ({ root: true }), onSome: (parent) => ({ parent }) }),
      attributes: { "jumpstarter.exporter": exporter, "jumpstarter.lease": lease },
      captureStackTrace: false
    })
    return {
      extended: (by) =>
        Effect.zipRight(
          Metric.increment(counter("jumpstarter_lease_extensions", description.extensions, { exporter })),
          Effect.map(
            nanos,
            (now) => span.event("jumpstarter.lease.extended", now, { "jumpstarter.seconds": Duration.toSeconds(by) })
          )
        ),
      ended: (how) =>
        Effect.gen(function*() {
          const millis = (yield* monotonicClock.currentMillis) - since
          yield* Metric.update(
            timer("jumpstarter_lease_held", description.held, { exporter, ended: how }, durations),
            millis
          )
          span.attribute("jumpstarter.lease.ended", how)
          span.end(yield* nanos, Exit.void)
        })
    }
  })
