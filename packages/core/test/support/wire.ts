// A channel that a test connects to one exporter after another, and cuts in between.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import type { GrpcChannel } from "../../src/transport/GrpcChannel.ts"

type Channel = typeof GrpcChannel.Service

export interface Wire {
  readonly channel: Channel
  /** Connects to an exporter from now on. Running RPCs stay with the earlier exporter. */
  readonly plug: (channel: Channel) => Effect.Effect<void>
  /** Ends running RPCs like a broken connection, and refuses new ones until it is plugged again. */
  readonly cut: Effect.Effect<void>
  /** Ends the RPCs that still run with earlier exporters. */
  readonly cutOld: Effect.Effect<void>
  /** How often each RPC was begun, whether it succeeded or not. */
  readonly begun: (method: string) => number
}

export const make = (first: Channel): Effect.Effect<Wire> =>
  Effect.gen(function*() {
    const failure = (details: string) => GrpcStatus.lost({ rpc: "", target: first.target }, details)
    const counts = new Map<string, number>()
    let end:
      | { readonly channel: Channel; readonly broken: Deferred.Deferred<never, GrpcStatus.GrpcStatusError> }
      | undefined

    const old: Array<Deferred.Deferred<never, GrpcStatus.GrpcStatusError>> = []

    const plug = (channel: Channel) =>
      Effect.map(Deferred.make<never, GrpcStatus.GrpcStatusError>(), (broken) => {
        if (end !== undefined) old.push(end.broken)
        end = { channel, broken }
      })
    yield* plug(first)

    const begin = (rpc: string): NonNullable<typeof end> | GrpcStatus.GrpcStatusError => {
      const method = rpc.slice(rpc.lastIndexOf("/") + 1)
      counts.set(method, (counts.get(method) ?? 0) + 1)
      return end ?? failure("connect ECONNREFUSED")
    }

    const isFailure = (begun: ReturnType<typeof begin>): begun is GrpcStatus.GrpcStatusError =>
      begun instanceof GrpcStatus.GrpcStatusError

    const channel: Channel = {
      ...first,
      unary: (rpc, message, options) =>
        Effect.suspend(() => {
          const begun = begin(rpc)
          return isFailure(begun)
            ? begun
            : Effect.raceFirst(begun.channel.unary(rpc, message, options), Deferred.await(begun.broken))
        }),
      serverStreaming: (rpc, message, options) =>
        Stream.suspend(() => {
          const begun = begin(rpc)
          return isFailure(begun)
            ? Stream.fail(begun)
            : Stream.interruptWhenDeferred(begun.channel.serverStreaming(rpc, message, options), begun.broken)
        }),
      duplex: (rpc, options) =>
        Effect.suspend(() => {
          const begun = begin(rpc)
          return isFailure(begun) ? begun : Effect.map(begun.channel.duplex(rpc, options), (duplex) => ({
            ...duplex,
            initialMetadata: Effect.raceFirst(duplex.initialMetadata, Deferred.await(begun.broken)),
            receive: Effect.raceFirst(duplex.receive, Effect.mapError(Deferred.await(begun.broken), Option.some))
          }))
        })
    }
    return {
      channel,
      plug,
      cut: Effect.suspend(() => {
        const broken = end?.broken
        end = undefined
        return broken === undefined ? Effect.void : Deferred.fail(broken, failure("Connection dropped"))
      }),
      cutOld: Effect.suspend(() =>
        Effect.forEach(old, (broken) => Deferred.fail(broken, failure("Connection dropped")), { discard: true })
      ),
      begun: (method) => counts.get(method) ?? 0
    }
  })
