// Gives both ends of a tunnel their token: the exporter listens, the client dials. The controller does not check whether the lease has
// ended.
import type { DialResponse } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import * as interruptible from "../../util/interruptible.ts"
import type { ExporterObject } from "./registry.ts"
import { Signal } from "./signal.ts"

interface Listener {
  readonly waiting: Array<DialResponse>
  readonly changed: Signal
  superseded: boolean
}

// How many responses may wait for an exporter that does not read them.
const bufferSize = 8

export class Listeners {
  private readonly listeners = new Map<string, Listener>()

  /** Returns the responses that clients of a lease get from now on. A later call for the same lease ends the stream. */
  listen(lease: string): Stream.Stream<DialResponse> {
    return Stream.unwrapScoped(
      Effect.map(this.open(lease), (listener) =>
        Stream.repeatEffectOption(
          Effect.suspend(function next(): Effect.Effect<DialResponse, Option.Option<never>> {
            const change = listener.changed.next
            const first = listener.waiting.shift()
            return first !== undefined
              ? Effect.succeed(first)
              : listener.superseded
              ? Effect.fail(Option.none())
              : Effect.zipRight(change, Effect.suspend(next))
          })
        ))
    )
  }

  /** Sends the exporter of a lease the response that its client gets. */
  offer(lease: string, response: DialResponse): Effect.Effect<void, GrpcStatus.GrpcStatusError> {
    return Effect.suspend(() => {
      const listener = this.listeners.get(lease)
      if (listener === undefined) {
        return GrpcStatus.make("UNAVAILABLE", `exporter is not listening on lease ${lease}`)
      }
      if (listener.waiting.length >= bufferSize) {
        return GrpcStatus.make("RESOURCE_EXHAUSTED", `listener buffer full on lease ${lease}`)
      }
      listener.waiting.push(response)
      listener.changed.fire()
      return Effect.void
    })
  }

  private open(lease: string): Effect.Effect<Listener, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => {
        const listener: Listener = { waiting: [], changed: new Signal(), superseded: false }
        const before = this.listeners.get(lease)
        this.listeners.set(lease, listener)
        if (before !== undefined) {
          before.superseded = true
          before.changed.fire()
        }
        return listener
      }),
      (listener) =>
        Effect.sync(() => {
          if (this.listeners.get(lease) === listener) this.listeners.delete(lease)
        })
    )
  }
}

// After each of these times, in milliseconds, a dial checks again whether the exporter has noticed its lease.
const steps = [500, 1_000, 2_000, ...Array.from({ length: 8 }, () => 3_000)]

const notReady = (exporter: ExporterObject) =>
  GrpcStatus.make("FAILED_PRECONDITION", `exporter is not ready (status: ${shownStatus(exporter)})`)

// Formats a status as in the objects of Kubernetes.
const shownStatus = ({ status }: ExporterObject): string =>
  status.split("_").map((word) => word.slice(0, 1) + word.slice(1).toLowerCase()).join("")

type Look = Effect.Effect<boolean, GrpcStatus.GrpcStatusError>

const isReady = (exporter: ExporterObject): Look => {
  switch (exporter.status) {
    case "AVAILABLE":
      return Effect.succeed(false)
    case "OFFLINE":
      return GrpcStatus.make("FAILED_PRECONDITION", "exporter is offline")
    case "BEFORE_LEASE_HOOK_FAILED":
      return GrpcStatus.make("FAILED_PRECONDITION", "exporter beforeLease hook failed")
    case "AFTER_LEASE_HOOK_FAILED":
      return GrpcStatus.make("FAILED_PRECONDITION", "exporter afterLease hook failed")
    case "UNSPECIFIED":
    case "BEFORE_LEASE_HOOK":
    case "LEASE_READY":
    case "AFTER_LEASE_HOOK":
      return Effect.succeed(true)
  }
}

/**
 * Waits until the exporter of a lease can be dialled. `found` looks the object up each time it runs, because a test can remove or
 * replace it meanwhile.
 */
export const untilReady = (
  found: Effect.Effect<ExporterObject, GrpcStatus.GrpcStatusError>,
  observed: boolean
): Effect.Effect<void, GrpcStatus.GrpcStatusError> => {
  const look = Effect.flatMap(found, isReady)
  const giveUp = Effect.flatMap(found, notReady)
  const bySteps = Effect.gen(function*() {
    if (yield* look) return
    for (const step of steps) {
      yield* Effect.sleep(step)
      if (yield* look) return
    }
    return yield* giveUp
  })
  const atOnce: Effect.Effect<void, GrpcStatus.GrpcStatusError> = Effect.flatMap(found, (exporter) => {
    const change = exporter.changed.next
    return Effect.flatMap(isReady(exporter), (ready) => ready ? Effect.void : Effect.zipRight(change, atOnce))
  })
  return observed ? bySteps : Effect.flatMap(
    interruptible.timeoutOption(atOnce, steps.reduce((all, step) => all + step)),
    Option.match({ onNone: () => giveUp, onSome: () => Effect.void })
  )
}
