/** An exporter inside this process, on a real Unix socket, and the connection to it. */
import { Driver, Exporter, ExporterConnection } from "@effect-jumpstarter/core"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Layer from "effect/Layer"
import * as Board from "./Board.ts"

/** Serves a power supply, a console and a storage. The socket is removed when the scope closes. */
export const serve = Effect.gen(function*() {
  const fileSystem = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* fileSystem.makeTempDirectoryScoped({ prefix: "jumpstarter-demo-" })
  const exporter = yield* Exporter.make(
    Driver.composite(yield* Board.make),
    { labels: { board: "demo-board", "example.com/rack": "none" }, motd: "There is no hardware behind this exporter." }
  )
  return yield* Exporter.serve(exporter, { path: path.join(directory, "exporter.sock") })
}).pipe(
  // Disables local logs: as with a remote exporter, the demo reads the drivers' logs from the log stream.
  Effect.locally(FiberRef.currentLoggers, HashSet.empty())
)

export const layer = Layer.unwrapScoped(Effect.map(serve, (endpoint) => ExporterConnection.layer(endpoint)))
