// Flashes a compressed image, with a progress bar, and shows what a typed failure looks like.
import { ContentEncoding, Driver, ExporterConnection, ProgressBar, Resource } from "@effect-jumpstarter/core"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Stream } from "effect"

const image = Stream.range(1, 2_000).pipe(Stream.map((line) => `line ${line}\n`), Stream.encodeText)

const flash = Effect.gen(function*() {
  const storage = yield* ExporterConnection.driver("storage")
  // Sent as it is: the exporter decodes it. A file would be `Resource.fromFile("image.gz", { ... })`.
  const source = Resource.source(ContentEncoding.encode("gzip")(image), { contentEncoding: "gzip" })
  const size = yield* storage.call("flash", yield* storage.resource(ProgressBar.show(source)))
  yield* Console.log(`stored ${size} bytes`)
  yield* storage.call("dump")
}).pipe(
  Effect.scoped,
  Effect.catchTag("MethodNotImplemented", (error) => Console.log(error.message))
)

const storage = Driver.make({
  client: "jumpstarter_driver_opendal.client.FlasherClient",
  methods: {
    flash: Driver.call(([source], { resource }) =>
      Effect.flatMap(resource(source), ({ read }) => Stream.runFold(read, 0, (size, bytes) => size + bytes.length))
        .pipe(
          Effect.scoped
        )
    )
  }
})

flash.pipe(Effect.provide(ExporterTest.layer({ storage })), NodeRuntime.runMain)
