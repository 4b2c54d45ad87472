// The contracts of drivers, found by the label that a driver reports: those of the library, and with --contracts those of the user.
import type * as DriverInterface from "@effect-jumpstarter/core/DriverInterface"
import * as DriverTree from "@effect-jumpstarter/core/DriverTree"
import * as Effect from "effect/Effect"
import { catalogue, type Entry } from "./catalogue.ts"

interface Labelled {
  readonly labels: Readonly<Record<string, string>>
}

export const labelOf = ({ labels }: Labelled): string => labels[DriverTree.clientLabel] ?? ""

/** What is known of a driver's contract without loading it. */
export const entryOf = (driver: Labelled): Entry | undefined =>
  Object.hasOwn(catalogue, labelOf(driver)) ? catalogue[labelOf(driver)] : undefined

/** What is known of the drivers of an exporter. */
export interface Known {
  readonly entryOf: (driver: Labelled) => Entry | undefined
  /** The module that has the contract. */
  readonly sourceOf: (entry: Entry) => string
}

export const published: Known = { entryOf, sourceOf: ({ name }) => `@effect-jumpstarter/core/drivers/${name}` }

/** The contract of a driver, and what is known about its methods. */
export interface Contract {
  readonly entry: Entry
  readonly contract: DriverInterface.Any
}

export const of = (known: Known, driver: Labelled): Effect.Effect<Contract | undefined> => {
  const entry = known.entryOf(driver)
  return entry === undefined
    ? Effect.succeed(undefined)
    : Effect.map(Effect.promise(entry.load), (contract) => ({ entry, contract }))
}

/** The name of an argument that has none. */
export const argumentName = (index: number): string => `argument${index + 1}`

/** A path as people write it; the root has no name of its own. */
export const shownPath = (path: ReadonlyArray<string>): string =>
  path.length === 0
    ? "(root)"
    : path.some((name) => name === "" || name.includes("."))
    ? JSON.stringify(path)
    : path.join(".")

/** A path of the command line: names joined by dots, a JSON list of names, or `.` for the root. */
export const parsePath = (text: string): string | ReadonlyArray<string> => {
  if (text === "." || text === "(root)") return ""
  if (!text.startsWith("[")) return text
  try {
    const names: unknown = JSON.parse(text)
    return Array.isArray(names) && names.every((name) => typeof name === "string") ? names : text
  } catch {
    return text
  }
}
