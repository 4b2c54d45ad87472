// Whether the connection to an exporter is up, judged by everything that passes through its channel, and how it is
// re-established.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"
import type { LeaseEnded } from "../protocol/LeaseEnded.ts"
import * as telemetryMetrics from "../telemetry/metrics.ts"
import type { ConnectionWitness } from "../telemetry/witness.ts"
import type { Channel } from "../transport/GrpcChannel.ts"
import { addFinalizer } from "../util/acquired.ts"
import type { ConnectOptions, ExporterMetadata } from "./connection.ts"
import { ConnectionState } from "./ConnectionState.ts"
import type { DriverLocator } from "./driverLocator.ts"
import * as ExporterClient from "./ExporterClient.ts"
import * as handshake from "./handshake.ts"
import type { KnownStatus } from "./knownStatus.ts"

export interface Link {
  // The exporter's RPCs, watched: a failure of the transport counts as a loss.
  readonly exporter: ExporterClient.ExporterClient
  readonly state: SubscriptionRef.SubscriptionRef<ConnectionState>
  // Waits while the policy re-establishes the connection. Fails when reconnecting was given up.
  readonly settled: Effect.Effect<void, GrpcStatus.GrpcStatusError>
  // Waits until there is a connection and the exporter behind it is known. Tries again if reconnecting was given up.
  readonly ready: Effect.Effect<void, GrpcStatus.GrpcStatusError>
  // Gives up a silent connection. Returns whether a new one is being made.
  readonly lose: (reason: string) => Effect.Effect<boolean>
  // Why a connection that was closed was closed.
  readonly closed: () => GrpcStatus.GrpcStatusError
  // Checks which exporter is at the other end. If it is another one, that counts as a loss, and the client is then
  // connected to the new one.
  readonly identify: Effect.Effect<void>
}

interface Known {
  readonly locator: DriverLocator
  readonly status: KnownStatus
  readonly witness: ConnectionWitness | undefined
}

// When to reconnect, and why there is no use in it.
export interface Policy extends Pick<ConnectOptions, "reconnect"> {
  // The end of the lease that the connection needs, once it has ended.
  readonly leaseEnd?: (() => LeaseEnded | undefined) | undefined
  // What `jmp shell` or a lease knows about the exporter.
  readonly metadata?: ExporterMetadata | undefined
}

