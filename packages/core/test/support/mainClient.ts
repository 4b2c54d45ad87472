// A program that is ended from outside, or not at all. docs/running.md says how each program ends.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Schedule from "effect/Schedule"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"

const [, , path = "", what = "main"] = process.argv

const say = (line: string) => Effect.sync(() => void process.stdout.write(`${line}\n`))

const connection = ExporterConnection.layer(Endpoint.unix(path), {
  reconnect: what === "kept" || what === "disposed" ? Schedule.spaced("1 second") : undefined
})

const main = Effect.gen(function*() {
  const probe = yield* ExporterConnection.driver("probe")
  yield* Effect.acquireRelease(probe.call("events"), () => say("released"))
  yield* say("ready")
  return yield* Effect.never
}).pipe(Effect.scoped, Effect.provide(connection), Effect.provide(Logger.remove(Logger.defaultLogger)))

const awaiting = async () => {
  const runtime = ManagedRuntime.make(connection)
  await runtime.runPromise(Effect.flatMap(ExporterConnection.driver("probe"), (probe) => probe.call("events")))
  process.stdout.write("ready\n")
  // This timer does not keep the process alive. It fires only if something else does.
  setTimeout(() => process.stdout.write("alive\n", () => process.exit(0)), 1_000).unref()
  if (what === "disposed") await runtime.dispose()
}

if (what === "main") NodeRuntime.runMain(main)
else if (what === "teardown") {
  NodeRuntime.runMain(main, {
    teardown: (exit, done) => done(Exit.isSuccess(exit) ? 0 : Cause.isInterruptedOnly(exit.cause) ? 130 : 1)
  })
} else void awaiting()
