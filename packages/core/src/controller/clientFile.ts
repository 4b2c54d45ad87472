// The content of a client configuration file and of the environment (protocol.md 10.5 and 11.2): the keys, their values, and the
// variable that fills in each key.
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { ClientConfigError } from "./configError.ts"

// The message never shows the actual value, which may be a token.
const saying = (details: string) => ({
  message: ({ actual }: ParseResult.ParseIssue) => ({
    message: actual === null || actual === "" ? "is empty" : details,
    override: true
  })
})

const Text = Schema.NonEmptyString.annotations(saying("is not a string; write it in quotes"))

const AnyText = Schema.String.annotations(saying("is not a string; write it in quotes"))

const OptionalText = Schema.optional(
  Schema.NullOr(Schema.String).annotations(saying("is not a string; write it in quotes"))
)

// The values that pydantic accepts.
const Flag = Schema.Union(
  Schema.Boolean,
  Schema.transformLiterals(
    ["true", true],
    ["yes", true],
    ["on", true],
    ["1", true],
    [1, true],
    ["false", false],
    ["no", false],
    ["off", false],
    ["0", false],
    [0, false]
  )
).annotations(saying("is neither true nor false"))

const seconds = (least: number) =>
  Schema.Union(Schema.Number, Schema.compose(Schema.String.pipe(Schema.pattern(/^\d+$/)), Schema.NumberFromString))
    .pipe(
      Schema.filter((value) => Number.isSafeInteger(value) && value >= least)
    ).annotations(saying(`is not a whole number of seconds, at least ${least}`))

const strict = { parseOptions: { onExcessProperty: "error" } } as const

const tolerant = { parseOptions: { onExcessProperty: "ignore" } } as const

// Without `override`: a mistake inside a mapping keeps its own message.
const noMapping = {
  message: ({ actual }: ParseResult.ParseIssue) => actual === null ? "is empty" : "is not a mapping of keys to values"
}

const Patterns = Schema.Union(Schema.String, Schema.Array(Schema.String)).annotations(
  saying("is neither a list of strings nor a comma-separated string")
)

const Fields = Schema.Struct({
  apiVersion: Schema.optional(
    Schema.Literal("jumpstarter.dev/v1alpha1").annotations(saying("is not jumpstarter.dev/v1alpha1"))
  ),
  kind: Schema.optional(
    Schema.Literal("ClientConfig").annotations(saying("is not ClientConfig; this file configures something else"))
  ),
  metadata: Schema.Struct({ namespace: Text, name: Text }).annotations({ ...strict, ...noMapping }),
  endpoint: Text,
  tls: Schema.optional(
    Schema.Struct({ ca: Schema.optional(AnyText), insecure: Schema.optional(Flag) }).annotations({
      ...tolerant,
      ...noMapping
    })
  ),
  token: Text,
  refresh_token: OptionalText,
  grpcOptions: Schema.optional(
    Schema.Record({
      key: Schema.String,
      value: Schema.Union(Schema.String, Schema.Int).annotations(saying("is neither a string nor a whole number"))
    }).annotations(noMapping)
  ),
  drivers: Schema.optional(
    Schema.Struct({ allow: Schema.optional(Patterns), unsafe: Schema.optional(Flag) }).annotations({
      ...strict,
      ...noMapping
    })
  ),
  shell: Schema.optional(
    Schema.Struct({ use_profiles: Schema.optional(Flag) }).annotations({ ...tolerant, ...noMapping })
  ),
  leases: Schema.optional(
    Schema.Struct({
      acquisition_timeout: Schema.optional(seconds(5)),
      dial_timeout: Schema.optional(seconds(5)),
      retry_timeout: Schema.optional(seconds(0))
    }).annotations({ ...strict, ...noMapping })
  ),
  // Older versions of `jmp` write these keys. The file name decides.
  alias: Schema.optional(Schema.Unknown),
  path: Schema.optional(Schema.Unknown)
}).annotations({ ...strict, ...noMapping })

type ClientFields = typeof Fields.Type

const keys: Readonly<Record<string, ReadonlyArray<string>>> = {
  "": Object.keys(Fields.fields).filter((key) => key !== "alias" && key !== "path"),
  metadata: ["namespace", "name"],
  drivers: ["allow", "unsafe"],
  leases: ["acquisition_timeout", "dial_timeout", "retry_timeout"]
}

