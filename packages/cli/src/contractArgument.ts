// The kinds of arguments in a contract.
import type * as DriverMethod from "@effect-jumpstarter/core/DriverMethod"
import * as Predicate from "effect/Predicate"

export const isOptional = (
  argument: DriverMethod.Argument
): argument is DriverMethod.OptionalArgument<DriverMethod.AnySchema, unknown> =>
  Predicate.isTagged(argument, "OptionalArgument")

export const isSource = (argument: DriverMethod.Argument): argument is DriverMethod.SourceArgument =>
  Predicate.isTagged(argument, "SourceArgument")

export const isSink = (argument: DriverMethod.Argument): argument is DriverMethod.SinkArgument =>
  Predicate.isTagged(argument, "SinkArgument")

/** How many arguments have to be given. */
export const requiredOf = (args: DriverMethod.Arguments): number =>
  args.findLastIndex((argument) => !isOptional(argument)) + 1
