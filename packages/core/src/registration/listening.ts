// Accepts the clients of a lease: the controller names a router for each, at which the exporter meets it (protocol.md 12.5).
import type { ListenResponse } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ControllerReason } from "../controller/Controller.ts"
import type { ControllerClient, RouterAddress } from "../controller/controllerRequests.ts"
import type { ExporterConfig } from "../controller/ExporterConfig.ts"
import * as routerTunnel from "../controller/routerTunnel.ts"
import * as serviceAddress from "../controller/serviceAddress.ts"
import * as tokens from "../controller/tokens.ts"
import type { GrpcHandlers } from "../grpc/GrpcHandler.ts"
import * as telemetry from "../telemetry/leases.ts"
import * as interruptible from "../util/interruptible.ts"
import type { ExporterCalls } from "./exporterCalls.ts"
import * as pauses from "./pauses.ts"

export interface Place {
  readonly exporter: string
  readonly calls: Pick<ExporterCalls, "listen">
  readonly tls: ExporterConfig["tls"]
  readonly router: ControllerClient["router"]
  readonly server: routerTunnel.TunnelLimits
}

const limits = { least: 100, most: 2_000 }

// Two processes with one identity end each other's streams.
const rivalLimits = { least: 1_000, most: 30_000 }

const defaultMaxTunnels = 1_000

/** Serves the clients of a lease until the scope closes, which ends their connections. */
export const open = (
  { calls, exporter, router, server, tls }: Place,
  lease: string,
  handlers: GrpcHandlers
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { maxConnections = defaultMaxTunnels } = server
    // The server ends its connections before this.
    const tunnels = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const accept = yield* routerTunnel.accept(handlers, { ...server, router, lease })
    let count = 0

    const addressOf = ({ routerEndpoint, routerToken }: ListenResponse): Either.Either<RouterAddress, string> =>
      Either.gen(function*() {
        const problem = tokens.problem(routerToken)
        if (problem !== undefined) return yield* Either.left(`the router token from the controller ${problem}`)
        const endpoint = yield* Either.mapLeft(
          serviceAddress.parse(routerEndpoint, tls),
          (problem) =>
            `the router address from the controller, ${JSON.stringify(routerEndpoint)}, cannot be used: ${problem}`
        )
        return { endpoint, token: Redacted.make(routerToken) }
      })

    const meet = (address: RouterAddress) =>
      Effect.suspend(() => {
        if (count >= maxConnections) {
          return Effect.logWarning(`a client of the lease ${lease} was refused: ${count} tunnels are open`)
        }
        count++
        return accept(address).pipe(
          Effect.catchAll(({ details, target }) =>
            Effect.logWarning(`the router ${target}, at which a client of the lease ${lease} waits: ${details}`)
          ),
          telemetry.tunnel(exporter),
          Effect.ensuring(Effect.sync(() => count--)),
          interruptible.forkIn(tunnels),
          Effect.asVoid
        )
      })

    let failures = 0
    let rivals = 0
    let shown: ControllerReason | undefined

    const listen = Stream.runForEach(calls.listen(lease), (dialled) =>
      Effect.suspend(() => {
        failures = 0
        shown = undefined
        return Either.match(addressOf(dialled), {
          onLeft: (problem) => Effect.logWarning(`a client of the lease ${lease} cannot be met: ${problem}`),
          onRight: meet
        })
      }))

    yield* interruptible.forkScoped(Effect.forever(Effect.matchEffect(listen, {
      onFailure: (error) => {
        const isNews = shown !== error.reason
        shown = error.reason
        // When the lease is over, the controller refuses before it says that the lease is over.
        const isOver = error.reason === "NotYours" || error.reason === "NotFound"
        return Effect.zipRight(
          isNews && !isOver
            ? Effect.logWarning(`no new clients of the lease ${lease} are accepted for now: ${error.message}`)
            : Effect.logDebug(error.message),
          pauses.after(++failures, limits)
        )
      },
      onSuccess: () =>
        Effect.zipRight(
          Effect.logWarning(
            `another process listens for the lease ${lease}: check that only one runs with the identity of this exporter`
          ),
          Effect.suspend(() => pauses.after(++rivals, rivalLimits))
        )
    })))
  })
