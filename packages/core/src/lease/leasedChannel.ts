// The channel of a lease: what fails because the lease has ended says so.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"
import type { LeaseEnded } from "../protocol/LeaseEnded.ts"
import type { Channel } from "../transport/GrpcChannel.ts"
import type { Watch } from "./watch.ts"

const isUnsent = ({ code, origin }: GrpcStatus.GrpcStatusError): boolean =>
  origin === "client" && code === "UNAVAILABLE"

// An exporter that ends a lease cancels what runs. Its other statuses are answers, and a message is refused for another reason.
const isLoss = (error: GrpcStatus.GrpcStatusError): boolean =>
  error.origin === "transport" || error.code === "CANCELLED" || error.code === "UNAVAILABLE"

export const make = (channel: Channel, watch: Pick<Watch, "ask" | "askUnlessKnown" | "end">): Channel => {
  const { connection, target } = channel
  let wasOpened = false

  // Nothing was sent.
  const refused = (rpc: string, end: LeaseEnded) =>
    GrpcStatus.refused({ rpc, target }, "UNAVAILABLE", end.message, { scope: "connection", cause: end })

  // An exporter hangs up when its lease ends, which is often sooner than the watch looks.
  const explain =
    (rpc: string) => (error: GrpcStatus.GrpcStatusError): Effect.Effect<never, GrpcStatus.GrpcStatusError> =>
      !isLoss(error)
        ? error
        : Effect.flatMap(
          error.scope === "connection" || error.origin === "peer" ? watch.ask : Effect.sync(watch.end),
          (end) =>
            end === undefined
              ? error
              : isUnsent(error)
              ? refused(rpc, end)
              : GrpcStatus.lost({ rpc, target }, end.message, end)
        )

  return {
    ...channel,
    connection: connection && {
      ...connection,
      // Controllers dial for leases that have ended, too (`protocol.md` 12.6). After a loss, which the end may have caused, what was known
      // before counts for nothing.
      open: Effect.suspend(() => {
        const ended = wasOpened ? watch.ask : watch.askUnlessKnown
        wasOpened = true
        return Effect.flatMap(ended, (end) => end === undefined ? connection.open : refused("", end))
      })
    },
    unary: (rpc, message, options) =>
      Effect.suspend(() => {
        const end = watch.end()
        return end === undefined
          ? Effect.catchAll(channel.unary(rpc, message, options), explain(rpc))
          : refused(rpc, end)
      }),
    serverStreaming: (rpc, message, options) =>
      Stream.suspend(() => {
        const end = watch.end()
        return end === undefined
          ? Stream.catchAll(channel.serverStreaming(rpc, message, options), explain(rpc))
          : Stream.fail(refused(rpc, end))
      }),
    duplex: (rpc, options) =>
      Effect.suspend(() => {
        const end = watch.end()
        if (end !== undefined) return refused(rpc, end)
        const because = explain(rpc)
        return Effect.map(Effect.catchAll(channel.duplex(rpc, options), because), (duplex) => ({
          ...duplex,
          initialMetadata: Effect.catchAll(duplex.initialMetadata, because),
          receive: Effect.catchAll(
            duplex.receive,
            Option.match({
              onNone: () => Effect.fail(Option.none()),
              onSome: (error) => Effect.mapError(because(error), Option.some)
            })
          ),
          send: (message) => Effect.catchAll(duplex.send(message), because),
          status: Effect.catchAll(duplex.status, because)
        }))
      })
  }
}
