// What commands print: text for people, or with `--json` one JSON document, or a line of JSON for each item of a stream.
import * as Effect from "effect/Effect"
import { Tty } from "./Tty.ts"
import * as visible from "./visible.ts"

/** A value to print as JSON. Undefined properties are left out. */
export type Json =
  | null
  | boolean
  | number
  | string
  | ReadonlyArray<Json>
  | { readonly [key: string]: Json | undefined }

/** Prints lines that are visible already. */
export const print = (...lines: ReadonlyArray<string>): Effect.Effect<void, never, Tty> =>
  Effect.flatMap(Tty, ({ output }) => output.write(lines.map((line) => `${line}\n`).join("")))

/** Prints to the error output, where notes do not disturb what a program reads. */
export const note = (text: string): Effect.Effect<void, never, Tty> =>
  Effect.flatMap(Tty, ({ errors }) => errors.write(`${visible.line(text)}\n`))

export const compact = (value: Json): string => visible.json(JSON.stringify(value))

const pretty = (value: Json): string => visible.json(JSON.stringify(value, null, 2))

/** Prints a document: as JSON, or as lines of text. */
export const document = (
  asJson: boolean,
  value: Json,
  text: () => ReadonlyArray<string>
): Effect.Effect<void, never, Tty> => asJson ? print(pretty(value)) : print(...text())

/** Prints an item of a stream: as one line of JSON, or as text. */
export const item = (asJson: boolean, value: Json, text: () => string): Effect.Effect<void, never, Tty> =>
  print(asJson ? compact(value) : text())

/** A value for people: a text as it is, nothing for null, and JSON for everything else. */
export const shown = (value: Json): ReadonlyArray<string> =>
  value === null ? [] : typeof value === "string" ? visible.lines(value) : pretty(value).split("\n")

/** The columns of a table, each as wide as its widest cell. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = rows.reduce<Array<number>>(
    (widths, row) => row.map((cell, index) => Math.max(cell.length, widths[index] ?? 0)),
    []
  )
  return rows.map((row) => row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join("  ").trimEnd())
}
