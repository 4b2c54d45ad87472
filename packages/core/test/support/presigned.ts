// For tests of presigned requests: a driver that makes them, and the servers' responses.
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Driver from "../../src/host/Driver.ts"
import type * as Exporter from "../../src/host/Exporter.ts"
import type { JsonValue } from "../../src/protocol/ProtobufValue.ts"
import * as ExporterTest from "../../src/testing/ExporterTest.ts"
import * as bytes from "./bytes.ts"
import { sha256 } from "./probePattern.ts"

export const chunk = new Uint8Array(65_536).map((_, index) => index * 31)

/** A flasher that reads from a handle, and writes a number of chunks to it. */
const flasher = Driver.make({
  client: "flasher",
  methods: {
    flash: Driver.call(([handle], { resource }) =>
      Effect.gen(function*() {
        const { read } = yield* resource(handle)
        const hash = createHash("sha256")
        const size = yield* Stream.runFold(read, 0, (size, chunk) => {
          hash.update(chunk)
          return size + chunk.length
        })
        return { sha256: hash.digest("hex"), size }
      }).pipe(Effect.scoped)
    ),
    dump: Driver.call(([handle, count], { resource }) =>
      Effect.gen(function*() {
        const { write } = yield* resource(handle)
        yield* write(Stream.take(Stream.repeatValue(chunk), Number(count)))
      }).pipe(Effect.scoped)
    ),
    flash_uninterruptibly: Driver.call(([handle], { resource }) =>
      Effect.gen(function*() {
        const { read } = yield* Effect.acquireRelease(resource(handle), () => Effect.void)
        return yield* Effect.uninterruptible(Stream.runFold(read, 0, (size, { length }) => size + length))
      }).pipe(Effect.scoped)
    ),
    ignore: Driver.call(([handle], { resource }) => Effect.scoped(Effect.asVoid(resource(handle)))),
    wrong_way: Driver.call(([handle], { resource }) =>
      Effect.scoped(Effect.flatMap(resource(handle), ({ write }) => write(Stream.make(chunk))))
    ),
    read_twice: Driver.call(([handle], { resource }) =>
      Effect.scoped(Effect.flatMap(resource(handle), ({ read }) => Stream.runDrain(Stream.concat(read, read))))
    ),
    write_twice: Driver.call(([handle], { resource }) =>
      Effect.scoped(Effect.flatMap(resource(handle), ({ write }) => Effect.repeatN(write(Stream.make(chunk)), 1)))
    )
  }
})

/** Allows servers on this machine. */
export const exporter = (options?: Exporter.ExporterOptions) =>
  Effect.provide(ExporterTest.layer({ flasher }, { presignedNetworks: ["loopback"], ...options }))

export const call = (method: string, ...args: ReadonlyArray<JsonValue>) =>
  Effect.flatMap(Effect.orDie(ExporterConnection.driver("flasher")), (client) => client.call(method, ...args))

export const fails = <A, R>(
  effect: Effect.Effect<A, { readonly code: string; readonly details: string }, R>,
  code: string,
  details: string
) =>
  Effect.map(Effect.either(effect), (outcome) => {
    deepStrictEqual(
      Either.match(outcome, { onLeft: ({ code, details }) => [code, details], onRight: () => ["no failure"] }),
      [code, details]
    )
  })

export const routes =
  (table: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>>) =>
  (request: IncomingMessage, response: ServerResponse) => {
    const route = table[(request.url ?? "").replace(/\?.*/, "")]
    if (route === undefined) response.writeHead(404).end()
    else route(request, response)
  }

export const redirect = (location: string, status = 302) => (_request: IncomingMessage, response: ServerResponse) =>
  void response.writeHead(status, { location }).end("elsewhere")

export const image = (_request: IncomingMessage, response: ServerResponse) =>
  void response.writeHead(200, { "content-length": chunk.length * 3 }).end(bytes.concat([chunk, chunk, chunk]))

export const theImage = { sha256: sha256([chunk, chunk, chunk]), size: chunk.length * 3 }
