// Flashes a compressed image with a progress bar, and shows a typed failure.
import { ContentEncoding, Device, ProgressBar, Resource } from "@effect-jumpstarter/core"
import { Flasher } from "@effect-jumpstarter/core/drivers"
import { ExporterTest, FlasherTest } from "@effect-jumpstarter/core/testing"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Sink, Stream } from "effect"

class BoardFlasher extends Device.Tag("acme/BoardFlasher", Flasher.contract)<BoardFlasher>() {}

const image = Stream.range(1, 2_000).pipe(Stream.map((line) => `line ${line}\n`), Stream.encodeText)

const count = Resource.sink(Sink.foldLeft(0, (size, bytes: Uint8Array) => size + bytes.length))

const flash = Effect.gen(function*() {
  const flasher = yield* BoardFlasher
  // The image is sent compressed, and the exporter decodes it. `Resource.fromFile("image.gz", { contentEncoding: "gzip" })`
  // does the same with a file.
  const source = Resource.source(ContentEncoding.encode("gzip")(image), { contentEncoding: "gzip" })
  yield* flasher.flash(source.pipe(ProgressBar.show(), Resource.withIdleTimeout("1 minute")), "root")
  yield* Console.log(`stored ${yield* flasher.dump(count, "root")} bytes`)
  yield* flasher.dump(count, "boot")
}).pipe(
  Effect.catchTag("DriverError", (error) => Console.log(error.message))
)

flash.pipe(
  Effect.provide(BoardFlasher.layer("flasher")),
  Effect.provide(ExporterTest.layer(Effect.map(FlasherTest.make(), ({ driver }) => ({ flasher: driver })))),
  NodeRuntime.runMain
)
