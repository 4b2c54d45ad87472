// The tools of the exporter itself, which only read.
import type * as ExporterConnection from "@effect-jumpstarter/core/ExporterConnection"
import type * as LogEntry from "@effect-jumpstarter/core/LogEntry"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as driverTree from "../driverTree.ts"
import * as logLine from "../logLine.ts"
import type { Json } from "../output.ts"
import * as bounds from "./bounds.ts"
import type { InputSchema } from "./inputSchema.ts"
import type { Surroundings } from "./methods.ts"
import type { Names } from "./names.ts"
import type { Tool } from "./tool.ts"

const nothing: InputSchema = { type: "object", properties: {}, required: [], additionalProperties: false }

const reading = (
  names: Names,
  name: string,
  description: string,
  call: Tool["call"],
  inputSchema: InputSchema = nothing
): Tool => ({
  name: names.of(["exporter"], name),
  title: `exporter ${name}`,
  description: `${description} It only reads.`,
  inputSchema,
  annotations: {
    title: `exporter ${name}`,
    readOnlyHint: true,
    destructiveHint: false,
    idempotentHint: true,
    openWorldHint: false
  },
  call
})

export const of = (
  connection: ExporterConnection.Connection,
  { known, names }: Pick<Surroundings, "known" | "names">
): ReadonlyArray<Tool> => [
  reading(
    names,
    "tree",
    "Lists the drivers of the exporter, with their contracts, methods and descriptions.",
    () =>
      Effect.sync((): Json => ({
        address: connection.address,
        labels: connection.labels,
        root: driverTree.json(known, connection.root)
      }))
  ),
  reading(
    names,
    "status",
    "Returns whether the exporter takes calls.",
    () =>
      Effect.map(connection.status, ({ message, previous, status }): Json => ({
        status,
        message,
        previous: Option.getOrNull(previous)
      }))
  ),
  reading(
    names,
    "log",
    "Reads the exporter's log: the lines that it has kept, and new ones until a bound.",
    (input) =>
      Effect.flatMap(
        bounds.parse(input[bounds.property]),
        (limits) =>
          bounds.collect(Stream.map(connection.logs, (event: LogEntry.LogEvent) => logLine.json(event)), limits)
      ),
    { ...nothing, properties: { [bounds.property]: bounds.schema } }
  )
]
