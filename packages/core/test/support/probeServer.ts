// The TypeScript probe as a program: like interop/exporter.py, with the options --unix PATH and
// --passphrase SECRET.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { parseArgs } from "node:util"
import * as Endpoint from "../../src/Endpoint.ts"
import * as Exporter from "../../src/Exporter.ts"
import * as probeExporter from "./probeExporter.ts"
import { socketPath } from "./temporary.ts"

const { values } = parseArgs({ options: { unix: { type: "string" }, passphrase: { type: "string" } } })

const inputEnded = Effect.async<void>((resume) => {
  process.stdin.resume().once("close", () => resume(Effect.void))
})

const program = Effect.gen(function*() {
  const exporter = yield* probeExporter.make
  const path = values.unix ?? (yield* socketPath)
  yield* Exporter.serve(exporter, { path })
  const passphraseTcp = values.passphrase === undefined ? undefined : Endpoint.format(
    yield* Exporter.serve(exporter, { host: "127.0.0.1", port: 0 }, { passphrase: Redacted.make(values.passphrase) })
  ).slice("tcp:".length)
  process.stdout.write(`${JSON.stringify({ unix: path, pid: process.pid, passphraseTcp })}\n`)
  yield* inputEnded
}).pipe(Effect.scoped, Effect.provide(probeExporter.quiet))

NodeRuntime.runMain(program)
