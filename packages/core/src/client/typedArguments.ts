// Prepares the arguments of a typed client's method for the untyped one.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { LazyArg } from "effect/Function"
import type * as Scope from "effect/Scope"
import * as contractCodec from "../contract/codec.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as mismatch from "../contract/mismatch.ts"
import * as clientErrors from "../protocol/clientErrors.ts"
import type * as DriverError from "../protocol/DriverError.ts"
import type { JsonValue } from "../protocol/ProtobufValue.ts"
import { isPresigned } from "../protocol/streamRequest.ts"
import * as Resource from "../resource/Resource.ts"
import type { DriverClient } from "./DriverClient.ts"

// The error and requirement types of a lent resource are erased here; the types of the contract keep them.
type Handle = Resource.ResourceHandle<unknown, never>

export type Prepared = JsonValue | Handle

// A resource that is not open yet is an effect.
type Preparation = Prepared | Effect.Effect<Handle, DriverError.DriverCallError, Scope.Scope>

type Checked = Either.Either<Preparation, mismatch.Mismatch>

export const isHandle = (value: unknown): value is Handle => value instanceof Resource.ResourceHandle

const isClosed = (value: unknown): value is Resource.Resource<unknown, never, never> => Resource.isResource(value)

// Resources have no readable JSON, and a presigned URL is a secret.
const nameOf = (value: unknown): string | undefined => {
  if (isHandle(value)) return "an open resource"
  if (isClosed(value)) return value._tag === "Source" ? "a source" : "a sink"
  return isPresigned(value) ? `a presigned ${value.method}` : undefined
}

const wrong = (index: number, expected: string, value: unknown): mismatch.Mismatch => {
  const name = nameOf(value)
  return name === undefined
    ? mismatch.wrong([index], expected, value)
    : { path: [index], reason: `expected ${expected}, actual ${name}` }
}

const encode = (schema: DriverMethod.AnySchema, value: unknown, index: number): Checked =>
  isHandle(value) || isClosed(value)
    ? Either.left(wrong(index, String(schema.ast), value))
    : contractCodec.encode(schema, value, [index])

const lend = (client: DriverClient, direction: "in" | "out", value: unknown, index: number): Checked => {
  const [expected, tag, method] = direction === "in" ? ["a source", "Source", "GET"] : ["a sink", "Sink", "PUT"]
  if (isHandle(value)) return Either.right(value)
  if (isClosed(value) && value._tag === tag) return Either.right(client.resource(value))
  if (isPresigned(value) && value.method === method) return Either.right(value)
  return Either.left(wrong(index, expected, value))
}

// An optional argument that is left out before another one is sent as its fallback, or as null.
const checkAll = (
  client: DriverClient,
  options: DriverMethod.ArgumentOptions,
  given: ReadonlyArray<unknown>
): Either.Either<ReadonlyArray<Preparation>, mismatch.Mismatch> => {
  const { args = [], rest } = options
  const required = args.findLastIndex((argument) => !DriverMethod.isOptional(argument)) + 1
  let count = Math.max(given.length, required)
  while (count > required && given[count - 1] === undefined) count--
  const surplus = mismatch.surplus(options, count)
  if (surplus !== undefined) return Either.left(surplus)

  const checkArgument = (argument: DriverMethod.Argument, index: number): Checked => {
    const value = given[index]
    if (DriverMethod.isOptional(argument)) {
      const filled = value === undefined ? argument.fallback : value
      return filled === undefined ? Either.right(null) : encode(argument.schema, filled, index)
    }
    const missing = () => mismatch.missing(options, index)
    if (DriverMethod.isLent(argument)) {
      if (value === undefined) return Either.left(missing())
      return lend(client, DriverMethod.isSource(argument) ? "in" : "out", value, index)
    }
    const encoded = encode(argument, value, index)
    return value === undefined ? Either.mapLeft(encoded, missing) : encoded
  }
  const isLeftOut = (argument: DriverMethod.Argument, index: number) =>
    index >= count && DriverMethod.isOptional(argument)
  return Either.all([
    ...args.flatMap((argument, index) => isLeftOut(argument, index) ? [] : [checkArgument(argument, index)]),
    ...(rest === undefined ? [] : given.slice(args.length).map((value, i) => encode(rest, value, args.length + i)))
  ])
}

// Checks the arguments of a call against its contract. Nothing is sent, and no resource opened, before all are checked.
export const check = (
  client: DriverClient,
  site: LazyArg<DriverError.CallSite>,
  options: DriverMethod.ArgumentOptions,
  given: ReadonlyArray<unknown>
): Either.Either<ReadonlyArray<Preparation>, DriverError.InvalidArgument> =>
  Either.mapLeft(
    checkAll(client, options, given),
    ({ path, reason }) => clientErrors.invalidArgument(site(), { details: reason, path })
  )

export const isReady = (preparations: ReadonlyArray<Preparation>): preparations is ReadonlyArray<Prepared> =>
  !preparations.some(Effect.isEffect)

export const open = (
  preparations: ReadonlyArray<Preparation>
): Effect.Effect<ReadonlyArray<Prepared>, DriverError.DriverCallError, Scope.Scope> =>
  Effect.forEach(
    preparations,
    (preparation): Effect.Effect<Prepared, DriverError.DriverCallError, Scope.Scope> =>
      Effect.isEffect(preparation) ? preparation : Effect.succeed(preparation)
  )
