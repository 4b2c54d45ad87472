// The arguments of a call, from the words of the command line: JSON, and where a contract says so, text as it is or the path of a file.
import * as DriverMethod from "@effect-jumpstarter/core/DriverMethod"
import type * as ProtobufValue from "@effect-jumpstarter/core/ProtobufValue"
import * as Resource from "@effect-jumpstarter/core/Resource"
import type * as PlatformError from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { Method } from "./catalogue.ts"
import { argumentName } from "./contracts.ts"
import { type CommandError, usage } from "./failure.ts"

/** A method to call, with the names of its arguments. */
export interface Called {
  /** The driver and the method, such as `serial.set_dtr`. */
  readonly title: string
  readonly names: Method["arguments"]
}

export type LocalResource =
  | Resource.Source<void, PlatformError.PlatformError | Resource.SizeMismatch, never>
  | Resource.Sink<void, PlatformError.PlatformError, never>

export type Argument = ProtobufValue.JsonValue | LocalResource

export const isResource = (argument: Argument): argument is LocalResource => Resource.isResource(argument)

const placeOf = ({ names, title }: Called, index: number): string => {
  const name = names[index]
  return `argument ${index + 1}${name === undefined || name === argumentName(index) ? "" : ` (${name})`} of ${title}`
}

const parseJson = Schema.decodeOption(Schema.parseJson(DriverMethod.Json))

const jsonOf = (
  called: Called,
  index: number,
  word: string
): Either.Either<ProtobufValue.JsonValue, CommandError> =>
  Either.fromOption(
    parseJson(word),
    () => usage(`${placeOf(called, index)} is not JSON: ${word}; a text needs quotes, as in '"text"'`)
  )

const problemOf = (error: ParseResult.ParseError): string => {
  const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
  if (issue === undefined) return error.message
  const path = issue.path.map((step) => typeof step === "number" ? `[${step}]` : `.${String(step)}`).join("")
  return `${path === "" ? "" : `${path}: `}${issue.message.replace(/^Expected/, "expected")}`
}

/** Checks a value against its schema, and returns what is sent. */
export const checked = (
  called: Called,
  index: number,
  schema: DriverMethod.AnySchema,
  value: unknown
): Either.Either<ProtobufValue.JsonValue, CommandError> =>
  Schema.decodeUnknownEither(schema)(value).pipe(
    Either.flatMap(Schema.encodeEither(schema)),
    Either.flatMap(Schema.decodeUnknownEither(DriverMethod.Json)),
    Either.mapLeft((error) => usage(`${placeOf(called, index)}: ${problemOf(error)}`))
  )

// A word that is no JSON, or JSON of another type than the contract says, can be a text: `call power set_mode fast`.
const valueOf = (called: Called, index: number, schema: DriverMethod.AnySchema, word: string) => {
  const json = Option.map(parseJson(word), (value) => checked(called, index, schema, value))
  if (Option.isSome(json) && Either.isRight(json.value)) return json.value
  const text = checked(called, index, schema, word)
  return Either.isRight(text) ? text : Option.getOrElse(json, () => text)
}

const read = (
  called: Called,
  argument: DriverMethod.Argument,
  index: number,
  word: string
): Effect.Effect<Argument, CommandError | PlatformError.PlatformError, FileSystem.FileSystem> => {
  if (DriverMethod.isSource(argument)) return Resource.fromFile(word)
  if (DriverMethod.isSink(argument)) return Resource.toFile(word)
  if (DriverMethod.isOptional(argument)) {
    return word === "null" ? Effect.succeed(null) : valueOf(called, index, argument.schema, word)
  }
  return valueOf(called, index, argument, word)
}

/** How many arguments a method takes, in words. */
const countOf = (required: number, most: number): string => {
  const counted = (count: number) => count === 0 ? "no argument" : count === 1 ? "1 argument" : `${count} arguments`
  return most === Infinity
    ? `at least ${counted(required)}`
    : required === most
    ? counted(most)
    : `${required} to ${counted(most)}`
}

/** How many arguments have to be given. */
export const requiredOf = (args: DriverMethod.Arguments): number =>
  args.findLastIndex((argument) => !DriverMethod.isOptional(argument)) + 1

/** The arguments that a contract describes. */
export const typed = (
  called: Called,
  { args = [], rest }: DriverMethod.ArgumentOptions,
  words: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Argument>, CommandError | PlatformError.PlatformError, FileSystem.FileSystem> => {
  const required = requiredOf(args)
  const most = rest === undefined ? args.length : Infinity
  if (words.length < required || words.length > most) {
    const names = called.names.length === 0 ? "" : ` (${called.names.join(", ")})`
    const given = words.length === 1 ? "1 is given" : `${words.length} are given`
    return Effect.fail(usage(`${called.title} takes ${countOf(required, most)}${names}; ${given}`))
  }
  return Effect.forEach(words, (word, index) => {
    const argument = args[index] ?? rest
    return argument === undefined
      ? Effect.fail(usage(`${called.title} takes no argument ${index + 1}`))
      : read(called, argument, index, word)
  })
}

/** The arguments of a method without a contract: JSON. */
export const untyped = (
  called: Called,
  words: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<ProtobufValue.JsonValue>, CommandError> =>
  Effect.forEach(words, (word, index) => jsonOf(called, index, word))
