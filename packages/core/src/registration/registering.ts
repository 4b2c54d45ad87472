// Registers an exporter and lends it to one client after the other, until the scope closes.
import { ExporterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { ControllerError } from "../controller/Controller.ts"
import type { TunnelLimits } from "../controller/routerTunnel.ts"
import type * as Exporter from "../host/Exporter.ts"
import type { HookFailed } from "../protocol/ExporterStatus.ts"
import * as rpcs from "../protocol/rpcs.ts"
import * as stub from "../protocol/stub.ts"
import * as GrpcChannel from "../transport/GrpcChannel.ts"
import * as clockWarning from "../util/clockWarning.ts"
import * as interruptible from "../util/interruptible.ts"
import * as exporterCalls from "./exporterCalls.ts"
import type { IdentityService } from "./identity.ts"
import * as lending from "./lending.ts"
import * as listening from "./listening.ts"
import * as presences from "./presence.ts"
import * as statusReports from "./statusReports.ts"

/**
 * A registered exporter.
 *
 * @since 0.1.0
 * @category models
 */
export interface Registration {
  /** Waits for the end of `until`, or of a configured single lease, and fails when a hook has failed whose `onFailure` is `exit`. */
  readonly ended: Effect.Effect<void, HookFailed>
}

export interface Terms<E> extends Pick<lending.Bench<E>, "hooks" | "host" | "localLogs"> {
  readonly identity: IdentityService
  readonly labels: Readonly<Record<string, string>>
  readonly server: TunnelLimits
  readonly until: Effect.Effect<void>
  /** How clients get in, other than through routers. */
  readonly open?: lending.Bench<E>["open"] | undefined
  readonly observe?: lending.Bench<E>["observe"] | undefined
}

export const nameLabel = "jumpstarter.dev/name"

const keptPrefix = "jumpstarter.dev/"

const goodbye = Duration.seconds(10)

const { getReport } = ExporterServiceDefinition.methods

/** The reports of the drivers, which are closed again. */
const driversOf = <E>(host: Effect.Effect<Exporter.Exporter, E, Scope.Scope>) =>
  Effect.scoped(Effect.gen(function*() {
    const self = yield* GrpcChannel.fromHandlers((yield* host).handlers)
    const { reports } = yield* Effect.orDie(
      // Nothing is between the two.
      stub.unary(self, rpcs.ofExporter(getReport), "exporter", getReport, {})
    )
    return reports
  }))

const warnOfLabels = (labels: Readonly<Record<string, string>>, source: string) => {
  const dropped = Object.keys(labels).filter((label) => !label.startsWith(keptPrefix))
  return dropped.length === 0
    ? Effect.void
    : Effect.logWarning(
      `${source}: the controller keeps only labels that begin with ${keptPrefix}, and not ${dropped.join(", ")}; ` +
        "the administrator of the service sets other labels"
    )
}

export const register = <E>(
  { hooks, host, identity, labels, localLogs, observe = () => Effect.void, open, server, until }: Terms<E>
): Effect.Effect<Registration, ControllerError | E, Scope.Scope> =>
  Effect.gen(function*() {
    const { config, controller, router } = identity
    if (controller.connection !== undefined) yield* clockWarning.warn(controller.target)
    yield* warnOfLabels(labels, config.name)
    const calls = exporterCalls.make(config, controller)
    const reports = yield* statusReports.make(calls, {
      status: "AVAILABLE",
      message: "Exporter registered and available"
    })
    const drivers = yield* driversOf(host)
    const notices = yield* SubscriptionRef.make<presences.Notice | undefined>(undefined)
    const presence = yield* presences.make({
      calls,
      reports,
      labels: { [nameLabel]: config.name, ...labels },
      drivers,
      notify: (notice) => SubscriptionRef.set(notices, notice)
    })

    const standing: lending.Standing = {
      when: (fits) =>
        Effect.map(Stream.runHead(Stream.filter(notices.changes, fits)), (found) =>
          found._tag === "Some" ? found.value : undefined)
    }
    const bench: lending.Bench<E> = {
      exporter: config.name,
      secret: config.token,
      host,
      hooks,
      localLogs,
      calls,
      reports,
      open: open ?? ((lease, handlers) =>
        listening.open({ calls, exporter: config.name, tls: config.tls, router, server }, lease, handlers)),
      observe
    }

    const retired = yield* Deferred.make<void>()

    /** `finished` is the latest lease, of which a late notice may still speak. */
    const serve = (finished: string | undefined): Effect.Effect<void, HookFailed> =>
      Effect.gen(function*() {
        const notice = yield* interruptible.raceFirst(
          Effect.as(Deferred.await(retired), undefined),
          standing.when((notice) =>
            notice !== undefined && notice.lease !== finished
          )
        )
        if (notice === undefined) return
        yield* lending.lend(bench, notice, standing)
        if (!config.exitOnLeaseEnd) yield* serve(notice.lease)
      })

    yield* Effect.addFinalizer(() =>
      calls.report("OFFLINE", "Exporter shutting down").pipe(
        Effect.zipRight(calls.unregister("Exporter shutdown")),
        interruptible.timeoutOption(goodbye),
        Effect.catchAll((error) => Effect.logWarning(`the exporter could not unregister: ${error.message}`))
      )
    )
    // They end only by a defect, which is one of the registration.
    const talking = yield* interruptible.forkScoped(interruptible.both(reports.run, presence.run))
    yield* interruptible.raceFirst(presence.online, Fiber.join(talking))
    yield* interruptible.forkScoped(Effect.zipRight(until, Deferred.succeed(retired, undefined)))
    const serving = yield* interruptible.forkScoped(serve(undefined))
    return { ended: interruptible.raceFirst(Fiber.join(serving), Effect.asVoid(Fiber.join(talking))) }
  })
