// Lists the drivers of an exporter.
import type * as DriverClient from "@effect-jumpstarter/core/DriverClient"
import * as DriverTree from "@effect-jumpstarter/core/DriverTree"
import * as ExporterConnection from "@effect-jumpstarter/core/ExporterConnection"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as contracts from "../contracts.ts"
import type { Target } from "../options.ts"
import * as output from "../output.ts"
import * as target from "../target.ts"
import * as visible from "../visible.ts"

interface Arguments {
  readonly target: Target
  readonly json: boolean
  readonly methods: boolean
}

const methodsOf = (driver: DriverClient.DriverClient): Readonly<Record<string, string | undefined>> => ({
  ...Object.fromEntries(Object.keys(contracts.entryOf(driver)?.methods ?? {}).map((name) => [name, undefined])),
  ...driver.methodsDescription
})

const signature = (driver: DriverClient.DriverClient, name: string): string => {
  const method = contracts.entryOf(driver)?.methods[name]
  if (method === undefined) return name
  const kind = { Call: "", StreamingCall: ", a stream of items", Stream: ", a stream of bytes" }[method.kind]
  return `${name}(${method.arguments.join(", ")})  ${method.effect}${kind}`
}

const asJson = (driver: DriverClient.DriverClient): output.Json => {
  const entry = contracts.entryOf(driver)
  return {
    path: driver.path,
    uuid: driver.uuid,
    client: contracts.labelOf(driver),
    labels: driver.labels,
    description: Option.getOrNull(driver.description),
    contract: entry?.name ?? null,
    methods: Object.entries(methodsOf(driver)).map(([name, description]) => ({
      name,
      kind: entry?.methods[name]?.kind,
      effect: entry?.methods[name]?.effect,
      arguments: entry?.methods[name]?.arguments,
      description
    })),
    children: Array.from(driver.children.values(), asJson)
  }
}

// The lines that lead from a driver to its parent.
const branches = (driver: DriverClient.DriverClient, root: DriverClient.DriverClient): string => {
  let lines = ""
  let parent = root
  driver.path.forEach((name, depth) => {
    const isLast = [...parent.children.keys()].at(-1) === name
    const isOwn = depth === driver.path.length - 1
    lines += isOwn ? (isLast ? "└─ " : "├─ ") : isLast ? "   " : "│  "
    parent = parent.children.get(name) ?? parent
  })
  return lines
}

const asText = (root: DriverClient.DriverClient, withMethods: boolean): ReadonlyArray<string> => {
  const drivers = DriverTree.nodes(root)
  const rows = output.table(drivers.map((driver) => [
    branches(driver, root) + visible.line(driver.path.length === 0 ? "." : driver.name),
    contracts.entryOf(driver)?.name ?? "-",
    visible.line(contracts.labelOf(driver)),
    visible.line(Option.getOrElse(driver.description, () => ""))
  ]))
  return rows.flatMap((row, index) => {
    const driver = drivers[index]!
    const indent = `${branches(driver, root).replaceAll("├─ ", "│  ").replaceAll("└─ ", "   ")}${
      driver.children.size > 0 ? "│  " : "   "
    }  `
    return withMethods
      ? [row, ...Object.keys(methodsOf(driver)).map((name) => indent + visible.line(signature(driver, name)))]
      : [row]
  })
}

export const run = ({ json, methods, target: place }: Arguments) =>
  Effect.gen(function*() {
    const { address, labels, root, uuid } = yield* ExporterConnection.ExporterConnection
    yield* output.document(
      json,
      { address, uuid, labels, root: asJson(root) },
      () => asText(root, methods)
    )
  }).pipe(Effect.provide(target.layer(place)))
