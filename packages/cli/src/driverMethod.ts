// A method of a connected driver, with its contract if there is one, and the arguments that the command line gives it.
import type * as DriverClient from "@effect-jumpstarter/core/DriverClient"
import type * as DriverError from "@effect-jumpstarter/core/DriverError"
import type * as DriverMethod from "@effect-jumpstarter/core/DriverMethod"
import * as ExporterConnection from "@effect-jumpstarter/core/ExporterConnection"
import type * as ProtobufValue from "@effect-jumpstarter/core/ProtobufValue"
import type * as Resource from "@effect-jumpstarter/core/Resource"
import type * as PlatformError from "@effect/platform/Error"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as commandArguments from "./commandArguments.ts"
import * as contracts from "./contracts.ts"
import { usage } from "./failure.ts"

export interface Choice {
  readonly path: string
  readonly method: string
  /** Calls the method as it is, whatever the contract says. */
  readonly untyped: boolean
  readonly known: contracts.Known
}

export interface Chosen {
  readonly driver: DriverClient.DriverClient
  readonly called: commandArguments.Called
  /** Undefined when nothing is known of the method. */
  readonly described: DriverMethod.Any | undefined
}

/** Finds the method. A driver with a contract has the methods of the contract. */
export const choose = ({ known, method, path, untyped }: Choice) =>
  Effect.gen(function*() {
    const driver = yield* ExporterConnection.driver(contracts.parsePath(path))
    const place = contracts.shownPath(driver.path)
    const contract = untyped ? undefined : yield* contracts.of(known, driver)
    const title = `${place}.${method}`
    if (contract === undefined) return { driver, called: { title, names: [] }, described: undefined }
    const { methods } = contract.contract
    const described = Object.hasOwn(methods, method) ? methods[method] : undefined
    if (described === undefined) {
      const names = Object.keys(methods)
      return yield* usage(
        `${place} is a ${contract.entry.name}, which has no method ${method}; ${
          names.length === 0 ? "it has none" : `it has ${names.join(", ")}`
        }; --untyped calls it all the same`
      )
    }
    return { driver, called: { title, names: contract.entry.methods[method]?.arguments ?? [] }, described }
  })

/** The arguments to send. Files that a driver reads or writes are lent to it until the scope closes. */
export const prepare = ({ called, described, driver }: Chosen, words: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const args = described === undefined || described._tag === "Stream"
      ? yield* commandArguments.untyped(called, words)
      : yield* commandArguments.typed(called, described.options, words)
    return yield* Effect.forEach(args, (argument) => lent(driver, argument))
  })

/** An argument that a call can take. */
export type Sendable =
  | ProtobufValue.JsonValue
  | Resource.ResourceHandle<void, PlatformError.PlatformError | Resource.SizeMismatch>

const lent = (
  driver: DriverClient.DriverClient,
  argument: commandArguments.Argument
): Effect.Effect<Sendable, DriverError.DriverCallError, Scope.Scope> =>
  commandArguments.isResource(argument) ? driver.resource(argument) : Effect.succeed(argument)
