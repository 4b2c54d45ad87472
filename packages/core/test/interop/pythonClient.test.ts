// Python's own clients, from the published packages, drive our host: interop/drive.py prints what they saw.
import type { Endpoint } from "@effect-jumpstarter/core"
import { Driver, Exporter } from "@effect-jumpstarter/core"
import { Command } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { describe, it } from "@effect/vitest"
import { Effect, Logger, Redacted } from "effect"
import * as python from "../support/python.ts"
import * as pythonBoard from "../support/pythonBoard.ts"
import * as temporary from "../support/temporary.ts"

const makeBoard = Effect.gen(function*() {
  const { drivers, supply } = yield* pythonBoard.make
  return { supply, exporter: yield* Exporter.make(Driver.composite(drivers)) }
})

const drive = (address: string, ...options: ReadonlyArray<string>) => {
  const [file, ...args] = python.drive()
  return Command.make(file, ...args, address, ...options).pipe(
    Command.stderr("inherit"),
    Command.string,
    Effect.flatMap(pythonBoard.reported),
    Effect.provide(NodeContext.layer)
  )
}

const addressOf = (endpoint: Endpoint.Endpoint): string =>
  endpoint._tag === "Unix" ? endpoint.path : `${endpoint.host}:${endpoint.port}`

const quietly = Effect.provide(Logger.remove(Logger.defaultLogger))

describe("Python's clients", () => {
  it.scopedLive("drive our host on a unix socket", () =>
    Effect.gen(function*() {
      const { exporter, supply } = yield* makeBoard
      const endpoint = yield* Exporter.serve(exporter, { path: yield* temporary.socketPath })
      pythonBoard.check(yield* drive(addressOf(endpoint)), yield* supply.events)
    }).pipe(quietly))

  it.scopedLive("drive our host over TCP with a passphrase", () =>
    Effect.gen(function*() {
      const { exporter, supply } = yield* makeBoard
      const endpoint = yield* Exporter.serve(exporter, { host: "127.0.0.1", port: 0 }, {
        passphrase: Redacted.make("sesame")
      })
      pythonBoard.check(yield* drive(addressOf(endpoint), "--passphrase", "sesame"), yield* supply.events)
    }).pipe(quietly))
})
