// The handlers of a contract as the untyped methods a driver is made of.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { DriverContext, DriverHandler } from "../Driver.ts"
import { formatPath } from "../DriverError.ts"
import * as DriverFailure from "../DriverFailure.ts"
import type * as DriverInterface from "../DriverInterface.ts"
import * as DriverMethod from "../DriverMethod.ts"
import type { JsonValue } from "../ProtobufValue.ts"
import type { ByteStream } from "../RouterStream.ts"
import * as contractCodec from "./contractCodec.ts"

const refuse = ({ path, reason }: contractCodec.Mismatch): DriverFailure.DriverFailure =>
  DriverFailure.make("InvalidArgument", path.length === 0 ? reason : `argument ${formatPath(path)}: ${reason}`)

const broken = ({ path, reason }: contractCodec.Mismatch): DriverFailure.DriverFailure =>
  DriverFailure.make(
    "Other",
    `the driver's result breaks its contract${path.length === 0 ? "" : ` at ${formatPath(path)}`}: ${reason}`
  )

// Checks and decodes what a caller sent. Null stands for an argument that was left out, as Python clients send it.
const decodeArguments = (
  expected: DriverMethod.Arguments,
  args: ReadonlyArray<JsonValue>,
  context: DriverContext
): Either.Either<ReadonlyArray<unknown>, DriverFailure.DriverFailure> => {
  if (args.length > expected.length) {
    const reason = `the method takes ${contractCodec.arity(expected)}, not ${args.length}`
    return Either.left(refuse({ path: [], reason }))
  }
  const missing = (index: number) =>
    Either.left(
      refuse({ path: [index], reason: `it is missing, the method takes ${contractCodec.arity(expected)}` })
    )
  return Either.all(expected.map((argument, index): Either.Either<unknown, DriverFailure.DriverFailure> => {
    const value = args[index]
    if (contractCodec.isOptional(argument)) {
      if (value === undefined) return Either.right(argument.fallback)
      const decoded = contractCodec.decode(argument.schema, value, [index])
      return value === null && Either.isLeft(decoded)
        ? Either.right(argument.fallback)
        : Either.mapLeft(decoded, refuse)
    }
    if (value === undefined) return missing(index)
    return contractCodec.isResource(argument)
      ? Either.right(context.resource(value))
      : Either.mapLeft(contractCodec.decode(argument, value, [index]), refuse)
  }))
}

const makeCall = (
  { options }: DriverMethod.Call<DriverMethod.CallOptions>,
  handle: (...args: ReadonlyArray<unknown>) => Effect.Effect<unknown, DriverFailure.DriverFailure>
): DriverHandler => {
  const encode = (result: unknown) =>
    Either.mapLeft(contractCodec.encode(options.result ?? DriverMethod.Nothing, result, []), broken)
  return {
    _tag: "Call",
    handle: (args, context) =>
      Effect.flatMap(
        decodeArguments(options.args ?? [], args, context),
        (decoded) => Effect.flatMap(handle(...decoded), encode)
      )
  }
}

const makeStreamingCall = (
  { options }: DriverMethod.StreamingCall<DriverMethod.StreamingCallOptions>,
  handle: (...args: ReadonlyArray<unknown>) => Stream.Stream<unknown, DriverFailure.DriverFailure>
): DriverHandler => {
  const encode = (item: unknown) => Either.mapLeft(contractCodec.encode(options.item, item, []), broken)
  return {
    _tag: "StreamingCall",
    handle: (args, context) =>
      Stream.unwrap(Effect.map(
        decodeArguments(options.args ?? [], args, context),
        (decoded) => Stream.mapEffect(handle(...decoded), encode)
      ))
  }
}

const makeStream = (
  open: Effect.Effect<ByteStream<DriverFailure.DriverFailure>, DriverFailure.DriverFailure, Scope.Scope>
): DriverHandler => ({ _tag: "Stream", open })

// The one place where the handlers' types are taken on trust: `Handlers` gives every method the parameters that
// `decodeArguments` yields for it.
export const methods = <I extends DriverInterface.Any>(
  contract: I,
  handlers: DriverInterface.Handlers<I>
): Readonly<Record<string, DriverHandler>> =>
  Object.fromEntries(
    Object.entries(contract.methods).map(([name, method]) => {
      const handler: unknown = handlers[name]
      switch (method._tag) {
        case "Call":
          return [name, makeCall(method, handler as Parameters<typeof makeCall>[1])]
        case "StreamingCall":
          return [name, makeStreamingCall(method, handler as Parameters<typeof makeStreamingCall>[1])]
        case "Stream":
          return [name, makeStream(handler as Parameters<typeof makeStream>[0])]
      }
    })
  )
