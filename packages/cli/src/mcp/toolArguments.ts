// The arguments of a call, from the input of a tool.
import type * as DriverClient from "@effect-jumpstarter/core/DriverClient"
import type * as DriverError from "@effect-jumpstarter/core/DriverError"
import * as DriverMethod from "@effect-jumpstarter/core/DriverMethod"
import * as Resource from "@effect-jumpstarter/core/Resource"
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as commandArguments from "../commandArguments.ts"
import type { Sendable } from "../driverMethod.ts"
import { type CommandError, usage } from "../failure.ts"
import type { Folders } from "./folders.ts"
import * as inputSchema from "./inputSchema.ts"

/** The files that a tool may use. */
export interface Local {
  readonly folders: Folders
  readonly files: FileSystem.FileSystem
}

type Prepared = Effect.Effect<
  Sendable,
  CommandError | DriverError.DriverCallError | PlatformError.PlatformError,
  Scope.Scope
>

const lent = ({ files, folders }: Local, driver: DriverClient.DriverClient, isRead: boolean, file: string): Prepared =>
  Effect.gen(function*() {
    const resource: commandArguments.LocalResource = isRead
      ? yield* Resource.fromFile(yield* folders.source(file))
      : yield* Resource.toFile(yield* folders.target(file))
    return yield* driver.resource(resource)
  }).pipe(Effect.provideService(FileSystem.FileSystem, files))

/** Fails for names that the method does not have. */
export const known = (schema: inputSchema.InputSchema, input: inputSchema.JsonObject, title: string) => {
  const names = Object.keys(schema.properties)
  const unknown = Object.keys(input).filter((name) => !names.includes(name))
  return unknown.length === 0
    ? Effect.void
    : Effect.fail(usage(`${title} has no argument ${unknown.join(", ")}; it has ${names.join(", ") || "none"}`))
}

/** The arguments in the order of the contract. Optional ones at the end are left out. */
export const prepare = (
  local: Local,
  driver: DriverClient.DriverClient,
  called: commandArguments.Called,
  { args = [], rest }: DriverMethod.ArgumentOptions,
  input: inputSchema.JsonObject
): Effect.Effect<
  ReadonlyArray<Sendable>,
  CommandError | DriverError.DriverCallError | PlatformError.PlatformError,
  Scope.Scope
> => {
  const more = input[inputSchema.restName] ?? []
  if (rest !== undefined && !Array.isArray(more)) {
    return Effect.fail(usage(`${called.title}: ${inputSchema.restName} is a list of arguments`))
  }
  const further: ReadonlyArray<unknown> = rest !== undefined && Array.isArray(more) ? more : []
  const nameOf = (index: number) => inputSchema.nameOf(called.names, index)
  const one = (argument: DriverMethod.Argument, index: number): Prepared => {
    const value = input[nameOf(index)]
    if (DriverMethod.isLent(argument)) {
      return typeof value === "string"
        ? lent(local, driver, DriverMethod.isSource(argument), value)
        : Effect.fail(usage(`${called.title} needs ${nameOf(index)}, the path of a file in an allowed folder`))
    }
    if (DriverMethod.isOptional(argument)) {
      return value === undefined
        ? Effect.succeed(null)
        : commandArguments.checked(called, index, argument.schema, value)
    }
    return value === undefined
      ? Effect.fail(usage(`${called.title} needs the argument ${nameOf(index)}`))
      : commandArguments.checked(called, index, argument, value)
  }
  const given = args.findLastIndex((_, index) => input[nameOf(index)] !== undefined) + 1
  const count = further.length > 0 ? args.length : Math.max(commandArguments.requiredOf(args), given)
  return Effect.forEach([
    ...args.slice(0, count).map(one),
    ...further.map((value, index): Prepared =>
      rest === undefined
        ? Effect.fail(usage(`${called.title} takes no further arguments`))
        : commandArguments.checked(called, args.length + index, rest, value)
    )
  ], (prepared) => prepared)
}
