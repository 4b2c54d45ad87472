/**
 * The address of a Jumpstarter service and the identity of the client, from the configuration files and variables that `jmp` uses, or
 * from the program's own values.
 *
 * @since 0.1.0
 */
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Endpoint from "../grpc/Endpoint.ts"
import * as pem from "../transport/pem.ts"
import * as clientFile from "./clientFile.ts"
import { ClientConfigError } from "./configError.ts"
import * as serviceAddress from "./serviceAddress.ts"
import * as tokenFile from "./tokenFile.ts"
import type { Tokens, TokenStore } from "./tokens.ts"
import * as tokens from "./tokens.ts"
import * as yamlDocument from "./yamlDocument.ts"

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
    /** How long a lease may take to become ready; 2 hours unless configured. */
    readonly acquisitionTimeout: Duration.Duration
    /** How long an exporter may take to become ready for a connection; 60 seconds unless configured. */
    readonly dialTimeout: Duration.Duration
    /** How long to retry connecting to an exporter that was lost; 5 minutes unless configured. */
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

type Invalid = (path: readonly [string, ...ReadonlyArray<string>], details: string) => ClientConfigError

// Kubernetes allows no other names. They become parts of resource names, which slashes separate.
const namePattern = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/i

const checked = (
  source: string,
  values: ClientConfigValues,
  invalid: Invalid
): Either.Either<ClientConfig, ClientConfigError> =>
  Either.gen(function*() {
    const check = (path: readonly [string, ...ReadonlyArray<string>], problem: string | undefined) =>
      problem === undefined ? Either.void : Either.left(invalid(path, problem))
    const { drivers, endpoint, grpcOptions, leases, name, namespace, refreshToken, token } = values
    const noName = "is not a name: use letters, digits, dots and dashes"
    yield* check(["metadata", "namespace"], namePattern.test(namespace) ? undefined : noName)
    yield* check(["metadata", "name"], namePattern.test(name) ? undefined : noName)
    yield* check(["token"], tokens.problem(Redacted.value(token)))
    yield* check(
      ["refresh_token"],
      refreshToken === undefined ? undefined : tokens.problem(Redacted.value(refreshToken))
    )
    const tls = { ca: values.tls?.ca ?? "", insecure: values.tls?.insecure ?? false }
    if (tls.ca !== "") {
      yield* Either.mapLeft(pem.certificates(tls.ca), (problem) => invalid(["tls", "ca"], `cannot be used: ${problem}`))
    }
    return {
      source,
      namespace,
      name,
      token,
      refreshToken,
      tls,
      endpoint: yield* Either.mapLeft(
        serviceAddress.parse(endpoint, tls),
        (problem) => invalid(["endpoint"], `is not an address: ${problem}`)
      ),
      grpcOptions: grpcOptions ?? {},
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
  checked(
    "the values",
    values,
    (path, details) => new ClientConfigError({ reason: "Invalid", source: "the values", key: path.join("."), details })
  )

const fromFields = (
  raw: unknown,
  variables: clientFile.Variables,
  source: clientFile.Source,
  store: ((loaded: Tokens) => TokenStore) | undefined
): Either.Either<ClientConfig, ClientConfigError> =>
  Either.flatMap(clientFile.decode(raw, variables, source), ({ fields, invalid }) => {
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
        tls: { ca: tls?.ca, insecure: tls?.insecure === true || clientFile.isInsecure(variables) },
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

const unreadable = (source: string, cause: PlatformError.PlatformError) =>
  new ClientConfigError({
    reason: cause._tag === "SystemError" && cause.reason === "NotFound" ? "NotFound" : "Unreadable",
    source,
    details: cause._tag === "SystemError" && cause.reason === "NotFound"
      ? "there is no such file"
      : `the file cannot be read: ${cause.message}`,
    cause
  })

const readYaml = (fileSystem: FileSystem.FileSystem, file: string) =>
  fileSystem.readFileString(file).pipe(
    Effect.mapError((cause) => unreadable(file, cause)),
    Effect.flatMap((text) =>
      Either.mapLeft(yamlDocument.parse(text), ({ details, line }) =>
        new ClientConfigError({
          reason: "Syntax",
          source: file,
          line,
          details
        }))
    )
  )

const fromFile = Effect.fnUntraced(function*(file: string, variables: clientFile.Variables) {
  const fileSystem = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const document = yield* readYaml(fileSystem, file)
  const config = yield* fromFields(
    document.value,
    variables,
    { name: file, lineOf: document.lineOf, isEnvironment: false },
    (loaded) => tokenFile.store(fileSystem, path, file, loaded)
  )
  yield* fileSystem.stat(file).pipe(
    Effect.flatMap(({ mode }) =>
      clientFile.isOpenToOthers(mode)
        ? Effect.logWarning(
          `${file} has a token, and others on this machine may read or change it (mode ${
            (mode & 0o777).toString(8)
          }); run chmod 600 on it`
        )
        : Effect.void
    ),
    Effect.ignore
  )
  return config
})

const UserConfig = Schema.Struct({
  config: Schema.optional(
    Schema.NullOr(Schema.Struct({ "current-client": Schema.optional(Schema.NullOr(Schema.String)) }))
  )
})

const aliasProblem = (alias: string): string | undefined =>
  /^[^/\\\p{Cc}]+$/u.test(alias) && !/^\.+$/.test(alias)
    ? undefined
    : `${JSON.stringify(alias)} is not an alias: an alias is a file name without a slash`

const home = Effect.fnUntraced(function*() {
  const path = yield* Path.Path
  const found = yield* clientFile.variables(["JMP_CLIENT_CONFIG_HOME", "XDG_CONFIG_HOME", "HOME", "USERPROFILE"])
  const user = found.get("HOME") ?? found.get("USERPROFILE") ?? "."
  return found.get("JMP_CLIENT_CONFIG_HOME") ??
    path.join(found.get("XDG_CONFIG_HOME") ?? path.join(user, ".config"), "jumpstarter")
})

const currentClient = Effect.fnUntraced(function*(file: string) {
  const none = (details: string, line?: number) =>
    new ClientConfigError({
      reason: "NotFound",
      source: file,
      line,
      details
    })
  const wayOut = "name a client, set JMP_NAMESPACE, JMP_NAME and the other variables, or log in with `jmp login`"
  const document = yield* Effect.catchIf(
    readYaml(yield* FileSystem.FileSystem, file),
    ({ reason }) => reason === "NotFound",
    () => none(`there is no such file, and therefore no current client; ${wayOut}`)
  )
  const line = document.lineOf(["config", "current-client"])
  const { config } = yield* Effect.mapError(
    Schema.decodeUnknown(UserConfig)(document.value ?? {}),
    () =>
      new ClientConfigError({
        reason: "Invalid",
        source: file,
        line,
        key: "config.current-client",
        details: "is not the alias of a client"
      })
  )
  const alias = config?.["current-client"]
  return alias === undefined || alias === null || alias === ""
    ? yield* none(`there is no current client; ${wayOut}`, line)
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
    const variables = yield* clientFile.variables(clientFile.variableNames)
    if (options.path !== undefined) return yield* fromFile(options.path, variables)
    if (options.alias === undefined && clientFile.isComplete(variables)) {
      const source = { name: clientFile.environment, lineOf: () => undefined, isEnvironment: true }
      return yield* fromFields({}, variables, source, undefined)
    }
    const directory = yield* home()
    const user = path.join(directory, "config.yaml")
    const { alias, line } = options.alias === undefined
      ? yield* currentClient(user)
      : { alias: options.alias, line: undefined }
    const problem = aliasProblem(alias)
    const named = line === undefined ? { source: directory } : { source: user, line, key: "config.current-client" }
    if (problem !== undefined) {
      return yield* new ClientConfigError({ reason: "Invalid", ...named, details: problem })
    }
    const file = path.join(directory, "clients", `${alias}.yaml`)
    return yield* Effect.mapError(fromFile(file, variables), (error) =>
      error.reason === "NotFound"
        ? new ClientConfigError({
          reason: "NotFound",
          ...named,
          details: `the client ${alias} has no file: ${file} does not exist`
        })
        : error)
  })
