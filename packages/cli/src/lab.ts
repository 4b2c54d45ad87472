// The controller of a lab, and leases from it.
import type * as ClientConfig from "@effect-jumpstarter/core/ClientConfig"
import * as Controller from "@effect-jumpstarter/core/Controller"
import type * as ExporterConnection from "@effect-jumpstarter/core/ExporterConnection"
import * as Lease from "@effect-jumpstarter/core/Lease"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as durations from "./durations.ts"
import { type CommandError, usage } from "./failure.ts"
import type { Lab, Leasable, Request } from "./options.ts"

export type LeaseFailure =
  | ClientConfig.ClientConfigError
  | CommandError
  | Controller.ControllerError
  | Lease.AcquireError

/** The configuration that the options name. */
export const config = ({ client, clientConfig }: Lab): ClientConfig.LoadOptions =>
  Option.isSome(clientConfig) ? { path: clientConfig.value } : { alias: Option.getOrUndefined(client) }

/** The controller that the options name. */
export const controller = (
  lab: Lab
): Layer.Layer<
  Controller.Controller,
  ClientConfig.ClientConfigError | CommandError | Controller.ControllerError,
  FileSystem.FileSystem | Path.Path
> =>
  Option.isSome(lab.client) && Option.isSome(lab.clientConfig)
    ? Layer.fail(usage("--client and --client-config both name a configuration; leave out one of them"))
    : Layer.provide(Controller.layerFile(config(lab)), FetchHttpClient.layer)

export const request = (target: Request): Either.Either<Lease.LeaseRequest, CommandError> =>
  Either.gen(function*() {
    const length = yield* durations.parse("duration", Option.getOrElse(target.duration, () => "30 minutes"))
    const exporterName = Option.getOrUndefined(target.exporter)
    if (Option.isSome(target.selector)) return { selector: target.selector.value, exporterName, duration: length }
    if (exporterName !== undefined) return { exporterName, duration: length }
    return yield* Either.left(
      usage("say which board to lease: --selector LABELS, as in board=rpi4, or --exporter NAME")
    )
  })

/** A lease for the command, or the one that it names. */
export const lease = (target: Leasable) =>
  Effect.gen(function*() {
    const waitAtMost = Option.getOrUndefined(
      yield* durations.optional("acquisition-timeout", target.acquisitionTimeout)
    )
    if (Option.isNone(target.lease)) return yield* Lease.acquire({ ...yield* request(target), waitAtMost })
    if ([target.selector, target.exporter, target.duration].some(Option.isSome)) {
      return yield* usage("--lease names a lease that exists; leave out --selector, --exporter and --duration")
    }
    return yield* Lease.attach(target.lease.value, { waitAtMost })
  })

export const leased = (
  target: Leasable
): Layer.Layer<
  ExporterConnection.ExporterConnection | Lease.Lease,
  LeaseFailure,
  FileSystem.FileSystem | Path.Path
> => Layer.unwrapScoped(Effect.map(lease(target), Lease.toLayer)).pipe(Layer.provide(controller(target)))

/** The socket of a lease, for other programs. */
export const place = (target: Leasable) =>
  Effect.gen(function*() {
    const context = yield* Layer.build(leased(target))
    const lease = Context.get(context, Lease.Lease)
    const endpoint = yield* lease.serveUnix
    return { endpoint, environment: lease.environment(endpoint) }
  })
