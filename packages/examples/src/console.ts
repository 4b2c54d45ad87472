// Sends a line to a serial console and waits for the answer.
import { Driver, ExporterConnection } from "@effect-jumpstarter/core"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Option, Stream } from "effect"

const ask = (line: string) =>
  Effect.gen(function*() {
    const serial = yield* ExporterConnection.driver("console")
    const stream = yield* serial.stream("connect")
    yield* stream.write(new TextEncoder().encode(`${line}\n`))
    return yield* stream.read.pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.filter((answer) => answer !== line),
      Stream.runHead,
      Effect.timeout("5 seconds")
    )
  }).pipe(Effect.scoped)

const board = Driver.make({
  client: "jumpstarter_driver_pyserial.client.PySerialClient",
  methods: {
    connect: Driver.streamTransform((input) =>
      input.pipe(
        Stream.decodeText(),
        Stream.splitLines,
        Stream.map((line) => `${line}\r\n${line === "version" ? "U-Boot 2025.04" : "Unknown command"}\r\n`),
        Stream.encodeText
      )
    )
  }
})

ask("version").pipe(
  Effect.flatMap((answer) => Console.log(Option.getOrElse(answer, () => "the console was closed"))),
  Effect.provide(ExporterTest.layer({ console: board })),
  NodeRuntime.runMain
)
