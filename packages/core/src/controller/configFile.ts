// Reads the configuration files of clients and exporters: where they are, and how variables complete them (protocol.md 10.5 and 11).
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { ConfigProblem } from "./configError.ts"
import type * as yamlDocument from "./yamlDocument.ts"

export type KeyPath = ReadonlyArray<string>

/** A variable, and the key that it gives a value to. */
export interface Variable {
  readonly name: string
  readonly path: KeyPath
  readonly isFlag?: boolean
}

export const variable = (name: string, ...path: KeyPath): Variable => ({ name, path })

/** The keys of one kind of configuration, and the variables of their values. */
export interface Layout<A, I> {
  readonly kind: "client" | "exporter"
  readonly fields: Schema.Schema<A, I>
  /** The known keys of each mapping that accepts no others, by its path. */
  readonly keys: Readonly<Record<string, ReadonlyArray<string>>>
  /** Variables that override the file. */
  readonly overriding: ReadonlyArray<Variable>
  /** Variables that fill in missing keys, as JSON and as text. When several variables have the same key, the first one counts. */
  readonly json: ReadonlyArray<Variable>
  readonly filling: ReadonlyArray<Variable>
}

export const environment = "the environment"

const insecure = ["JMP_GRPC_INSECURE", "JUMPSTARTER_GRPC_INSECURE"]

/** The variables that are set and not empty, by name. */
export type Variables = ReadonlyMap<string, string>

const set = (names: ReadonlyArray<string>): Effect.Effect<Variables, ConfigProblem> =>
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
    Effect.mapError((cause) => ({
      reason: "Unreadable" as const,
      source: environment,
      details: "the variables cannot be read",
      cause
    }))
  )

/** Reads the variables of a configuration. */
export const variables = <A, I>({ filling, json, overriding }: Layout<A, I>): Effect.Effect<Variables, ConfigProblem> =>
  set([...[...overriding, ...json, ...filling].map(({ name }) => name), ...insecure])

/** Whether a variable says to trust every TLS server on first use. */
export const isInsecure = (variables: Variables): boolean => insecure.some((name) => variables.get(name) === "1")

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

/** The problem of a key whose value cannot be used. */
export type Invalid = (path: KeyPath, details: string) => ConfigProblem

export interface Decoded<A> {
  readonly fields: A
  readonly invalid: Invalid
}

/** Decodes the parsed content of a file, completed by the variables. */
export const decode = <A, I>(
  layout: Layout<A, I>,
  raw: unknown,
  variables: Variables,
  source: Source
): Either.Either<Decoded<A>, ConfigProblem> => {
  const { filling, json, overriding } = layout
  const origins: Origins = new Map()

  const at: Invalid = (path, details) => {
    const name = path.map((_, index) => origins.get(joined(path.slice(0, path.length - index)))).find((name) =>
      name !== undefined
    )
    if (name !== undefined) return { reason: "Invalid", source: environment, key: name, details }
    return {
      reason: "Invalid",
      source: source.name,
      line: source.lineOf(path),
      ...(path.length === 0 ? {} : { key: joined(path) }),
      details
    }
  }

  const missing = (path: KeyPath): ConfigProblem => {
    const name = [...filling, ...json].find((one) => joined(one.path) === joined(path))?.name ??
      filling.find((one) => joined(one.path).startsWith(`${joined(path)}.`))?.name
    return source.isEnvironment
      ? { reason: "Invalid", source: environment, key: name, details: "is not set" }
      : at(path, name === undefined ? "is missing" : `is missing, and ${name} is not set`)
  }

  const explain = (issue: ParseResult.ArrayFormatterIssue): ConfigProblem => {
    const path = issue.path.map(String)
    if (issue._tag === "Missing") return missing(path)
    if (issue._tag !== "Unexpected") return at(path, issue.message)
    const known = layout.keys[joined(path.slice(0, -1))] ?? []
    return at(path, `is not a key of the ${layout.kind} configuration; the keys here are ${known.join(", ")}`)
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
        (): ConfigProblem => ({ reason: "Syntax", source: environment, key: name, details: "is not JSON" })
      )
      fill(complete, path, name, value, origins)
    }
    for (const { isFlag = false, name, path } of filling) {
      const value = variables.get(name)
      if (value === undefined) continue
      fill(complete, path, name, isFlag ? value.toLowerCase() : value, origins)
    }
    const fields = yield* Either.mapLeft(
      Schema.decodeUnknownEither(layout.fields)(complete),
      (error) => {
        const [issue] = ParseResult.ArrayFormatter.formatIssueSync(error.issue)
        return issue === undefined ? at([], "the file cannot be used") : explain(issue)
      }
    )
    return { fields, invalid: at }
  })
}

const unreadable = (source: string, cause: PlatformError.PlatformError): ConfigProblem =>
  cause._tag === "SystemError" && cause.reason === "NotFound"
    ? { reason: "NotFound", source, details: "there is no such file", cause }
    : { reason: "Unreadable", source, details: `the file cannot be read: ${cause.message}`, cause }

/** Reads a file, which may not be a configuration. */
export const readYaml = (
  file: string
): Effect.Effect<yamlDocument.YamlDocument, ConfigProblem, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fileSystem) => fileSystem.readFileString(file)).pipe(
    Effect.mapError((cause) => unreadable(file, cause)),
    // Few programs read a file, and loading the YAML parser takes longer than connecting to an exporter.
    Effect.zipWith(Effect.promise(() => import("./yamlDocument.ts")), (text, { parse }) =>
      Either.mapLeft(
        parse(text),
        ({ details, line }): ConfigProblem => ({ reason: "Syntax", source: file, line, details })
      )),
    Effect.flatten
  )

/** Returns a file's content as a source of values. */
export const sourceOf = (file: string, { lineOf }: yamlDocument.YamlDocument): Source => ({
  name: file,
  lineOf,
  isEnvironment: false
})

// Modes mean nothing on Windows.
const isOpenToOthers = (mode: number): boolean => process.platform !== "win32" && (mode & 0o066) !== 0

/** Warns when others can read or change a file that has a token. */
export const warnIfOpen = (file: string): Effect.Effect<void, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fileSystem) => fileSystem.stat(file)).pipe(
    Effect.flatMap(({ mode }) =>
      isOpenToOthers(mode)
        ? Effect.logWarning(
          `${file} has a token, and others on this machine may read or change it (mode ${
            (mode & 0o777).toString(8)
          }); run chmod 600 on it`
        )
        : Effect.void
    ),
    Effect.ignore
  )

/** The directory of the files of `jmp`. */
export const home: Effect.Effect<string, ConfigProblem, Path.Path> = Effect.gen(function*() {
  const path = yield* Path.Path
  const found = yield* set(["JMP_CLIENT_CONFIG_HOME", "XDG_CONFIG_HOME", "HOME", "USERPROFILE"])
  const user = found.get("HOME") ?? found.get("USERPROFILE") ?? "."
  return found.get("JMP_CLIENT_CONFIG_HOME") ??
    path.join(found.get("XDG_CONFIG_HOME") ?? path.join(user, ".config"), "jumpstarter")
})

/** Returns why a text cannot be the name of a file without `.yaml`. */
export const aliasProblem = (alias: string): string | undefined =>
  /^[^/\\\p{Cc}]+$/u.test(alias) && !/^\.+$/.test(alias)
    ? undefined
    : `${JSON.stringify(alias)} is not an alias: an alias is a file name without a slash`
