// Python's own clients, from the published packages, drive our host: interop/drive.py prints what they saw.
import type { Endpoint } from "@effect-jumpstarter/core"
import { Driver, Exporter } from "@effect-jumpstarter/core"
import { Command } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
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

const manyStreams = `
import sys
from contextlib import ExitStack
from anyio.from_thread import start_blocking_portal
from jumpstarter.client import client_from_path

with start_blocking_portal() as portal, ExitStack() as stack:
    connecting = client_from_path(sys.argv[1], portal, stack, allow=[], unsafe=True, insecure=True)
    with portal.wrap_async_context_manager(connecting) as client:
        for number in range(50):
            with client.stream("echo") as stream:
                stream.send(str(number).encode())
                assert stream.receive() == str(number).encode()
        print("done")
`

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

  it.scopedLive("open more byte streams than one connection may have at once, one after another", () =>
    Effect.gen(function*() {
      const exporter = yield* Exporter.make(Driver.make({
        client: "jumpstarter.client.DriverClient",
        methods: { echo: Driver.streamTransform((input) => input) }
      }))
      const path = yield* temporary.socketPath
      yield* Exporter.serve(exporter, { path }, { maxConcurrentStreams: 10 })
      const [file, ...args] = python.script(manyStreams)
      const said = yield* Command.make(file, ...args, path).pipe(
        Command.stderr("inherit"),
        Command.string,
        Effect.provide(NodeContext.layer)
      )
      assert.strictEqual(said.trim(), "done")
    }).pipe(quietly))
})
