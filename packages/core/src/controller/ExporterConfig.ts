/**
 * The address of a Jumpstarter service and the identity of an exporter, from the configuration file that `jmp run` uses, or from the
 * program's own values.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Endpoint from "../grpc/Endpoint.ts"
import { type ConfigProblem, ExporterConfigError } from "./configError.ts"
import * as configFile from "./configFile.ts"
import * as exporterFile from "./exporterFile.ts"
import * as serviceIdentity from "./serviceIdentity.ts"

export { ExporterConfigError }

/**
 * What happens when a hook fails:
 *
 * - `warn`: the lease goes on, and its client gets a warning
 * - `endLease`: the lease ends, and the exporter waits for the next one
 * - `exit`: the lease ends, and the exporter too
 *
 * @since 0.1.0
 * @category models
 */
export type OnFailure = exporterFile.OnFailure

/**
 * A hook of a configuration file.
 *
 * @since 0.1.0
 * @category models
 */
export interface HookScript {
  /** Shell commands, or one line with the path of a file. */
  readonly script: string
  /** The interpreter, such as `/bin/bash`; `/bin/sh` unless given, and `python3` for a file that ends in `.py`. */
  readonly exec?: string | undefined
  /** How long it may take; 2 minutes unless given. */
  readonly timeout?: Duration.DurationInput | undefined
  /** `warn` unless given. */
  readonly onFailure?: OnFailure | undefined
}

/**
 * The configuration of an exporter. Every value has been checked.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExporterConfig {
  /** Where the configuration comes from: the path of a file, or `the values`. */
  readonly source: string
  readonly namespace: string
  readonly name: string
  /** The controller's address, with the certificates to trust. */
  readonly endpoint: Endpoint.Tcp | Endpoint.Tls
  readonly token: Redacted.Redacted
  /**
   * Trust for the controller and its routers. `ca` holds certificates, as PEM or as base64 of PEM; empty means the system's roots.
   * `insecure` trusts a server on first use and allows `tcp://`.
   */
  readonly tls: { readonly ca: string; readonly insecure: boolean }
  /** gRPC channel arguments, for the controller and its routers. */
  readonly grpcOptions: Readonly<Record<string, string | number>>
  /** The description of the root driver. */
  readonly description: string | undefined
  /** The message of the day. */
  readonly motd: string | undefined
  readonly hooks: { readonly beforeLease: HookScript | undefined; readonly afterLease: HookScript | undefined }
  /** Whether the exporter ends after one lease. */
  readonly exitOnLeaseEnd: boolean
}

/**
 * The values of a program that has no configuration file. Optional values have the same defaults as in a file.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExporterConfigValues {
  readonly namespace: string
  readonly name: string
  /** `HOST:PORT`, over TLS. With `tls.insecure` also `tcp://HOST:PORT`, in cleartext. */
  readonly endpoint: string
  readonly token: Redacted.Redacted
  readonly tls?: { readonly ca?: string | undefined; readonly insecure?: boolean | undefined } | undefined
  readonly grpcOptions?: Readonly<Record<string, string | number>> | undefined
  readonly description?: string | undefined
  readonly motd?: string | undefined
  readonly hooks?: {
    readonly beforeLease?: HookScript | undefined
    readonly afterLease?: HookScript | undefined
  } | undefined
  readonly exitOnLeaseEnd?: boolean | undefined
}

const checked = (
  source: string,
  values: ExporterConfigValues,
  invalid: configFile.Invalid
): Either.Either<ExporterConfig, ConfigProblem> =>
  Either.map(serviceIdentity.checked(values, invalid), (identity) => ({
    source,
    ...identity,
    description: values.description,
    motd: values.motd,
    hooks: { beforeLease: values.hooks?.beforeLease, afterLease: values.hooks?.afterLease },
    exitOnLeaseEnd: values.exitOnLeaseEnd ?? false
  }))

const toError = (problem: ConfigProblem) => new ExporterConfigError(problem)

/**
 * Makes a configuration from the program's own values.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { ExporterConfig } from "@effect-jumpstarter/core"
 * import { Config, Effect } from "effect"
 *
 * const bench = Effect.gen(function*() {
 *   const token = yield* Config.redacted("BENCH_TOKEN")
 *   return yield* ExporterConfig.make({ namespace: "lab", name: "bench-3", endpoint: "grpc.lab.example:443", token })
 * })
 * ```
 */
export const make = (values: ExporterConfigValues): Either.Either<ExporterConfig, ExporterConfigError> =>
  Either.mapLeft(
    checked(
      "the values",
      values,
      (path, details) => ({ reason: "Invalid", source: "the values", key: path.join("."), details })
    ),
    toError
  )

