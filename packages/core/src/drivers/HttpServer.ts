/**
 * HTTP servers on the exporter, for devices that fetch their software (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import type * as Resource from "../resource/Resource.ts"
import * as family from "./family/server.ts"
import * as Opendal from "./Opendal.ts"

/**
 * The contract. The served files are in the driver's child `storage`, which implements `Opendal.contract`.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { HttpServer, Opendal } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class Downloads extends Device.Tag("acme/Downloads", HttpServer.contract)<Downloads>() {}
 * class DownloadFiles extends Device.Tag("acme/DownloadFiles", Opendal.contract)<DownloadFiles>() {}
 *
 * const publish = Effect.gen(function*() {
 *   const server = yield* Downloads
 *   yield* server.start()
 *   const update = yield* Resource.fromFile("update.raucb")
 *   return yield* HttpServer.putFile(server, yield* DownloadFiles, "update.raucb", update)
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_http.client.HttpServerClient", {
  ...family.running,
  /** The URL of the server, without a trailing slash. */
  get_url: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "The URL of the server, without a trailing slash.",
    idempotent: true
  }),
  ...family.listening
}, { driverType: "network" })

/**
 * The client of an HTTP server.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * Writes a file into the storage of a server, and returns the URL of the file.
 *
 * @since 0.1.0
 * @category combinators
 */
export const putFile = <E, R>(
  server: Pick<Client, "get_url">,
  storage: Pick<Opendal.Client, "open" | "file_write" | "file_close">,
  path: string,
  source: Resource.Source<void, E, R>
): Effect.Effect<string, DriverCallError | E, R> =>
  callers.on(callers.of(), () =>
    Effect.zipRight(
      Opendal.writeFile(storage, path, source),
      Effect.map(
        server.get_url(),
        (url) => `${url}/${path.replace(/^\/+/, "").split("/").map(encodeURIComponent).join("/")}`
      )
    ))
