/**
 * The address of a Jumpstarter service and the identity of the client, from the configuration files and variables that `jmp` uses, or
 * from the program's own values.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Endpoint from "../grpc/Endpoint.ts"
import * as clientFile from "./clientFile.ts"
import { ClientConfigError, type ConfigProblem } from "./configError.ts"
import * as configFile from "./configFile.ts"
import * as serviceIdentity from "./serviceIdentity.ts"
import type { Tokens, TokenStore } from "./tokens.ts"
import * as tokens from "./tokens.ts"

export { ClientConfigError, type Tokens, type TokenStore }

/**
 * The configuration of a client of a Jumpstarter service. Every value has been checked. `token` and `refreshToken` do not change: a
 * `Controller` keeps the tokens that it refreshes in `tokenStore`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientConfig extends Tokens {
  /** Where the configuration comes from: the path of a file, `the environment`, or `the values`. */
  readonly source: string
  readonly namespace: string
  readonly name: string
  /** The controller's address, with the certificates to trust. */
  readonly endpoint: Endpoint.Tcp | Endpoint.Tls
  /**
   * Trust for the controller and its routers. `ca` holds certificates, as PEM or as base64 of PEM; empty means the system's roots.
   * `insecure` trusts a server on first use and allows `tcp://`.
   */
  readonly tls: { readonly ca: string; readonly insecure: boolean }
  /** gRPC channel arguments, for the controller and its routers. */
  readonly grpcOptions: Readonly<Record<string, string | number>>
  /** The Python client classes that may be loaded. This library loads none; programs that it starts may need the list. */
  readonly drivers: { readonly allow: ReadonlyArray<string>; readonly unsafe: boolean }
  readonly leases: {
    /** How long to wait for the exporter of a lease whose request has no `waitAtMost`; 2 hours unless configured. */
    readonly acquisitionTimeout: Duration.Duration
    /** How long an exporter may take to become ready for a connection; 60 seconds unless configured. */
    readonly dialTimeout: Duration.Duration
    /**
     * How long Jumpstarter's own client tries to reach a lost exporter; 5 minutes unless configured. This library tries for as long as
     * the lease lives, unless the request's `connect.reconnect` says otherwise.
     */
    readonly retryTimeout: Duration.Duration
  }
  readonly tokenStore: TokenStore
}

/**
 * The values of a program that has no configuration file. Optional values have the same defaults as in a file.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientConfigValues extends Tokens {
  readonly namespace: string
  readonly name: string
  /** `HOST:PORT`, over TLS. With `tls.insecure` also `tcp://HOST:PORT`, in cleartext. */
  readonly endpoint: string
  readonly tls?: { readonly ca?: string | undefined; readonly insecure?: boolean | undefined } | undefined
  readonly grpcOptions?: Readonly<Record<string, string | number>> | undefined
  readonly drivers?: {
    readonly allow?: ReadonlyArray<string> | undefined
    readonly unsafe?: boolean | undefined
  } | undefined
  readonly leases?: {
    readonly acquisitionTimeout?: Duration.DurationInput | undefined
    readonly dialTimeout?: Duration.DurationInput | undefined
    readonly retryTimeout?: Duration.DurationInput | undefined
  } | undefined
  /** Where new tokens are stored; unless given, only in memory. */
  readonly tokenStore?: TokenStore | undefined
}

const checked = (
  source: string,
  values: ClientConfigValues,
  invalid: configFile.Invalid
): Either.Either<ClientConfig, ConfigProblem> =>
  Either.gen(function*() {
    const { drivers, leases, refreshToken, token } = values
    const identity = yield* serviceIdentity.checked(values, invalid)
    yield* serviceIdentity.check(invalid)(
      ["refresh_token"],
      refreshToken === undefined ? undefined : tokens.problem(Redacted.value(refreshToken))
    )
    return {
      source,
      ...identity,
      refreshToken,
      drivers: {
        allow: (drivers?.allow ?? []).filter((pattern) => pattern !== "" && pattern !== "UNSAFE"),
        unsafe: (drivers?.unsafe ?? false) || (drivers?.allow ?? []).includes("UNSAFE")
      },
      leases: {
        acquisitionTimeout: Duration.decode(leases?.acquisitionTimeout ?? "2 hours"),
        dialTimeout: Duration.decode(leases?.dialTimeout ?? "60 seconds"),
        retryTimeout: Duration.decode(leases?.retryTimeout ?? "5 minutes")
      },
      tokenStore: values.tokenStore ?? tokens.memoryStore({ token, refreshToken })
    }
  })

const toError = (problem: ConfigProblem) => new ClientConfigError(problem)

/**
 * Makes a configuration from the program's own values.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { ClientConfig } from "@effect-jumpstarter/core"
 * import { Config, Effect } from "effect"
 *
 * const lab = Effect.gen(function*() {
 *   const token = yield* Config.redacted("LAB_TOKEN")
 *   return yield* ClientConfig.make({ namespace: "lab", name: "ci", endpoint: "grpc.lab.example:443", token })
 * })
 * ```
 */
export const make = (values: ClientConfigValues): Either.Either<ClientConfig, ClientConfigError> =>
  Either.mapLeft(
    checked(
      "the values",
      values,
      (path, details) => ({ reason: "Invalid", source: "the values", key: path.join("."), details })
    ),
    toError
  )

