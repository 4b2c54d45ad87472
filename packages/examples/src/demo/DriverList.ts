/** Prints the exporter and its drivers. */
import { DriverTree, type ExporterConnection } from "@effect-jumpstarter/core"
import type { DriverClient } from "@effect-jumpstarter/core/DriverClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { facts, Screen, shorten } from "./Screen.ts"

/** Returns the name of a driver's interface, without its module. */
export const interfaceName = (driver: DriverClient): string =>
  (driver.labels[DriverTree.clientLabel] ?? "unknown").split(".").at(-1)!

const own = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .filter(([name]) => !name.startsWith("jumpstarter.dev/"))
    .map(([name, value]) => `${name}=${value}`)
    .join(" ")

interface Row {
  readonly name: string
  readonly driver: DriverClient
}

const rowsBelow = (driver: DriverClient, indent: string): ReadonlyArray<Row> =>
  Array.from(driver.children.values()).flatMap((child, index, siblings) => {
    const last = index === siblings.length - 1
    return [
      { name: `${indent}${last ? "└─" : "├─"} ${child.name}`, driver: child },
      ...rowsBelow(child, `${indent}${last ? "   " : "│  "}`)
    ]
  })

/** Prints the exporter of a connection, and its tree of drivers. */
export const show = Effect.fnUntraced(
  function*(connection: typeof ExporterConnection.ExporterConnection.Service) {
    const { paint, print } = yield* Screen
    const status = yield* Effect.match(connection.status, {
      onFailure: (error) => error.message,
      onSuccess: ({ message, status }) => message === "" ? status : `${status} (${message})`
    })
    yield* facts({
      address: connection.address,
      uuid: connection.uuid,
      ...(own(connection.labels) === "" ? {} : { labels: own(connection.labels) }),
      status,
      ...(connection.motd === "" ? {} : { motd: connection.motd })
    })
    yield* print("")
    const rows = [{ name: "exporter", driver: connection.root }, ...rowsBelow(connection.root, "")]
    const nameWidth = Math.max(...rows.map(({ name }) => name.length)) + 2
    const interfaceWidth = Math.max(...rows.map(({ driver }) => interfaceName(driver).length)) + 2
    for (const { driver, name } of rows) {
      const remark = [Option.getOrElse(driver.description, () => ""), own(driver.labels)].filter(Boolean).join(" · ")
      const first = shorten(remark, 76 - nameWidth - interfaceWidth)
      yield* print(
        `  ${name.padEnd(nameWidth)}${paint("note", interfaceName(driver).padEnd(interfaceWidth))}${
          paint("dim", first)
        }`
          .trimEnd()
      )
    }
  }
)
