// Exporters in processes of their own, for tests to break.
import { afterAll, beforeAll } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type * as Scope from "effect/Scope"
import type { DriverClient } from "../../../src/client/DriverClient.ts"
import * as ExporterConnection from "../../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../../src/grpc/Endpoint.ts"
import type { DriverCallError } from "../../../src/protocol/DriverError.ts"
import * as exporterProcess from "../../support/process.ts"
import * as temporary from "../../support/temporary.ts"
import type { Quirks } from "../peer.ts"

export interface Kind {
  readonly name: string
  readonly command: () => exporterProcess.Command
  readonly quirks: Quirks
}

export interface Host {
  readonly quirks: Quirks
  readonly path: string
  /** The probe, through a connection that has no fault. */
  readonly admin: DriverClient
  readonly kill: Effect.Effect<void>
  /** Stops the process until the scope closes. */
  readonly freeze: Effect.Effect<void, never, Scope.Scope>
}

export const start = Effect.fnUntraced(function*({ command, quirks }: Kind, path?: string) {
  const address = path ?? (yield* temporary.socketPath)
  const { kill, ready } = yield* exporterProcess.start(command(), ["--unix", address])
  const connection = yield* ExporterConnection.fromEndpoint(Endpoint.unix(address))
  const signal = (name: NodeJS.Signals) => Effect.sync(() => process.kill(ready.pid, name))
  const host: Host = {
    quirks,
    path: address,
    admin: yield* connection.driver("probe"),
    kill,
    freeze: Effect.acquireRelease(signal("SIGSTOP"), () => signal("SIGCONT"))
  }
  return host
})

class Shared extends Context.Tag("test/faults/Shared")<Shared, Host>() {}

/** Passed to a cell, which causes the fault by itself. */
export interface Stage {
  readonly host: Host
  readonly admin: DriverClient
  readonly connection: ExporterConnection.Connection
  readonly probe: DriverClient
  /** How many bytes the driver has moved in one of its methods. */
  readonly bytes: (method: string) => Effect.Effect<number, DriverCallError>
}

/** Applies a fault to an operation, and returns the outcome. */
export type Cell = (stage: Stage) => Effect.Effect<string, unknown, Scope.Scope>

/** Runs a cell on a connection of its own. */
export const play = (cell: Cell) => (host: Host) =>
  Effect.gen(function*() {
    const { admin } = host
    yield* Effect.acquireRelease(
      admin.call("clear_events"),
      () => Effect.orDie(admin.call("set_status", "LEASE_READY"))
    )
    const connection = yield* ExporterConnection.fromEndpoint(Endpoint.unix(host.path), {
      statusPolling: { watched: "1 millis", idle: "1 millis" }
    })
    return yield* cell({
      host,
      admin,
      connection,
      probe: yield* connection.driver("probe"),
      bytes: (method) => Effect.map(admin.call("bytes_count", method), Number)
    })
  })

/** One exporter for all tests of a file. */
export const shared = (kind: Kind): Effect.Effect<Host> => {
  const runtime = ManagedRuntime.make(
    Layer.orDie(Layer.scoped(Shared, start(kind)))
  )
  beforeAll(() => runtime.runPromise(Effect.void), 60_000)
  afterAll(() => runtime.dispose(), 60_000)
  return Effect.map(runtime.runtimeEffect, ({ context }) => Context.get(context, Shared))
}
