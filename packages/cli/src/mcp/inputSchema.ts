// The JSON Schema of a tool's input, from the schemas of a method's arguments and their names.
import * as DriverMethod from "@effect-jumpstarter/core/DriverMethod"
import * as JSONSchema from "effect/JSONSchema"
import * as Schema from "effect/Schema"
import { argumentName } from "../contracts.ts"

/** An object of JSON. */
export type JsonObject = { readonly [key: string]: unknown }

export interface InputSchema {
  readonly type: "object"
  readonly properties: { readonly [name: string]: object }
  readonly required: Array<string>
  readonly additionalProperties: false
  readonly $defs?: { readonly [name: string]: object }
}

interface Property {
  readonly name: string
  readonly isRequired: boolean
  readonly schema: object
  readonly definitions: JsonObject
}

const made = (schema: DriverMethod.AnySchema): { readonly schema: object; readonly definitions: JsonObject } => {
  const { $defs = {}, $schema: _, ...made } = JSONSchema.make(schema)
  return { schema: made, definitions: $defs }
}

// A schema with a part that has no JSON Schema has one of what is sent, such as a text. The call checks the rest.
const ofSchema = (schema: DriverMethod.AnySchema): ReturnType<typeof made> => {
  try {
    return made(schema)
  } catch {
    return made(Schema.encodedSchema(schema))
  }
}

const file = (description: string) => ({ schema: { type: "string", description }, definitions: {} })

const ofArgument = (argument: DriverMethod.Argument, name: string): Property => {
  if (DriverMethod.isSource(argument)) {
    return { name, isRequired: true, ...file("The path of a local file in an allowed folder, which the driver reads.") }
  }
  if (DriverMethod.isSink(argument)) {
    return { name, isRequired: true, ...file("The path of a local file in an allowed folder, which is written.") }
  }
  return DriverMethod.isOptional(argument)
    ? { name, isRequired: false, ...ofSchema(argument.schema) }
    : { name, isRequired: true, ...ofSchema(argument) }
}

/** The property with the arguments that may follow the described ones. */
export const restName = "more"

export const nameOf = (names: ReadonlyArray<string>, index: number): string => names[index] ?? argumentName(index)

export const of = (
  { args = [], rest }: DriverMethod.ArgumentOptions,
  names: ReadonlyArray<string>,
  further: { readonly [name: string]: object } = {}
): InputSchema => {
  const properties = args.map((argument, index) => ofArgument(argument, nameOf(names, index)))
  const more = rest === undefined ? undefined : ofSchema(rest)
  const definitions: { [name: string]: object } = {}
  for (const { definitions: own } of [...properties, ...more === undefined ? [] : [more]]) {
    Object.assign(definitions, own)
  }
  return {
    type: "object",
    properties: {
      ...Object.fromEntries(properties.map(({ name, schema }) => [name, schema])),
      ...more === undefined ? {} : { [restName]: { type: "array", items: more.schema } },
      ...further
    },
    required: properties.flatMap(({ isRequired, name }) => isRequired ? [name] : []),
    additionalProperties: false,
    ...Object.keys(definitions).length === 0 ? {} : { $defs: definitions }
  }
}
