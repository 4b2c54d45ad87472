// Where a command connects: to an address, to the exporter of the shell that it runs in, or to an exporter that it leases.
import * as Endpoint from "@effect-jumpstarter/core/Endpoint"
import * as ExporterConnection from "@effect-jumpstarter/core/ExporterConnection"
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type CommandError, usage } from "./failure.ts"
import type { LeaseFailure } from "./lab.ts"
import type { Target } from "./options.ts"

export type TargetError =
  | CommandError
  | ConfigError.ConfigError
  | ExporterConnection.ConnectError
  | LeaseFailure
  | PlatformError.PlatformError

// An address of the command line takes the place of that of the shell, and what the shell says about its exporter does not apply.
const named = (address: string, insecure: boolean) =>
  Layer.setConfigProvider(
    ConfigProvider.fromMap(
      new Map([
        ["JUMPSTARTER_HOST", address],
        ["JMP_EXPORTER", ""],
        ["JMP_LEASE", ""],
        ...insecure ? [["JMP_GRPC_INSECURE", "1"] as const] : []
      ])
    ).pipe(ConfigProvider.orElse(() => ConfigProvider.fromEnv()))
  )

const nowhere = usage(
  "no exporter is named; give --host ADDRESS, lease one with --selector or --exporter, or run inside `jmp shell`, which sets JUMPSTARTER_HOST"
)

const direct = (
  target: Target
): Layer.Layer<ExporterConnection.ExporterConnection, TargetError, FileSystem.FileSystem> =>
  Layer.unwrapEffect(Effect.gen(function*() {
    const fromShell = yield* Config.withDefault(Config.string("JUMPSTARTER_HOST"), "")
    if (Option.isNone(target.host) && fromShell === "") return yield* nowhere
    const trust = Option.isNone(target.ca) ? undefined : Endpoint.Trust.CertificateAuthority({
      ca: yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(Option.getOrThrow(target.ca)))
    })
    const connection = ExporterConnection.layerEnv({ trust })
    return Option.match(target.host, {
      onNone: () => connection,
      onSome: (address) => Layer.provide(connection, named(address, target.insecure))
    })
  }))

const isLeased = ({ exporter, lease, selector }: Target): boolean =>
  Option.isSome(exporter) || Option.isSome(lease) || Option.isSome(selector)

/** The connection that the options ask for. A lease that it makes ends with it. */
export const layer = (
  target: Target
): Layer.Layer<ExporterConnection.ExporterConnection, TargetError, FileSystem.FileSystem | Path.Path> => {
  if (isLeased(target)) {
    return Option.isSome(target.host)
      ? Layer.fail(usage("--host names an exporter already; leave out --selector, --exporter and --lease"))
      : Layer.unwrapEffect(Effect.map(Effect.promise(() => import("./lab.ts")), (lab) => lab.leased(target)))
  }
  return Option.isSome(target.client) || Option.isSome(target.clientConfig)
    ? Layer.fail(usage("a client configuration names a lab; say which board with --selector, --exporter or --lease"))
    : direct(target)
}