type KeyPath = ReadonlyArray<string>

interface Variable {
  readonly name: string
  readonly path: KeyPath
}

const variable = (name: string, ...path: KeyPath): Variable => ({ name, path })

// Variables that override the file.
const overriding = [
  variable("JMP_DIAL_TIMEOUT", "leases", "dial_timeout"),
  variable("JMP_RETRY_TIMEOUT", "leases", "retry_timeout")
]

// Variables that fill in missing keys, as JSON and as text. When several variables have the same key, the first one counts.
const json = [
  variable("JMP_TLS", "tls"),
  variable("JMP_LEASES", "leases"),
  variable("JMP_DRIVERS", "drivers"),
  variable("JMP_SHELL", "shell"),
  variable("JMP_GRPCOPTIONS", "grpcOptions")
]

const filling = [
  variable("JMP_NAMESPACE", "metadata", "namespace"),
  variable("JMP_NAME", "metadata", "name"),
  variable("JMP_ENDPOINT", "endpoint"),
  variable("JMP_TOKEN", "token"),
  variable("JMP_REFRESH_TOKEN", "refresh_token"),
  variable("JMP_DRIVERS_ALLOW", "drivers", "allow"),
  variable("JMP_DRIVERS_UNSAFE", "drivers", "unsafe"),
  variable("ACQUISITION_TIMEOUT", "leases", "acquisition_timeout"),
  variable("DIAL_TIMEOUT", "leases", "dial_timeout"),
  variable("RETRY_TIMEOUT", "leases", "retry_timeout")
]

const insecure = ["JMP_GRPC_INSECURE", "JUMPSTARTER_GRPC_INSECURE"]

export const environment = "the environment"

/** The variables that are set and not empty, by name. */
export type Variables = ReadonlyMap<string, string>

export const variables = (names: ReadonlyArray<string>): Effect.Effect<Variables, ClientConfigError> =>
  Effect.forEach(
    names,
    (name) =>
      Effect.map(Config.option(Config.string(name)), (value): ReadonlyArray<readonly [string, string]> =>
        Option.match(value, {
          onNone: () => [],
          onSome: (value) =>
            value === "" ? [] : [[name, value]]
        }))
  ).pipe(
    Effect.map((found) =>
      new Map(found.flat())
    ),
    Effect.mapError((cause: ConfigError.ConfigError) =>
      new ClientConfigError({
        reason: "Unreadable",
        source: environment,
        details: "the variables cannot be read",
        cause
      })
    )
  )

export const variableNames: ReadonlyArray<string> = [
  ...[...overriding, ...json, ...filling].map(({ name }) => name),
  ...insecure
]

type Fillable = { [key: string]: unknown }

const isMapping = (value: unknown): value is Fillable => Predicate.isRecord(value) && !Array.isArray(value)

const joined = (path: ReadonlyArray<PropertyKey>): string => path.map(String).join(".")

// The variable that a value came from, by the path of its key.
type Origins = Map<string, string>

// Sets a value that is missing. Into an existing mapping it adds the missing keys.
const fill = (
  target: Fillable,
  path: KeyPath,
  name: string,
  value: unknown,
  origins: Origins,
  at: KeyPath = []
): void => {
  const [key, ...rest] = path
  if (key === undefined) {
    if (isMapping(value)) Object.keys(value).forEach((key) => fill(target, [key], name, value[key], origins, at))
    return
  }
  const here = [...at, key]
  if (!Object.hasOwn(target, key)) {
    if (rest.length === 0) {
      target[key] = value
      origins.set(joined(here), name)
      return
    }
    target[key] = {}
  }
  const next = target[key]
  if (isMapping(next)) fill(next, rest, name, value, origins, here)
}

const override = (
  target: Fillable,
  [outer = "", inner = ""]: KeyPath,
  name: string,
  value: string,
  origins: Origins
) => {
  if (!Object.hasOwn(target, outer)) target[outer] = {}
  const mapping = target[outer]
  if (!isMapping(mapping)) return
  mapping[inner] = value
  origins.set(joined([outer, inner]), name)
}

const parseJson = Schema.decodeEither(Schema.parseJson())

// The variables are filled into a copy, so that the parsed file stays as it is.
const copied = (value: unknown): unknown =>
  isMapping(value) ? Object.fromEntries(Object.entries(value).map(([key, value]) => [key, copied(value)])) : value

