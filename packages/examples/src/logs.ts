// Shows an exporter's log while a program runs: warnings and above, with their sources.
import { Driver, ExporterConnection } from "@effect-jumpstarter/core"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, HashMap, Layer, Logger, LogLevel } from "effect"

const program = Effect.gen(function*() {
  const { logStream } = yield* ExporterConnection.ExporterConnection
  yield* logStream({ minimumLogLevel: LogLevel.Warning })
  const sensor = yield* ExporterConnection.driver("sensor")
  yield* sensor.call("calibrate")
}).pipe(Effect.scoped)

const sensor = Driver.make({
  client: "example.client.SensorClient",
  driverType: "sensor",
  methods: {
    calibrate: Driver.call(() =>
      Effect.zipRight(Effect.log("calibrating"), Effect.logWarning("the reference is 0.2 V off"))
    )
  }
})

// Only lines from an exporter's log stream have the annotation `exporter`. This driver also logs in the same process.
const logger = Logger.make(({ annotations, logLevel, message }) => {
  if (!HashMap.has(annotations, "exporter")) return
  const [exporter, driver, operation] = ["exporter", "driver_type", "operation"].map((name) =>
    HashMap.unsafeGet(annotations, name)
  )
  console.log(`${exporter} ${logLevel.label} ${driver}.${operation}: ${message}`)
})

program.pipe(
  Effect.provide(Layer.provideMerge(ExporterTest.layer({ sensor }), Logger.replace(Logger.defaultLogger, logger))),
  NodeRuntime.runMain({ disablePrettyLogger: true })
)
