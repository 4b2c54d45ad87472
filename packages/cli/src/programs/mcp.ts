// Serves the drivers of an exporter to an agent, over standard input and output.
import * as ExporterConnection from "@effect-jumpstarter/core/ExporterConnection"
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js"
import * as Effect from "effect/Effect"
import * as server from "../mcp/server.ts"
import type { Target } from "../options.ts"
import * as output from "../output.ts"
import * as target from "../target.ts"

export interface Arguments {
  readonly target: Target
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

export const run = ({ allow, allowPath, allowWrites, target: place }: Arguments) =>
  Effect.gen(function*() {
    const connection = yield* ExporterConnection.ExporterConnection
    const { transport } = yield* stdio
    const allowed = allow.flatMap((names) => names.split(",")).map((name) => name.trim())
    yield* output.note(`serving ${connection.address} over standard input and output`)
    yield* server.serve(transport, connection, { policy: { writes: allowWrites, allowed }, folders: allowPath })
  }).pipe(Effect.scoped, Effect.provide(target.layer(place)))
