// The methods of a contract on top of an untyped client.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { DriverClient } from "../DriverClient.ts"
import * as DriverError from "../DriverError.ts"
import type * as DriverInterface from "../DriverInterface.ts"
import * as DriverMethod from "../DriverMethod.ts"
import * as DriverTree from "../DriverTree.ts"
import type { JsonValue } from "../ProtobufValue.ts"
import * as Resource from "../Resource.ts"
import * as contractCodec from "./contractCodec.ts"

// What a lent resource fails with and requires is erased here; the types of the contract, which `make` gives back, have it.
type AnyResource = Resource.Resource<unknown, never, never> | Resource.ResourceHandle<unknown, never>

type Prepared = JsonValue | Resource.ResourceHandle<unknown, never>

const isResource = (value: unknown): value is AnyResource =>
  value instanceof Resource.ResourceHandle ||
  typeof value === "object" && value !== null && "_tag" in value && (value._tag === "Source" || value._tag === "Target")

// Encodes the arguments that were given and opens the resources among them. An optional argument that is left out in
// front of one that is given travels as its fallback, or as null.
const prepare = (
  client: DriverClient,
  site: DriverError.CallSite,
  expected: DriverMethod.Arguments,
  given: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<Prepared>, DriverError.DriverCallError, Scope.Scope> =>
  Effect.suspend(() => {
    const refuse = ({ path, reason }: contractCodec.Mismatch) =>
      new DriverError.InvalidArgument({ ...site, code: "INVALID_ARGUMENT", details: reason, origin: "client", path })
    let count = given.length
    while (count > 0 && given[count - 1] === undefined) count--
    if (count > expected.length) {
      const reason = `the method takes ${contractCodec.arity(expected)}, not ${count}`
      return Effect.fail(refuse({ path: [expected.length], reason }))
    }
    const prepared: Array<Effect.Effect<Prepared, DriverError.DriverCallError, Scope.Scope>> = []
    for (const [index, argument] of expected.entries()) {
      const value = given[index]
      if (contractCodec.isOptional(argument)) {
        if (index >= count) break
        const filled = value === undefined ? argument.fallback : value
        prepared.push(
          filled === undefined
            ? Effect.succeed(null)
            : Either.mapLeft(contractCodec.encode(argument.schema, filled, [index]), refuse)
        )
      } else if (value === undefined) {
        const reason = `the argument is missing, the method takes ${contractCodec.arity(expected)}`
        return Effect.fail(refuse({ path: [index], reason }))
      } else if (!contractCodec.isResource(argument)) {
        prepared.push(Either.mapLeft(contractCodec.encode(argument, value, [index]), refuse))
      } else if (!isResource(value)) {
        return Effect.fail(refuse({ path: [index], reason: "a resource is expected" }))
      } else {
        prepared.push(value instanceof Resource.ResourceHandle ? Effect.succeed(value) : client.resource(value))
      }
    }
    return Effect.all(prepared)
  })

const makeMethod = (client: DriverClient, name: string, method: DriverMethod.Any) => {
  const siteOf = (kind: DriverError.CallKind): DriverError.CallSite => ({
    driver: DriverTree.formatPath(client.path),
    uuid: client.uuid,
    method: name,
    kind
  })
  const decode = (site: DriverError.CallSite, schema: DriverMethod.AnySchema) => (answer: JsonValue) =>
    Either.mapLeft(
      contractCodec.decode(schema, answer, []),
      ({ path, reason }) =>
        new DriverError.UnexpectedResult({ ...site, code: "UNKNOWN", details: reason, origin: "client", path })
    )

  switch (method._tag) {
    case "Call": {
      const site = siteOf("call")
      const decodeResult = decode(site, method.options.result ?? DriverMethod.Nothing)
      return (...args: ReadonlyArray<unknown>) =>
        prepare(client, site, method.options.args ?? [], args).pipe(
          Effect.flatMap((prepared) => client.call(name, ...prepared)),
          Effect.flatMap(decodeResult),
          Effect.scoped
        )
    }
    case "StreamingCall": {
      const site = siteOf("streamingCall")
      const decodeItem = decode(site, method.options.item)
      return (...args: ReadonlyArray<unknown>) =>
        Stream.unwrapScoped(
          Effect.map(
            prepare(client, site, method.options.args ?? [], args),
            (prepared) => Stream.mapEffect(client.streamingCall(name, ...prepared), decodeItem)
          )
        )
    }
    case "Stream":
      return () => client.stream(name)
  }
}

// The one place where the types of a contract are taken on trust: `prepare` and `decode` hold every argument and result
// against its schema, and the type tests hold this façade against them.
export const make = <I extends DriverInterface.Any>(
  client: DriverClient,
  contract: I
): DriverInterface.ClientMethods<I> =>
  Object.fromEntries(
    Object.entries(contract.methods).map(([name, method]) => [name, makeMethod(client, name, method)])
  ) as DriverInterface.ClientMethods<I>
