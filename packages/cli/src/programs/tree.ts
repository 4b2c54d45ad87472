// Lists the drivers of an exporter.
import type * as DriverClient from "@effect-jumpstarter/core/DriverClient"
import * as DriverTree from "@effect-jumpstarter/core/DriverTree"
import * as ExporterConnection from "@effect-jumpstarter/core/ExporterConnection"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as contracts from "../contracts.ts"
import * as driverTree from "../driverTree.ts"
import type { Target } from "../options.ts"
import * as output from "../output.ts"
import * as ownContracts from "../ownContracts.ts"
import * as target from "../target.ts"
import * as visible from "../visible.ts"

interface Arguments {
  readonly target: Target
  readonly contracts: ReadonlyArray<string>
  readonly json: boolean
  readonly methods: boolean
}

const signature = (known: contracts.Known, driver: DriverClient.DriverClient, name: string): string => {
  const method = known.entryOf(driver)?.methods[name]
  if (method === undefined) return name
  const kind = { Call: "", StreamingCall: ", a stream of items", Stream: ", a stream of bytes" }[method.kind]
  return `${name}(${method.arguments.join(", ")})  ${method.effect}${kind}`
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

const asText = (
  known: contracts.Known,
  root: DriverClient.DriverClient,
  withMethods: boolean
): ReadonlyArray<string> => {
  const drivers = DriverTree.nodes(root)
  const rows = output.table(drivers.map((driver) => [
    branches(driver, root) + visible.line(driver.path.length === 0 ? "." : driver.name),
    visible.line(known.entryOf(driver)?.name ?? "-"),
    visible.line(contracts.labelOf(driver)),
    visible.line(Option.getOrElse(driver.description, () => ""))
  ]))
  return rows.flatMap((row, index) => {
    const driver = drivers[index]!
    const indent = `${branches(driver, root).replaceAll("├─ ", "│  ").replaceAll("└─ ", "   ")}${
      driver.children.size > 0 ? "│  " : "   "
    }  `
    return withMethods
      ? [
        row,
        ...Object.keys(driverTree.methodsOf(known, driver)).map((name) =>
          indent + visible.line(signature(known, driver, name))
        )
      ]
      : [row]
  })
}

export const run = ({ contracts: files, json, methods, target: place }: Arguments) =>
  Effect.gen(function*() {
    const known = yield* ownContracts.load(files)
    const program = Effect.gen(function*() {
      const { address, labels, root, uuid } = yield* ExporterConnection.ExporterConnection
      yield* output.document(
        json,
        { address, uuid, labels, root: driverTree.json(known, root) },
        () => asText(known, root, methods)
      )
    })
    yield* Effect.provide(program, target.layer(place))
  })
