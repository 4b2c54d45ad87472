// Hosts a fan over TCP, with a contract and a handler of its own, and calls it at the address that BENCH_ADDRESS names.
import {
  Device,
  Driver,
  DriverFailure,
  DriverInterface,
  DriverMethod,
  Endpoint,
  Exporter,
  ExporterConnection
} from "@effect-jumpstarter/core"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Console, Context, Effect, Layer, Schema } from "effect"

const Fan = DriverInterface.make("example.client.FanClient", {
  /** Editors show this comment, and the names of the arguments, where a program calls `set_speed`. */
  set_speed: DriverMethod.call({
    args: DriverMethod.named((rpm = Schema.Number, ramp = DriverMethod.optional(Schema.Boolean)) => [rpm, ramp]),
    result: Schema.Number,
    documentation: "Sets the speed in revolutions per minute, and returns the speed that the fan has then."
  })
})

class BoardFan extends Device.Tag("example/BoardFan", Fan)<BoardFan>() {}

// The handler requires the motor, so the exporter's layer requires it too.
class Motor extends Context.Tag("example/Motor")<Motor, { readonly spin: (rpm: number) => Effect.Effect<number> }>() {}

const fan = Driver.fromInterface(Fan, {
  set_speed: (rpm) =>
    rpm < 0
      ? DriverFailure.make("InvalidArgument", "the fan does not turn backwards")
      : Effect.flatMap(Motor, ({ spin }) => spin(rpm))
})

const simulated = Layer.succeed(Motor, { spin: (rpm) => Effect.succeed(Math.min(rpm, 3_000)) })

// `localLogs: false` leaves out the host's own lines about calls. The exporter's log still has them.
const exporter = Exporter.layer({ fan }, { host: "127.0.0.1", port: 0 }, { localLogs: false }).pipe(
  Layer.provide(simulated)
)

// Connects to the exporter in this program unless BENCH_ADDRESS names another one.
const connection = Layer.unwrapEffect(Effect.map(
  Exporter.ServedExporter,
  ({ endpoint }) => ExporterConnection.layerConfig(Endpoint.config("BENCH_ADDRESS").pipe(Config.withDefault(endpoint)))
))

const program = Effect.gen(function*() {
  const fan = yield* BoardFan
  yield* Console.log(`${yield* fan.set_speed(4_000)} rpm`)
  yield* fan.set_speed(-1)
}).pipe(
  Effect.catchTag("InvalidArgument", (error) => Console.log(error.message))
)

program.pipe(
  Effect.provide(BoardFan.layer("fan")),
  Effect.provide(Layer.provide(connection, exporter)),
  NodeRuntime.runMain
)
