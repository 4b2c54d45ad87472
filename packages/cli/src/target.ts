// Where a command connects: to an address, to the exporter of the shell that it runs in, or to an exporter that it leases.
import * as Endpoint from "@effect-jumpstarter/core/Endpoint"
import * as ExporterConnection from "@effect-jumpstarter/core/ExporterConnection"
import type * as GrpcServer from "@effect-jumpstarter/core/GrpcServer"
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { type CommandError, usage } from "./failure.ts"
import type { LeaseFailure } from "./lab.ts"
import type { Target } from "./options.ts"

export type TargetError =
  | CommandError
  | ConfigError.ConfigError
  | ExporterConnection.ConnectError
  | LeaseFailure
  | PlatformError.PlatformError

// What the command line says takes the place of what the shell says. What a shell says about its exporter does not apply to another
// address.
const saying = ({ host, insecure }: Target) =>
  Layer.unwrapEffect(Effect.configProviderWith((provider) =>
    Effect.succeed(Layer.setConfigProvider(
      ConfigProvider.fromMap(
        new Map([
          ...Option.isSome(host)
            ? [["JUMPSTARTER_HOST", host.value], ["JMP_EXPORTER", ""], ["JMP_LEASE", ""]] as const
            : [],
          ...insecure ? [["JMP_GRPC_INSECURE", "1"] as const] : []
        ])
      ).pipe(ConfigProvider.orElse(() => provider))
    ))
  ))

const nowhere = usage(
  "no exporter is named; give --host ADDRESS, lease one with --selector or --exporter, or run inside `jmp shell`, which sets JUMPSTARTER_HOST"
)

const variable = (name: string) => Config.withDefault(Config.string(name), "")

const trustOf = ({ ca }: Target) =>
  Option.isNone(ca)
    ? Effect.succeed(undefined)
    : Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(ca.value)).pipe(
      Effect.map((ca) => Endpoint.Trust.CertificateAuthority({ ca }))
    )

const direct = (
  target: Target
): Layer.Layer<ExporterConnection.ExporterConnection, TargetError, FileSystem.FileSystem> =>
  Layer.unwrapEffect(Effect.gen(function*() {
    if (Option.isNone(target.host) && (yield* variable("JUMPSTARTER_HOST")) === "") return yield* nowhere
    return Layer.provide(ExporterConnection.layerEnv({ trust: yield* trustOf(target) }), saying(target))
  }))

const isLeased = ({ exporter, lease, selector }: Target): boolean =>
  Option.isSome(exporter) || Option.isSome(lease) || Option.isSome(selector)

const contradiction = (target: Target): CommandError | undefined => {
  if (isLeased(target)) {
    return Option.isSome(target.host)
      ? usage("--host names an exporter already; leave out --selector, --exporter and --lease")
      : target.insecure || Option.isSome(target.ca)
      ? usage("a lease is reached as the client configuration says, in its key tls; leave out --insecure and --ca")
      : undefined
  }
  return Option.isSome(target.client) || Option.isSome(target.clientConfig)
    ? usage("a client configuration names a lab; say which board with --selector, --exporter or --lease")
    : undefined
}

const loadLab = Effect.promise(() => import("./lab.ts"))

/** The connection that the options ask for. A lease that it makes ends with it. */
export const layer = (
  target: Target
): Layer.Layer<ExporterConnection.ExporterConnection, TargetError, FileSystem.FileSystem | Path.Path> => {
  const wrong = contradiction(target)
  if (wrong !== undefined) return Layer.fail(wrong)
  return isLeased(target) ? Layer.unwrapEffect(Effect.map(loadLab, (lab) => lab.leased(target))) : direct(target)
}

/** The exporter's address for another program, and the variables that tell the program of it. */
export interface Place {
  readonly endpoint: Endpoint.Endpoint
  readonly environment: Readonly<Record<string, string>>
}

const directPlace = (target: Target) =>
  Effect.gen(function*() {
    const address = Option.isSome(target.host) ? target.host.value : yield* variable("JUMPSTARTER_HOST")
    if (address === "") return yield* nowhere
    const insecure = target.insecure || (yield* variable("JMP_GRPC_INSECURE")) === "1"
    const trust = yield* trustOf(target)
    const endpoint = yield* Endpoint.parse(address, { security: insecure ? "insecure" : trust })
    return { endpoint, environment: Option.isSome(target.host) ? { JMP_EXPORTER: "", JMP_LEASE: "" } : {} }
  })

/** The address of the exporter that the options ask for, while the scope is open. */
export const endpoint = (
  target: Target
): Effect.Effect<
  Place,
  Endpoint.InvalidAddress | GrpcServer.GrpcServerError | TargetError,
  FileSystem.FileSystem | Path.Path | Scope.Scope
> => {
  const wrong = contradiction(target)
  if (wrong !== undefined) return Effect.fail(wrong)
  return isLeased(target) ? Effect.flatMap(loadLab, (lab) => lab.place(target)) : directPlace(target)
}