const isEmpty = (drivers: unknown): boolean =>
  drivers === null || drivers === undefined || Predicate.isRecord(drivers) && Object.keys(drivers).length === 0

const hookOf = (hook: exporterFile.HookFields | null | undefined): HookScript | undefined =>
  hook === null || hook === undefined || hook.script.trim() === ""
    ? undefined
    : {
      script: hook.script,
      exec: hook.exec ?? hook.exec_ ?? undefined,
      timeout: hook.timeout === undefined ? undefined : Duration.seconds(hook.timeout),
      onFailure: hook.onFailure ?? hook.on_failure
    }

const fromFile = (file: string, variables: configFile.Variables) =>
  Effect.gen(function*() {
    const document = yield* configFile.readYaml(file)
    const source = configFile.sourceOf(file, document)
    const { fields, invalid } = yield* configFile.decode(exporterFile.layout, document.value, variables, source)
    const { hooks, tls } = fields
    if (!isEmpty(fields.export)) {
      return yield* Effect.fail(invalid(
        ["export"],
        "names Python classes of drivers, which cannot be loaded here; remove it, and pass `drivers` to ExporterRegistration.run"
      ))
    }
    const config = yield* checked(
      file,
      {
        ...fields.metadata,
        endpoint: fields.endpoint,
        token: Redacted.make(fields.token),
        tls: { ca: tls?.ca, insecure: tls?.insecure === true || configFile.isInsecure(variables) },
        grpcOptions: fields.grpcOptions ?? {},
        description: fields.description ?? undefined,
        motd: fields.motd ?? undefined,
        hooks: {
          beforeLease: hookOf(hooks?.beforeLease ?? hooks?.before_lease),
          afterLease: hookOf(hooks?.afterLease ?? hooks?.after_lease)
        },
        exitOnLeaseEnd: fields.exitOnLeaseEnd
      },
      invalid
    )
    yield* configFile.warnIfOpen(file)
    for (const path of exporterFile.unknownKeys(document.value)) {
      const { message } = toError(invalid(path, "is not a key of the exporter configuration, and is ignored"))
      yield* Effect.logWarning(message)
    }
    return config
  })

/**
 * The file to read. `alias` is the name of one of the files of `jmp`, without `.yaml`; `path` is any file.
 *
 * @since 0.1.0
 * @category models
 */
export type LoadOptions =
  | { readonly alias: string; readonly path?: undefined }
  | { readonly path: string; readonly alias?: undefined }

// Where services have their files.
const systemDirectory = "/etc/jumpstarter/exporters"

/**
 * Reads an exporter's configuration file as `jmp run` does (`protocol.md` 11.3). An alias is looked for in `JMP_CLIENT_CONFIG_HOME`,
 * which is `~/.config/jumpstarter` unless set, and then in `/etc/jumpstarter/exporters`.
 *
 * `JMP_NAMESPACE` and `JMP_NAME` fill in a `metadata` that the file does not have, and `JMP_GRPC_INSECURE=1` does what `tls.insecure`
 * does. Variables are read through Effect's `Config`. Endpoint and token come from the file alone, as in Python.
 *
 * The `export` section names Python classes. A file that has drivers in it is refused, because this library takes them from the program.
 * Unknown keys, and a file that other users can read or change, cause a warning in the log.
 *
 * @since 0.1.0
 * @category constructors
 */
export const load = (
  options: LoadOptions
): Effect.Effect<ExporterConfig, ExporterConfigError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const path = yield* Path.Path
    const fileSystem = yield* FileSystem.FileSystem
    const variables = yield* configFile.variables(exporterFile.layout)
    if (options.path !== undefined) return yield* fromFile(options.path, variables)
    const { alias } = options
    const directory = path.join(yield* configFile.home, "exporters")
    const problem = (problem: Pick<ConfigProblem, "details" | "reason">) =>
      Effect.fail({ source: directory, ...problem })
    const details = configFile.aliasProblem(alias)
    if (details !== undefined) return yield* problem({ reason: "Invalid", details })
    const [own, system] = [directory, systemDirectory].map((directory) => path.join(directory, `${alias}.yaml`))
    for (const file of [own, system]) {
      if (file !== undefined && (yield* Effect.orElseSucceed(fileSystem.exists(file), () => true))) {
        return yield* fromFile(file, variables)
      }
    }
    return yield* problem({
      reason: "NotFound",
      details: `the exporter ${alias} has no file: neither ${own} nor ${system} exists`
    })
  }).pipe(Effect.mapError(toError))
