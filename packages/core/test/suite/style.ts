// The two ways to call a driver. The behaviour suite's tests use the methods of a contract. A style makes these methods,
// so that the same tests run through typed clients and by method names alone.
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Device from "../../src/client/Device.ts"
import type * as DriverClient from "../../src/client/DriverClient.ts"
import type * as DriverInterface from "../../src/contract/DriverInterface.ts"
import type * as DriverMethod from "../../src/contract/DriverMethod.ts"
import type { JsonValue } from "../../src/protocol/ProtobufValue.ts"
import * as Resource from "../../src/resource/Resource.ts"

/** Makes the methods of a contract from a driver's client. */
type MakeMethods = typeof Device.fromInterface

// The errors and requirements of lent resources are erased here; the contract's types have them.
type Given = JsonValue | Resource.ResourceHandle<unknown, never> | Resource.Resource<unknown, never, never>

const isResource = (value: Given): value is Resource.Resource<unknown, never, never> =>
  typeof value === "object" && value !== null && "_tag" in value && !(value instanceof Resource.ResourceHandle)

const methodByName = (client: DriverClient.DriverClient, name: string, { _tag }: DriverMethod.Any) => {
  const lend = Effect.forEach((value: Given) => isResource(value) ? client.resource(value) : Effect.succeed(value))
  switch (_tag) {
    case "Call":
      return (...args: ReadonlyArray<Given>) =>
        Effect.scoped(Effect.flatMap(lend(args), (lent) => client.call(name, ...lent)))
    case "StreamingCall":
      return (...args: ReadonlyArray<Given>) =>
        Stream.unwrapScoped(Effect.map(lend(args), (lent) => client.streamingCall(name, ...lent)))
    case "Stream":
      return () => client.stream(name)
  }
}

// Results get the types of the contract unchecked. The tests check them.
const byName: MakeMethods = <I extends DriverInterface.Any>(client: DriverClient.DriverClient, contract: I) =>
  Object.fromEntries(
    Object.entries(contract.methods).map(([name, method]) => [name, methodByName(client, name, method)])
  ) as DriverInterface.Client<I>

/** The style of a test: by name, unless a layer provides another. */
export class Style extends Context.Reference<Style>()("test/Style", { defaultValue: () => byName }) {}

/** Typed clients. */
export const typed = Layer.succeed(Style, Device.fromInterface)
