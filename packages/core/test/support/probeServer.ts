// The TypeScript probe as a program, like interop/exporter.py. Options: --unix PATH, --tcp and --passphrase SECRET.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { parseArgs } from "node:util"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import * as probeExporter from "./probeExporter.ts"
import { socketPath } from "./temporary.ts"

const { values } = parseArgs({
  options: { unix: { type: "string" }, tcp: { type: "boolean" }, passphrase: { type: "string" } }
})

const anyPort = { host: "127.0.0.1", port: 0 }

const address = (endpoint: Endpoint.Endpoint): string => Endpoint.format(endpoint).slice("tcp:".length)

const inputEnded = Effect.async<void>((resume) => {
  process.stdin.resume().once("close", () => resume(Effect.void))
})

const program = Effect.gen(function*() {
  const exporter = yield* probeExporter.make
  const path = values.unix ?? (yield* socketPath)
  yield* Exporter.serve(exporter, { path })
  const tcp = values.tcp === true ? address(yield* Exporter.serve(exporter, anyPort)) : undefined
  const passphraseTcp = values.passphrase === undefined
    ? undefined
    : address(yield* Exporter.serve(exporter, anyPort, { passphrase: Redacted.make(values.passphrase) }))
  process.stdout.write(`${JSON.stringify({ unix: path, pid: process.pid, tcp, passphraseTcp })}\n`)
  yield* inputEnded
}).pipe(Effect.scoped, Effect.provide(probeExporter.quiet))

NodeRuntime.runMain(program)
