// The tree of drivers as JSON.
import type * as DriverClient from "@effect-jumpstarter/core/DriverClient"
import * as Option from "effect/Option"
import * as contracts from "./contracts.ts"
import type { Json } from "./output.ts"

/** The methods of the contract, and those that the exporter describes. */
export const methodsOf = (
  known: contracts.Known,
  driver: DriverClient.DriverClient
): Readonly<Record<string, string | undefined>> => ({
  ...Object.fromEntries(Object.keys(known.entryOf(driver)?.methods ?? {}).map((name) => [name, undefined])),
  ...driver.methodsDescription
})

export const json = (known: contracts.Known, driver: DriverClient.DriverClient): Json => {
  const entry = known.entryOf(driver)
  return {
    path: driver.path,
    uuid: driver.uuid,
    client: contracts.labelOf(driver),
    labels: driver.labels,
    description: Option.getOrNull(driver.description),
    contract: entry?.name ?? null,
    methods: Object.entries(methodsOf(known, driver)).map(([name, description]) => ({
      name,
      kind: entry?.methods[name]?.kind,
      effect: entry?.methods[name]?.effect,
      arguments: entry?.methods[name]?.arguments,
      description
    })),
    children: Array.from(driver.children.values(), (child) => json(known, child))
  }
}
