/**
 * A fake HTTP server of an exporter, for devices that fetch their software.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpServer from "../drivers/HttpServer.ts"
import * as Driver from "../host/Driver.ts"
import * as StorageTest from "./StorageTest.ts"

/**
 * A request of the device, and the status of the response.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  readonly path: string
  readonly status: 200 | 404
}

/**
 * The driver, with the state that a test can observe and change.
 *
 * @since 0.1.0
 * @category testing
 */
export interface HttpServerTest {
  /** A driver of `HttpServer.contract`, with the child `storage`. */
  readonly driver: Driver.Driver
  /** The files that the server serves. */
  readonly storage: StorageTest.StorageTest
  readonly isRunning: Effect.Effect<boolean>
  /**
   * Fetches a file as the device would, by its URL or its path. Returns undefined where a device would get no file: the server does
   * not run, or the file is not there.
   */
  readonly fetch: (url: string) => Effect.Effect<Uint8Array | undefined>
  /** The requests that reached the server, in order. */
  readonly requests: Effect.Effect<ReadonlyArray<Request>>
}

/**
 * @since 0.1.0
 * @category testing
 */
export interface HttpServerTestOptions {
  /** The address that the server claims; `192.0.2.1` by default. Nothing listens there. */
  readonly host?: string | undefined
  /** The port that the server claims; 8080 by default. */
  readonly port?: number | undefined
  readonly files?: Readonly<Record<string, Uint8Array | string>> | undefined
}

// A path in a URL, as a path of the storage.
const pathOf = (url: string, base: string): string => decodeURIComponent(new URL(url, base).pathname).replace(/^\//, "")

/**
 * Makes a server that does not run yet. It has no socket: the test fetches with `fetch` what the device would.
 *
 * @since 0.1.0
 * @category testing
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { HttpServer, Opendal } from "@effect-jumpstarter/core/drivers"
 * import { ExporterTest, HttpServerTest } from "@effect-jumpstarter/core/testing"
 * import { Effect } from "effect"
 *
 * const test = Effect.gen(function*() {
 *   const fake = yield* HttpServerTest.make()
 *   const url = yield* Effect.gen(function*() {
 *     const { files, http } = yield* Device.connectAll({
 *       http: [HttpServer.contract, "http"],
 *       files: [Opendal.contract, "http.storage"]
 *     })
 *     yield* http.start()
 *     return yield* HttpServer.putFile(http, files, "update.raucb", Resource.fromBytes(new Uint8Array(1024)))
 *   }).pipe(Effect.provide(ExporterTest.layer({ http: fake.driver })))
 *   return (yield* fake.fetch(url))?.length // 1024
 * })
 * ```
 */
export const make = (options: HttpServerTestOptions = {}): Effect.Effect<HttpServerTest> =>
  Effect.gen(function*() {
    const { host = "192.0.2.1", port = 8080 } = options
    const storage = yield* StorageTest.make(options.files)
    const requests: Array<Request> = []
    let running = false
    // Until it runs, a server in Python has the port 0.
    const currentPort = () => running ? port : 0
    const setRunning = (next: boolean) =>
      Effect.sync(() => {
        running = next
      })
    return {
      driver: Driver.fromInterface(HttpServer.contract, {
        start: () => setRunning(true),
        stop: () => setRunning(false),
        get_url: () => Effect.sync(() => `http://${host}:${currentPort()}`),
        get_host: () => Effect.succeed(host),
        get_port: () => Effect.sync(currentPort)
      }, { children: { storage: storage.driver } }),
      storage,
      isRunning: Effect.sync(() => running),
      fetch: (url) =>
        Effect.map(storage.files, (files) => {
          if (!running) return undefined
          const path = pathOf(url, `http://${host}:${port}`)
          const file = files.get(path) ?? files.get(`/${path}`)
          requests.push({ path, status: file === undefined ? 404 : 200 })
          return file
        }),
      requests: Effect.sync(() => [...requests])
    }
  })