// Without a schedule, nothing reconnects until a call is made, and that call tries once.
export const make = Effect.fnUntraced(function*(
  channel: Channel,
  introduction: handshake.Handshake,
  { locator, status, witness }: Known,
  { leaseEnd, metadata, reconnect: schedule }: Policy
) {
  const scope = yield* Effect.scope
  const state = yield* SubscriptionRef.make<ConnectionState>(ConnectionState.Ready())
  let now: ConnectionState = ConnectionState.Ready()
  witness?.state(now)
  // An RPC that began before a loss and fails after it says nothing new.
  let losses = 0
  let round: Deferred.Deferred<void, GrpcStatus.GrpcStatusError> | undefined

  // Sets `now` when it is called. The effect it returns informs the subscribers.
  const become = (next: ConnectionState): Effect.Effect<void> => {
    if (now._tag === "Closed") return Effect.void
    now = next
    witness?.state(next)
    const told = SubscriptionRef.set(state, next)
    return next._tag === "Ready"
      ? Effect.zipRight(telemetryMetrics.reconnected(metadata?.name ?? channel.target), told)
      : told
  }

  yield* addFinalizer(Effect.suspend(() => become(ConnectionState.Closed())))

  // Nothing was sent: the client itself refuses.
  const refused = (details: string, cause?: LeaseEnded) =>
    GrpcStatus.refused({ rpc: "", target: channel.target }, "UNAVAILABLE", details, { scope: "connection", cause })

  const refusedClosed = () => {
    const end = leaseEnd?.()
    return refused(end?.message ?? "the connection was closed", end)
  }

  const attempts = (outcome: Deferred.Deferred<void, GrpcStatus.GrpcStatusError>) => {
    let attempt = 0
    let reason = now._tag === "Lost" ? now.reason : ""
    const told = Effect.suspend(() => {
      attempt++
      return schedule === undefined ? Effect.void : become(ConnectionState.Connecting({ attempt, reason }))
    })
    return Effect.zipRight(told, introduction).pipe(
      Effect.flatMap((exporter) => {
        locator.learn(exporter.report)
        return status.learn(exporter.status)
      }),
      Effect.tapError((error) =>
        Effect.sync(() => {
          reason = error.message
        })
      ),
      Effect.retry({ schedule: schedule ?? Schedule.stop, while: () => leaseEnd?.() === undefined }),
      Effect.interruptible,
      Effect.onExit((exit) => {
        round = undefined
        if (Exit.isSuccess(exit)) {
          return Effect.zipRight(become(ConnectionState.Ready()), Deferred.succeed(outcome, undefined))
        }
        if (Exit.isInterrupted(exit) || leaseEnd?.() !== undefined) return Deferred.fail(outcome, refusedClosed())
        if (schedule === undefined) return Deferred.fail(outcome, refused(reason))
        const summary = `gave up reconnecting after ${attempt} ${attempt === 1 ? "attempt" : "attempts"}: ${reason}`
        return Effect.zipRight(
          become(ConnectionState.Lost({ reason: summary })),
          Deferred.fail(outcome, refused(summary))
        )
      })
    )
  }

  // All waiters share a round of attempts and its outcome.
  const begin = Effect.uninterruptible(
    Effect.flatMap(Deferred.make<void, GrpcStatus.GrpcStatusError>(), (outcome) =>
      Effect.suspend(() => {
        if (round !== undefined) return Effect.succeed(round)
        round = outcome
        // eslint-disable-next-line no-restricted-syntax -- it can be interrupted, and has an outcome even before it starts
        return Effect.as(Effect.forkIn(attempts(outcome), scope), outcome)
      }))
  )

  const settled = Effect.suspend(() =>
    now._tag === "Closed"
      ? refusedClosed()
      : schedule === undefined
      ? Effect.void
      : round !== undefined
      ? Deferred.await(round)
      : now._tag === "Lost"
      ? refused(now.reason)
      : Effect.void
  )

  const ready = Effect.suspend(() =>
    now._tag === "Ready"
      ? Effect.void
      : now._tag === "Closed"
      ? refusedClosed()
      : Effect.flatMap(begin, Deferred.await)
  )

  const lost = (reason: string, drop: Effect.Effect<void>): Effect.Effect<boolean> =>
    Effect.uninterruptible(Effect.suspend(() => {
      if (now._tag !== "Ready") {
        // The connection before this one was silent, too.
        return now._tag === "Lost" && round === undefined
          ? Effect.as(drop, false)
          : Effect.succeed(round !== undefined)
      }
      losses++
      return Effect.zipRight(become(ConnectionState.Lost({ reason })), drop).pipe(
        Effect.zipRight(schedule === undefined ? Effect.void : begin),
        Effect.as(schedule !== undefined)
      )
    }))

  // Without a policy, an answer shows that the exporter is back, though it may be another one. An RPC that began before a
  // loss says nothing about the exporter that is there now.
  const answered = (seen: number): Effect.Effect<void> =>
    seen === losses && now._tag === "Lost" && schedule === undefined ? Effect.asVoid(begin) : Effect.void

  const failed =
    (seen: number) => ({ code, details, origin, scope }: GrpcStatus.GrpcStatusError): Effect.Effect<unknown> => {
      switch (origin) {
        case "transport":
          return scope === "connection" && seen === losses ? lost(`${code}: ${details}`, Effect.void) : Effect.void
        case "peer":
          return answered(seen)
        case "client":
          return Effect.void
      }
    }

  const watch = <A>(rpc: Effect.Effect<A, GrpcStatus.GrpcStatusError>): Effect.Effect<A, GrpcStatus.GrpcStatusError> =>
    Effect.suspend(() => {
      const seen = losses
      const watched = Effect.tapError(rpc, failed(seen))
      return now._tag === "Ready" ? watched : Effect.tap(watched, () => answered(seen))
    })

  const watchStream = <A>(
    rpc: Stream.Stream<A, GrpcStatus.GrpcStatusError>
  ): Stream.Stream<A, GrpcStatus.GrpcStatusError> =>
    Stream.suspend(() => {
      const seen = losses
      const watched = Stream.tapError(rpc, failed(seen))
      return now._tag === "Ready" ? watched : Stream.tap(watched, () => answered(seen))
    })

  const run = Runtime.runFork(yield* Effect.runtime())
  // An idle connection has no RPC that could fail.
  yield* channel.connection?.onEnd((details) => {
    run(lost(`UNAVAILABLE: ${details}`, Effect.void))
  }) ?? Effect.void

  // No RPC of an exporter streams only from the client.
  const exporter = ExporterClient.make({
    ...channel,
    unary: (rpc, message, options) => watch(channel.unary(rpc, message, options)),
    serverStreaming: (rpc, message, options) => watchStream(channel.serverStreaming(rpc, message, options)),
    duplex: (rpc, options) =>
      Effect.map(channel.duplex(rpc, options), (duplex) => {
        const seen = losses
        const watched = Effect.tapError(
          duplex.receive,
          Option.match({ onNone: () => Effect.void, onSome: failed(seen) })
        )
        return {
          ...duplex,
          initialMetadata: watch(duplex.initialMetadata),
          receive: now._tag === "Ready" ? watched : Effect.tap(watched, () => answered(seen))
        }
      })
  })

  const identify = Effect.flatMap(
    handshake.reportAgain(exporter),
    (report) =>
      Effect.uninterruptible(Effect.suspend(() => {
        if (locator.learn(report) === "same") return Effect.void
        status.expire()
        if (now._tag !== "Ready") return Effect.void
        losses++
        return Effect.zipRight(
          become(ConnectionState.Lost({ reason: "the exporter restarted" })),
          become(ConnectionState.Ready())
        )
      }))
  )

  const link: Link = {
    exporter,
    state,
    settled,
    ready,
    lose: (reason) => lost(reason, channel.connection?.drop(reason) ?? Effect.void),
    closed: refusedClosed,
    identify: Effect.ignore(identify)
  }
  return link
})
