// Turns the handlers of a contract into the untyped methods of a driver.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as contractCodec from "../contract/codec.ts"
import type * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as mismatch from "../contract/mismatch.ts"
import type { ByteStream } from "../protocol/ByteStream.ts"
import * as callers from "../protocol/callerFrame.ts"
import { formatValuePath } from "../protocol/DriverError.ts"
import * as DriverFailure from "../protocol/DriverFailure.ts"
import type { JsonValue } from "../protocol/ProtobufValue.ts"
import { ClientStreamHandle, PresignedRequest } from "../protocol/streamRequest.ts"
import type { DriverResource } from "../resource/Resource.ts"
import { mapItems } from "../util/mapItems.ts"
import type { DriverContext, DriverHandler } from "./handler.ts"

const refuse = ({ path, reason }: mismatch.Mismatch): DriverFailure.DriverFailure =>
  callers.blame(DriverFailure.make("InvalidArgument", `arguments${formatValuePath(path)}: ${reason}`), {
    caller: callers.nowhere
  })

const broken = ({ path, reason }: mismatch.Mismatch): DriverFailure.DriverFailure =>
  DriverFailure.make(
    "Other",
    `the driver's result breaks its contract${path.length === 0 ? "" : ` at ${formatValuePath(path)}`}: ${reason}`
  )

type Opened = Effect.Effect<DriverResource, DriverFailure.DriverFailure>

const readFrom = (opened: Opened) => Stream.unwrap(Effect.map(opened, ({ read }) => read))

const writeTo = (opened: Opened) => (bytes: Stream.Stream<Uint8Array, DriverFailure.DriverFailure>) =>
  Effect.flatMap(opened, ({ write }) => write(bytes))

const isHandle = Schema.is(Schema.Union(Schema.encodedSchema(ClientStreamHandle), PresignedRequest))

// The value of an object is not shown: the URL of an almost correct presigned request is still a secret.
const noHandle = (index: number, value: JsonValue): mismatch.Mismatch => {
  const expected = "a resource handle or a presigned request"
  return typeof value === "object" && value !== null
    ? { path: [index], reason: `expected ${expected}` }
    : mismatch.wrong([index], expected, value)
}

// Checks and decodes a caller's arguments. Null means an argument that was left out, as Python clients send it.
const decode = (
  options: DriverMethod.ArgumentOptions,
  given: ReadonlyArray<JsonValue>,
  open: (handle: JsonValue) => Opened = () => Effect.dieMessage("a method that is lent nothing opened something")
): Either.Either<ReadonlyArray<unknown>, DriverFailure.DriverFailure> => {
  const { args = [], rest } = options
  const surplus = mismatch.surplus(options, given.length)
  if (surplus !== undefined) return Either.left(refuse(surplus))
  const decodeArgument = (
    argument: DriverMethod.Argument,
    index: number
  ): Either.Either<unknown, mismatch.Mismatch> => {
    const value = given[index]
    if (DriverMethod.isOptional(argument)) {
      if (value === undefined) return Either.right(argument.fallback)
      const decoded = contractCodec.decodeExactly(argument.schema, value, [index])
      return value === null && Either.isLeft(decoded) ? Either.right(argument.fallback) : decoded
    }
    if (value === undefined) return Either.left(mismatch.missing(options, index))
    const source = DriverMethod.isSource(argument)
    if (!source && !DriverMethod.isSink(argument)) return contractCodec.decode(argument, value, [index])
    if (!isHandle(value)) return Either.left(noHandle(index, value))
    return Either.right(source ? readFrom(open(value)) : writeTo(open(value)))
  }
  const decoded = Either.all([
    ...args.map(decodeArgument),
    ...(rest === undefined
      ? []
      : given.slice(args.length).map((value, index) => contractCodec.decode(rest, value, [args.length + index])))
  ])
  return Either.mapLeft(decoded, refuse)
}

// The arguments as a handler gets them. What it opens is released with the scope, when the handler is done: if the driver
// fails at the very end, a client whose sink has all the bytes still learns of the failure.
const lend = (
  options: DriverMethod.ArgumentOptions,
  given: ReadonlyArray<JsonValue>,
  { resource }: DriverContext
): Effect.Effect<ReadonlyArray<unknown>, DriverFailure.DriverFailure, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => decode(options, given, (handle) => Scope.extend(resource(handle), scope)))

const makeCall = <R>(
  { options }: DriverMethod.Call<DriverMethod.CallOptions>,
  handle: (...args: ReadonlyArray<unknown>) => Effect.Effect<unknown, DriverFailure.DriverFailure, R>
): DriverHandler<R> => {
  const { args = [], result } = options
  const encode = (value: unknown) =>
    result === undefined
      ? Either.right(null)
      : Either.mapLeft(contractCodec.encode(result, value, []), broken)
  const run = (decoded: ReadonlyArray<unknown>) => Effect.flatMap(handle(...decoded), encode)
  // Most methods are lent nothing and need no scope, which costs more than all the rest.
  return args.some(DriverMethod.isLent)
    ? { _tag: "Call", handle: (given, context) => Effect.scoped(Effect.flatMap(lend(options, given, context), run)) }
    : { _tag: "Call", handle: (given) => Effect.flatMap(decode(options, given), run) }
}

const makeStreamingCall = <R>(
  { options }: DriverMethod.StreamingCall<DriverMethod.StreamingCallOptions>,
  handle: (...args: ReadonlyArray<unknown>) => Stream.Stream<unknown, DriverFailure.DriverFailure, R>
): DriverHandler<R> => ({
  _tag: "StreamingCall",
  handle: (args, context) =>
    Stream.unwrapScoped(Effect.map(
      lend(options, args, context),
      (decoded) =>
        mapItems(
          handle(...decoded),
          (item, index) => Either.mapLeft(contractCodec.encode(options.item, item, [index]), broken)
        )
    ))
})

const makeStream = <R>(
  open: Effect.Effect<ByteStream<DriverFailure.DriverFailure>, DriverFailure.DriverFailure, Scope.Scope | R>
): DriverHandler<R> => ({ _tag: "Stream", open })

const makeHandler = <R>(method: DriverMethod.Any, handler: unknown): DriverHandler<R> => {
  switch (method._tag) {
    case "Call":
      return makeCall(method, handler as Parameters<typeof makeCall<R>>[1])
    case "StreamingCall":
      return makeStreamingCall(method, handler as Parameters<typeof makeStreamingCall<R>>[1])
    case "Stream":
      return makeStream(handler as Parameters<typeof makeStream<R>>[0])
  }
}

// The only place that trusts the handlers' types without checking them: `Handlers` gives every method the parameters that
// `decode` yields for it. An optional method without a handler is left out of the driver.
export const methods = <R>(
  contract: DriverInterface.Any,
  handlers: object
): Readonly<Record<string, DriverHandler<R>>> => {
  const given = handlers as Readonly<Record<string, unknown>>
  return Object.fromEntries(
    Object.entries(contract.methods).flatMap(([name, method]) =>
      given[name] === undefined ? [] : [[name, makeHandler<R>(method, given[name])]]
    )
  )
}

// What a contract documents about the methods that a driver has.
export const documentation = (
  contract: DriverInterface.Any,
  methods: object
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.keys(methods).flatMap((name) => {
      const text = contract.methods[name]?.options.documentation
      return text === undefined ? [] : [[name, text]]
    })
  )
