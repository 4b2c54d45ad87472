// The kinds of arguments in a contract.
import * as Predicate from "effect/Predicate"
import type * as DriverMethod from "./DriverMethod.ts"

export const isOptional = (
  argument: DriverMethod.Argument
): argument is DriverMethod.OptionalArgument<DriverMethod.AnySchema, unknown> =>
  Predicate.isTagged(argument, "OptionalArgument")

export const isSource = (argument: DriverMethod.Argument): argument is DriverMethod.SourceArgument =>
  Predicate.isTagged(argument, "SourceArgument")

export const isSink = (argument: DriverMethod.Argument): argument is DriverMethod.SinkArgument =>
  Predicate.isTagged(argument, "SinkArgument")

export const isLent = (
  argument: DriverMethod.Argument
): argument is DriverMethod.SourceArgument | DriverMethod.SinkArgument => isSource(argument) || isSink(argument)
