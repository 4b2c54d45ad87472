// The metrics and the spans of leases, on the client's side and on the exporter's.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import type { LeaseHook } from "../protocol/ExporterStatus.ts"
import type { LeaseEnding } from "../protocol/LeaseEnded.ts"
import * as monotonicClock from "../util/monotonicClock.ts"
import { counter, gauge, timer } from "./metrics.ts"
import { errorType } from "./span.ts"
import * as witness from "./witness.ts"

// From a tenth of a second to a day.
const durations = MetricBoundaries.exponential({ start: 100, factor: 2, count: 21 })

const description = {
  waited: "How long it took from the request of a lease until it had an exporter",
  held: "How long leases with an exporter were held, by how they ended",
  extensions: "How often leases were extended",
  served: "How long exporters served leases, from the beginning to the last finalizer of their drivers",
  hookFailures: "Hooks that failed, by what their failure does",
  openTunnels: "Tunnels of an exporter's clients that are open"
}

export const waited = (exporter: string, millis: number): Effect.Effect<void> =>
  Metric.update(timer("jumpstarter_lease_wait", description.waited, { exporter }, durations), millis)

/** The span of the request of a lease, until its exporter is connected. */
export const requested = (lease: string) => <A, E, R>(request: Effect.Effect<A, E, R>) =>
  Effect.flatMap(FiberRef.get(witness.current), (current) => {
    const seen = current?.lease(lease)
    return seen === undefined ? request : Effect.onExit(request, (exit) => Effect.sync(() => seen.ended(exit)))
  }).pipe(
    Effect.withSpan("jumpstarter.lease", { attributes: { "jumpstarter.lease": lease }, captureStackTrace: false })
  )

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
    const seen = (yield* FiberRef.get(witness.current))?.lease(lease, exporter)
    return {
      extended: (by) =>
        Effect.zipRight(
          Metric.increment(counter("jumpstarter_lease_extensions", description.extensions, { exporter })),
          Effect.map(
            nanos,
            (now) => {
              span.event("jumpstarter.lease.extended", now, { "jumpstarter.seconds": Duration.toSeconds(by) })
              seen?.extended(Duration.toSeconds(by))
            }
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
          seen?.ended(Exit.succeed(how))
        })
    }
  })

interface Served {
  readonly lease: string
  readonly exporter: string
  readonly client: string
}

/** Makes what serves a lease a span, which belongs to no other, and measures how long it takes. */
export const served = ({ client, exporter, lease }: Served) => <A, E, R>(serving: Effect.Effect<A, E, R>) =>
  Effect.flatMap(monotonicClock.currentMillis, (since) =>
    Effect.ensuring(
      serving,
      Effect.flatMap(monotonicClock.currentMillis, (now) =>
        Metric.update(timer("jumpstarter_lease_served", description.served, { exporter }, durations), now - since))
    )).pipe(
      Effect.withSpan("jumpstarter.lease.served", {
        root: true,
        attributes: { "jumpstarter.exporter": exporter, "jumpstarter.lease": lease, "jumpstarter.client": client },
        captureStackTrace: false
      })
    )

// These annotate the span of `served`.

export const transferred = (client: string): Effect.Effect<void> =>
  Effect.annotateCurrentSpan("jumpstarter.client", client)

export const hookEnded = (hook: LeaseHook, outcome: "Passed" | "Warned" | "Failed"): Effect.Effect<void> =>
  Effect.annotateCurrentSpan(
    hook === "beforeLease" ? "jumpstarter.before_lease_hook" : "jumpstarter.after_lease_hook",
    outcome
  )

/** The drivers could not be made. */
export const unhosted = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Effect.annotateCurrentSpan("error.type", errorType(exit))

export const hookFailed = (exporter: string, hook: LeaseHook, onFailure: string): Effect.Effect<void> =>
  Metric.increment(
    counter("jumpstarter_hook_failures", description.hookFailures, { exporter, hook, on_failure: onFailure })
  )

/** Counts a tunnel while it is open. */
export const tunnel = (exporter: string) => {
  const open = gauge("jumpstarter_open_tunnels", description.openTunnels, { exporter })
  return <A, E, R>(serving: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(Metric.increment(open), () => serving, () => Metric.incrementBy(open, -1))
}
