// What the published driver packages export, as interop/census.py reads it from their sources, and how a contract differs from it.
import type { DriverInterface, DriverMethod } from "@effect-jumpstarter/core"
import { Schema } from "effect"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { repository } from "./process.ts"

const Method = Schema.Struct({
  kind: Schema.Literal("Call", "StreamingCall", "Stream"),
  /** It only says that the driver does not have it. */
  stub: Schema.Boolean,
  parameters: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      optional: Schema.Boolean,
      /** The driver opens it as a client's resource. */
      lent: Schema.Boolean
    })
  ),
  /** It takes any number of further arguments. */
  rest: Schema.Boolean
})

type Method = typeof Method.Type

const DriverClass = Schema.Struct({
  class: Schema.String,
  label: Schema.String,
  methods: Schema.Record({ key: Schema.String, value: Method })
})

export type DriverClass = typeof DriverClass.Type

/** The Python that has the sources; scripts/test.mjs sets it. */
export const python = process.env["JUMPSTARTER_CENSUS_PYTHON"]

export const read = async (): Promise<ReadonlyArray<DriverClass>> => {
  const { stdout } = await promisify(execFile)(python ?? "", [`${repository}interop/census.py`])
  return Schema.decodeUnknownSync(Schema.parseJson(Schema.Array(DriverClass)))(stdout)
}

const shownParameters = ({ parameters, rest }: Method): string =>
  [...parameters.map(({ lent, optional }) => `${lent ? "lent" : "_"}${optional ? "?" : ""}`), ...rest ? ["_*"] : []]
    .join(", ")

const shownArgument = (argument: DriverMethod.Argument): string =>
  "_tag" in argument ? argument._tag === "OptionalArgument" ? "_?" : "lent" : "_"

const shownArguments = (method: DriverMethod.Any): string => {
  if (method._tag === "Stream") return ""
  const { args = [], rest } = method.options
  return [...args.map(shownArgument), ...rest === undefined ? [] : ["_*"]].join(", ")
}

/** How a contract differs from the drivers of its label, each difference as `METHOD: WHAT`. */
export const differences = (
  { methods }: DriverInterface.Any,
  classes: ReadonlyArray<DriverClass>
): ReadonlyArray<string> => {
  const found = new Set<string>()
  for (const name of Object.keys(methods)) {
    if (!classes.some((driver) => name in driver.methods)) found.add(`${name}: no driver has it`)
  }
  for (const name of new Set(classes.flatMap((driver) => Object.keys(driver.methods)))) {
    const method = methods[name]
    if (method === undefined) {
      found.add(`${name}: the contract lacks it`)
      continue
    }
    const exported = classes.flatMap((driver) => driver.methods[name] ?? [])
    const working = exported.filter(({ stub }) => !stub)
    const everywhere = working.length === classes.length
    if (everywhere === (method.options.optional === true)) {
      found.add(`${name}: ${everywhere ? "all drivers have it" : "some drivers lack it"}`)
    }
    // Whether a stub would stream its results, its source does not say.
    for (const published of working.length === 0 ? exported : working) {
      if (published.kind !== method._tag && !published.stub) {
        found.add(`${name}: a ${published.kind}, not a ${method._tag}`)
      }
      const [actual, described] = [shownParameters(published), shownArguments(method)]
      if (actual !== described) found.add(`${name}: takes (${actual}), not (${described})`)
    }
  }
  return [...found]
}

const required = (parts: ReadonlyArray<string>): number => parts.filter((part) => !/[?*]$/.test(part)).length

/** What a program that is written for a general contract would miss in a driver that speaks for it. */
export const gaps = ({ methods }: DriverInterface.Any, { methods: exported }: DriverClass): ReadonlyArray<string> =>
  Object.entries(methods).flatMap(([name, method]): ReadonlyArray<string> => {
    const published = exported[name]
    if (published === undefined || published.stub) {
      return method.options.optional === true ? [] : [`${name}: the driver lacks it`]
    }
    if (published.kind !== method._tag) return [`${name}: a ${published.kind}, not a ${method._tag}`]
    const takes = shownParameters(published).split(", ").filter(Boolean)
    const given = shownArguments(method).split(", ").filter(Boolean)
    return given.length <= takes.length && required(takes) <= required(given)
        && given.every((part, index) => part.startsWith("lent") === takes[index]?.startsWith("lent"))
      ? []
      : [`${name}: takes (${takes.join(", ")}), not (${given.join(", ")})`]
  })
