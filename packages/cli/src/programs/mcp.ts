// Serves the drivers of an exporter to an agent, over standard input and output.
import * as ExporterConnection from "@effect-jumpstarter/core/ExporterConnection"
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js"
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js"
import * as Effect from "effect/Effect"
import * as server from "../mcp/server.ts"
import type { Target } from "../options.ts"
import * as output from "../output.ts"
import * as ownContracts from "../ownContracts.ts"
import * as target from "../target.ts"

export interface Arguments {
  readonly target: Target
  readonly contracts: ReadonlyArray<string>
  readonly allowWrites: boolean
  readonly allow: ReadonlyArray<string>
  readonly allowPath: ReadonlyArray<string>
}

// The transport does not notice that its client has left.
const stdio = Effect.acquireRelease(
  Effect.sync(() => {
    const transport = new StdioServerTransport()
    const left = () => void transport.close()
    process.stdin.once("end", left)
    return { transport, left }
  }),
  ({ left }) => Effect.sync(() => process.stdin.off("end", left))
)

/** Serves a client over a transport until it leaves. A lease is held for as long. */
export const session = (transport: Transport, { allow, allowPath, allowWrites, contracts, target: place }: Arguments) =>
  Effect.gen(function*() {
    const known = yield* ownContracts.load(contracts)
    const allowed = allow.flatMap((names) => names.split(",")).map((name) => name.trim())
    const serving = Effect.gen(function*() {
      const connection = yield* ExporterConnection.ExporterConnection
      yield* output.note(`serving ${connection.address} over standard input and output`)
      yield* server.serve(transport, connection, {
        policy: { writes: allowWrites, allowed },
        folders: allowPath,
        known
      })
    })
    yield* Effect.provide(serving, target.layer(place))
  })

export const run = (args: Arguments) =>
  Effect.scoped(Effect.flatMap(stdio, ({ transport }) => session(transport, args)))
