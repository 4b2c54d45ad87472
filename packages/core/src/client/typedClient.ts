// The methods of a contract on top of an untyped client.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { LazyArg } from "effect/Function"
import * as Stream from "effect/Stream"
import * as contractCodec from "../contract/codec.ts"
import type * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import * as clientErrors from "../protocol/clientErrors.ts"
import type * as DriverError from "../protocol/DriverError.ts"
import * as DriverTree from "../protocol/DriverTree.ts"
import type { JsonValue } from "../protocol/ProtobufValue.ts"
import { mapItems } from "../util/mapItems.ts"
import * as DriverClient from "./DriverClient.ts"
import * as typedArguments from "./typedArguments.ts"

// The result of a sink. By then, the call and the transfer have succeeded.
const received = (sink: typedArguments.Prepared | undefined) =>
  typedArguments.isHandle(sink) ? sink.result : Effect.void

const makeMethod = (client: DriverClient.DriverClient, name: string, method: DriverMethod.Any) => {
  const driver = DriverTree.formatPath(client.path)
  // For errors raised on this side. The untyped client names the call itself.
  const siteOf = (called: DriverClient.Called) => (): DriverError.CallSite => ({
    address: client.address,
    driver,
    uuid: client.uuid,
    ...called
  })
  const decode = (
    site: LazyArg<DriverError.CallSite>,
    schema: DriverMethod.AnySchema,
    answer: JsonValue,
    at: DriverError.ValuePath
  ) =>
    Either.mapLeft(
      contractCodec.decode(schema, answer, at),
      ({ path, reason }) => clientErrors.unexpectedResult(site(), "UNKNOWN", { details: reason, path })
    )

  switch (method._tag) {
    case "Call": {
      const { options } = method
      const { result } = options
      const sink = options.args?.findIndex(DriverMethod.isSink) ?? -1
      const call = (...args: ReadonlyArray<unknown>) => {
        const called = { method: name, kind: "call" as const, caller: callers.of() }
        const site = siteOf(called)
        const calls = DriverClient.checkedCalls(client)
        const run = (prepared: ReadonlyArray<typedArguments.Prepared>) =>
          calls.call(
            called,
            prepared,
            Effect.flatMap((answer) =>
              result === undefined ? received(prepared[sink]) : decode(site, result, answer, [])
            )
          )
        return Effect.suspend(() => {
          const checked = callers.on(called.caller, () => typedArguments.check(client, site, options, args))
          if (Either.isLeft(checked)) return calls.refuse(called, args, checked.left)
          return typedArguments.isReady(checked.right)
            ? run(checked.right)
            : Effect.scoped(Effect.flatMap(typedArguments.open(checked.right), run))
        })
      }
      return call
    }
    case "StreamingCall": {
      const { options } = method
      const call = (...args: ReadonlyArray<unknown>) => {
        const called = { method: name, kind: "streamingCall" as const, caller: callers.of() }
        const site = siteOf(called)
        const calls = DriverClient.checkedCalls(client)
        return Stream.unwrapScoped(Effect.suspend(() => {
          const checked = callers.on(called.caller, () => typedArguments.check(client, site, options, args))
          if (Either.isLeft(checked)) return calls.refuse(called, args, checked.left)
          return Effect.map(
            typedArguments.open(checked.right),
            (prepared) =>
              calls.streamingCall(
                called,
                prepared,
                (items) => mapItems(items, (item, index) => decode(site, options.item, item, [index]))
              )
          )
        }))
      }
      return call
    }
    case "Stream": {
      const open = () => callers.on(callers.of(), () => client.stream(name))
      return open
    }
  }
}

// The only place that trusts the types of a contract without checking them: `check` and `decode` check every argument and
// result against its schema, and the type tests check this façade against the schemas.
export const make = <I extends DriverInterface.Any>(
  client: DriverClient.DriverClient,
  contract: I
): DriverInterface.Client<I> =>
  Object.fromEntries(
    Object.entries(contract.methods).map(([name, method]) => [name, makeMethod(client, name, method)])
  ) as DriverInterface.Client<I>