const fromFields = (
  raw: unknown,
  variables: configFile.Variables,
  source: configFile.Source,
  store: ((loaded: Tokens) => TokenStore) | undefined
): Either.Either<ClientConfig, ConfigProblem> =>
  Either.flatMap(configFile.decode(clientFile.layout, raw, variables, source), ({ fields, invalid }) => {
    const allow = fields.drivers?.allow ?? []
    const { leases, refresh_token: refresh, tls } = fields
    const seconds = (value: number | undefined) => value === undefined ? undefined : Duration.seconds(value)
    const own: Tokens = {
      token: Redacted.make(fields.token),
      refreshToken: refresh === undefined || refresh === null || refresh === "" ? undefined : Redacted.make(refresh)
    }
    return checked(
      source.name,
      {
        ...fields.metadata,
        ...own,
        endpoint: fields.endpoint,
        tls: { ca: tls?.ca, insecure: tls?.insecure === true || configFile.isInsecure(variables) },
        grpcOptions: fields.grpcOptions,
        drivers: {
          allow: typeof allow === "string" ? allow.split(",").map((pattern) => pattern.trim()) : allow,
          unsafe: fields.drivers?.unsafe
        },
        leases: {
          acquisitionTimeout: seconds(leases?.acquisition_timeout),
          dialTimeout: seconds(leases?.dial_timeout),
          retryTimeout: seconds(leases?.retry_timeout)
        },
        tokenStore: store?.(own)
      },
      invalid
    )
  })

const fromFile = Effect.fnUntraced(function*(file: string, variables: configFile.Variables) {
  const fileSystem = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const document = yield* configFile.readYaml(file)
  const { store } = yield* Effect.promise(() => import("./tokenFile.ts"))
  const config = yield* fromFields(
    document.value,
    variables,
    configFile.sourceOf(file, document),
    (loaded) => store(fileSystem, path, file, loaded)
  )
  yield* configFile.warnIfOpen(file)
  return config
})

const UserConfig = Schema.Struct({
  config: Schema.optional(
    Schema.NullOr(Schema.Struct({ "current-client": Schema.optional(Schema.NullOr(Schema.String)) }))
  )
})

const currentClient = Effect.fnUntraced(function*(file: string) {
  const none = (details: string, line?: number): ConfigProblem => ({ reason: "NotFound", source: file, line, details })
  const wayOut = "name a client, set JMP_NAMESPACE, JMP_NAME and the other variables, or log in with `jmp login`"
  const document = yield* Effect.catchIf(
    configFile.readYaml(file),
    ({ reason }) => reason === "NotFound",
    () => Effect.fail(none(`there is no such file, and therefore no current client; ${wayOut}`))
  )
  const line = document.lineOf(["config", "current-client"])
  const { config } = yield* Effect.mapError(
    Schema.decodeUnknown(UserConfig)(document.value ?? {}),
    (): ConfigProblem => ({
      reason: "Invalid",
      source: file,
      line,
      key: "config.current-client",
      details: "is not the alias of a client"
    })
  )
  const alias = config?.["current-client"]
  return alias === undefined || alias === null || alias === ""
    ? yield* Effect.fail(none(`there is no current client; ${wayOut}`, line))
    : { alias, line }
})

/**
 * The configuration to read. `alias` is the name of one of the files of `jmp`, without `.yaml`; `path` is any file. Give one of the two,
 * or neither.
 *
 * @since 0.1.0
 * @category models
 */
export type LoadOptions =
  | { readonly alias?: string | undefined; readonly path?: undefined }
  | { readonly path: string; readonly alias?: undefined }

/**
 * Reads the configuration as `jmp` does (`protocol.md` 10.5 and 11):
 *
 * - the file given by `alias` or `path`
 * - else, when `JMP_NAMESPACE` and `JMP_NAME` are set, the environment alone
 * - else the file of the current client, which `config.yaml` names
 *
 * The files are in `JMP_CLIENT_CONFIG_HOME`, which is `~/.config/jumpstarter` unless set. Variables fill in keys that the file does not
 * have; `JMP_DIAL_TIMEOUT` and `JMP_RETRY_TIMEOUT` override the file. Variables are read through Effect's `Config`.
 *
 * A `Controller` writes new tokens back to the file that they came from. Tokens from the environment stay in memory. A file that other
 * users can read or change causes a warning in the log.
 *
 * @since 0.1.0
 * @category constructors
 */
export const load = (
  options: LoadOptions = {}
): Effect.Effect<ClientConfig, ClientConfigError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const path = yield* Path.Path
    const variables = yield* configFile.variables(clientFile.layout)
    if (options.path !== undefined) return yield* fromFile(options.path, variables)
    if (options.alias === undefined && clientFile.isComplete(variables)) {
      const source = { name: configFile.environment, lineOf: () => undefined, isEnvironment: true }
      return yield* fromFields({}, variables, source, undefined)
    }
    const directory = yield* configFile.home
    const user = path.join(directory, "config.yaml")
    const { alias, line } = options.alias === undefined
      ? yield* currentClient(user)
      : { alias: options.alias, line: undefined }
    const details = configFile.aliasProblem(alias)
    const named = line === undefined ? { source: directory } : { source: user, line, key: "config.current-client" }
    const problem = (problem: Pick<ConfigProblem, "details" | "reason">) => Effect.fail({ ...named, ...problem })
    if (details !== undefined) return yield* problem({ reason: "Invalid", details })
    const file = path.join(directory, "clients", `${alias}.yaml`)
    return yield* Effect.catchIf(
      fromFile(file, variables),
      ({ reason }) => reason === "NotFound",
      () => problem({ reason: "NotFound", details: `the client ${alias} has no file: ${file} does not exist` })
    )
  }).pipe(Effect.mapError(toError))
