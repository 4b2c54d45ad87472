// The contracts of drivers, found by the label that a driver reports.
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

/** The contract of a driver, and what the catalogue says about its methods. */
export interface Contract {
  readonly entry: Entry
  readonly contract: DriverInterface.Any
}

export const of = (driver: Labelled): Effect.Effect<Contract | undefined> => {
  const entry = entryOf(driver)
  return entry === undefined
    ? Effect.succeed(undefined)
    : Effect.map(Effect.promise(entry.load), (contract) => ({ entry, contract }))
}

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
