// Traces a program with OpenTelemetry: prints one trace of the program, its calls, and their handling by the exporter.
import { Driver, DriverFailure, ExporterConnection } from "@effect-jumpstarter/core"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { ConsoleSpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-node"
import { Console, Effect, Layer } from "effect"

const program = Effect.gen(function*() {
  const power = yield* ExporterConnection.driver("power")
  yield* power.call("on")
  yield* power.call("off")
}).pipe(
  Effect.withSpan("smoke test"),
  Effect.catchTag("DriverError", (error) => Console.log(error.message))
)

const power = Driver.make({
  client: "jumpstarter_driver_power.client.PowerClient",
  methods: {
    // A driver's own spans are children of the call's span.
    on: Driver.call(() => Effect.sleep("20 millis").pipe(Effect.withSpan("close the relay"))),
    off: Driver.call(() => DriverFailure.make("Device", "the relay is stuck"))
  }
})

const tracing = NodeSdk.layer(() => ({
  resource: { serviceName: "smoke-test" },
  spanProcessor: new SimpleSpanProcessor(new ConsoleSpanExporter())
}))

program.pipe(
  // With `ExporterConnection.layerEnv()` the exporter's spans come from another process, in the same trace.
  Effect.provide(Layer.provideMerge(ExporterTest.layer({ power }), tracing)),
  NodeRuntime.runMain
)