export interface Source {
  /** The path of the file, or `the environment`. */
  readonly name: string
  readonly lineOf: (path: ReadonlyArray<PropertyKey>) => number | undefined
  /** Whether there is no file, so that every value comes from a variable. */
  readonly isEnvironment: boolean
}

const variableOf = (path: ReadonlyArray<PropertyKey>): string | undefined =>
  [...filling, ...json].find((one) => joined(one.path) === joined(path))?.name

export interface Decoded {
  readonly fields: ClientFields
  /** Makes the error of a key whose value the caller rejects. */
  readonly invalid: (path: KeyPath, details: string) => ClientConfigError
}

/** Decodes the parsed content of a file, completed by the variables. */
export const decode = (
  raw: unknown,
  variables: Variables,
  source: Source
): Either.Either<Decoded, ClientConfigError> => {
  const origins: Origins = new Map()

  const at = (path: ReadonlyArray<PropertyKey>, details: string): ClientConfigError => {
    const name = path.map((_, index) => origins.get(joined(path.slice(0, path.length - index)))).find((name) =>
      name !== undefined
    )
    if (name !== undefined) {
      return new ClientConfigError({ reason: "Invalid", source: environment, key: name, details })
    }
    const line = source.lineOf(path)
    return new ClientConfigError({
      reason: "Invalid",
      source: source.name,
      line,
      ...(path.length === 0 ? {} : { key: joined(path) }),
      details
    })
  }

  const missing = (path: ReadonlyArray<PropertyKey>) => {
    const name = variableOf(path) ?? filling.find((one) => joined(one.path).startsWith(`${joined(path)}.`))?.name
    return source.isEnvironment
      ? new ClientConfigError({
        reason: "Invalid",
        source: environment,
        key: name,
        details: "is not set"
      })
      : at(path, name === undefined ? "is missing" : `is missing, and ${name} is not set`)
  }

  const explain = ({ _tag, message, path }: ParseResult.ArrayFormatterIssue): ClientConfigError => {
    if (_tag === "Missing") return missing(path)
    if (_tag !== "Unexpected") return at(path, message)
    const known = keys[joined(path.slice(0, -1))] ?? []
    return at(path, `is not a key of a client configuration; the keys here are ${known.join(", ")}`)
  }

  return Either.gen(function*() {
    if (raw === null || raw === undefined) return yield* Either.left(at([], "the file is empty"))
    const complete = copied(raw)
    if (!isMapping(complete)) return yield* Either.left(at([], "the file is not a mapping of keys to values"))
    for (const { name, path } of overriding) {
      const value = variables.get(name)
      if (value !== undefined) override(complete, path, name, value, origins)
    }
    for (const { name, path } of json) {
      const text = variables.get(name)
      if (text === undefined) continue
      // The cause would show the text.
      const value = yield* Either.mapLeft(
        parseJson(text),
        () => new ClientConfigError({ reason: "Syntax", source: environment, key: name, details: "is not JSON" })
      )
      fill(complete, path, name, value, origins)
    }
    for (const { name, path } of filling) {
      const value = variables.get(name)
      if (value === undefined) continue
      const isFlag = name === "JMP_DRIVERS_UNSAFE"
      fill(complete, path, name, isFlag ? value.toLowerCase() : value, origins)
    }
    const fields = yield* Either.mapLeft(
      Schema.decodeUnknownEither(Fields)(complete),
      (error) => {
        const [issue] = ParseResult.ArrayFormatter.formatIssueSync(error.issue)
        return issue === undefined ? at([], "the file cannot be used") : explain(issue)
      }
    )
    return { fields, invalid: at }
  })
}

/** Whether a variable says to trust every TLS server on first use. */
export const isInsecure = (variables: Variables): boolean => insecure.some((name) => variables.get(name) === "1")

/** Whether the variables are a complete configuration without a file (`protocol.md` 11.4). */
export const isComplete = (variables: Variables): boolean => variables.has("JMP_NAMESPACE") && variables.has("JMP_NAME")

/** Whether other users can read or change a file of this mode. Modes mean nothing on Windows. */
export const isOpenToOthers = (mode: number): boolean => process.platform !== "win32" && (mode & 0o066) !== 0
