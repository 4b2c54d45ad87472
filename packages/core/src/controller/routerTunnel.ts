// Connections to exporters through routers: HTTP/2 over a tunnel, for the client and for the exporter.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import type { GrpcHandlers } from "../grpc/GrpcHandler.ts"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"
import * as GrpcChannel from "../transport/GrpcChannel.ts"
import * as httpLoss from "../transport/http/loss.ts"
import * as httpService from "../transport/http2/service.ts"
import * as httpTransport from "../transport/http2/transport.ts"
import type { ServerOptions } from "../transport/listen.ts"
import * as interruptible from "../util/interruptible.ts"
import type { ControllerError } from "./controllerError.ts"
import type { ControllerClient, RouterAddress } from "./controllerRequests.ts"
import * as tunnelLine from "./tunnelLine.ts"

interface ChannelOptions {
  readonly controller: ControllerClient
  /** The name of the lease whose exporter is dialled. */
  readonly lease: string
  /**
   * How long one attempt to connect may take, from the dial to the exporter's first byte; the default is the `dialTimeout` of the
   * configuration plus 30 seconds.
   */
  readonly connectTimeout?: Duration.DurationInput | undefined
}

// Opens tunnels. Tunnels through one router share a connection to it.
const makeOpen = (router: ControllerClient["router"], lease: string, content: tunnelLine.Content) =>
  Effect.map(
    RcMap.make({ lookup: router }),
    (routers) => ({ endpoint, token }: RouterAddress) =>
      Effect.flatMap(RcMap.get(routers, endpoint), (router) => tunnelLine.open(router, token, lease, content))
  )

/**
 * Makes a channel to the exporter of a lease. Each connection is a new tunnel. The first RPC that needs a connection dials, and fails when
 * the dial fails.
 */
export const channel = (
  { connectTimeout, controller, lease }: ChannelOptions
): Effect.Effect<GrpcChannel.Channel, never, Scope.Scope> =>
  Effect.gen(function*() {
    const open = yield* makeOpen(controller.router, lease, "http2")
    const target = `lease ${lease}`
    const undialled = (error: ControllerError) =>
      new GrpcStatus.GrpcStatusError({
        code: error.code,
        details: error.message,
        origin: "transport",
        scope: "connection",
        rpc: "",
        target,
        cause: error
      })
    const unreachable = (error: GrpcStatus.GrpcStatusError) =>
      GrpcStatus.amend(error, {
        details: `the router ${error.target} cannot be reached: ${error.details}`,
        origin: "transport",
        scope: "connection",
        target
      })
    const dial = Effect.flatMap(
      Effect.mapError(controller.dial(lease), undialled),
      (address) => Effect.mapError(open(address), unreachable)
    )
    const transport = yield* httpTransport.make(
      {
        target,
        // The same as on the exporter's own socket.
        origin: "http://localhost",
        takesAll: false,
        tellsLoss: true,
        dial,
        explain: ({ message }, line) =>
          line instanceof tunnelLine.TunnelLine && line.errored === null
            ? `${tunnelLine.describe(line.place)} carries no HTTP/2: ${message}`
            : message,
        explainEnd: (line) =>
          line instanceof tunnelLine.TunnelLine
            ? `the exporter ended ${tunnelLine.describe(line.place)}`
            : httpLoss.dropped
      },
      connectTimeout ?? Duration.sum(controller.config.leases.dialTimeout, "30 seconds")
    )
    return GrpcChannel.make(transport)
  })

/** Opens byte streams to the exporter of a lease. Each is a new tunnel, without anything on it. */
export const lines = (
  { controller, lease }: Pick<ChannelOptions, "controller" | "lease">
): Effect.Effect<
  Effect.Effect<tunnelLine.TunnelLine, ControllerError | GrpcStatus.GrpcStatusError, Scope.Scope>,
  never,
  Scope.Scope
> =>
  Effect.map(
    makeOpen(controller.router, lease, "bytes"),
    (open) => Effect.flatMap(controller.dial(lease), open)
  )

/** The limits of the exporter's end of tunnels for its clients. */
export interface TunnelLimits extends Omit<ServerOptions, "keepaliveTime" | "keepaliveTimeout"> {
  /** How long a tunnel may wait for the first byte of its client; 1 minute by default. Then this end is closed. */
  readonly clientTimeout?: Duration.DurationInput | undefined
}

interface AcceptOptions extends TunnelLimits {
  readonly router: ControllerClient["router"]
  readonly lease: string
}

// A router does not tell an end that waits alone that the other one will not come (protocol.md 12.5).
const endUnlessHeard = (line: tunnelLine.TunnelLine, limit: Duration.DurationInput): Effect.Effect<void> =>
  Effect.flatMap(
    interruptible.timeoutOption(line.heard, limit),
    Option.match({
      onNone: () =>
        Effect.zipRight(
          Effect.logDebug(`${tunnelLine.describe(line.place)} is closed: its client did not come`),
          Effect.sync(() => line.destroy())
        ),
      onSome: () => Effect.void
    })
  )

/**
 * Serves handlers at the exporter's end of tunnels until the scope closes. The returned function serves the client of one dial. Its effect
 * ends with the connection; interrupting it ends the connection.
 */
export const accept = (
  handlers: GrpcHandlers,
  { clientTimeout = "1 minute", lease, router, ...options }: AcceptOptions
): Effect.Effect<(address: RouterAddress) => Effect.Effect<void, GrpcStatus.GrpcStatusError>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const open = yield* makeOpen(router, lease, "http2")
    // A tunnel detects by itself that its other end is gone.
    const serve = yield* httpService.accept(handlers, { ...options, keepaliveTime: Duration.infinity })
    return (address) =>
      Effect.scoped(
        Effect.flatMap(open(address), (line) =>
          Effect.zipRight(interruptible.forkScoped(endUnlessHeard(line, clientTimeout)), serve(line)))
      )
  })
