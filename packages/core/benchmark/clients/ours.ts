// The public API, as programs use it.
import { Controller, type DriverClient, Endpoint, ExporterConnection, Lease, Resource } from "@effect-jumpstarter/core"
import { FetchHttpClient, type FileSystem } from "@effect/platform"
import { NodeContext, NodeFileSystem } from "@effect/platform-node"
import { Deferred, Effect, Exit, Layer, Logger, ManagedRuntime, Scope, Sink, Stream } from "effect"
import { createHash, randomBytes } from "node:crypto"
import { basename } from "node:path"
import { layer } from "../inMemory.ts"
import { check, type Client } from "./client.ts"

type Environment = ExporterConnection.ExporterConnection | FileSystem.FileSystem

const checked = (condition: boolean, text: () => string) => Effect.sync(() => check(condition, text))

const countDrivers = (client: DriverClient.DriverClient): number =>
  Array.from(client.children.values()).reduce((count, child) => count + 1 + countDrivers(child), 0)

const upload = (bench: DriverClient.DriverClient, { encoding, path, sha256 }: Parameters<Client["upload"]>[0]) =>
  Effect.gen(function*() {
    const handle = yield* bench.resource(yield* Resource.fromFile(path, { contentEncoding: encoding }))
    const digest = yield* bench.call("consume", handle)
    yield* checked(digest === sha256, () => "the exporter's digest is another")
  })

const answers = (bench: DriverClient.DriverClient) =>
  Effect.flatMap(bench.call("identity", 1), (answer) => checked(answer === 1, () => `${String(answer)} is not 1`))

/** A client of a connection. Another layer may install a tracer. */
export const make = <E>(
  connection: Layer.Layer<ExporterConnection.ExporterConnection, E>,
  tracer: Layer.Layer<never> = Layer.empty
): Client => {
  const runtime = ManagedRuntime.make(Layer.mergeAll(connection, NodeFileSystem.layer, tracer))

  const run = <A, E>(
    work: (bench: DriverClient.DriverClient) => Effect.Effect<A, E, Environment | Scope.Scope>
  ): Promise<void> =>
    runtime.runPromise(Effect.asVoid(Effect.scoped(Effect.flatMap(ExporterConnection.driver("bench"), work))))

  return {
    unary: ({ count, inFlight }) =>
      run((bench) =>
        Effect.forEach(
          Array.from({ length: count }, (_, index) => index),
          (index) =>
            Effect.flatMap(
              bench.call("identity", index),
              (answer) => checked(answer === index, () => `${String(answer)} is not ${index}`)
            ),
          { concurrency: inFlight, discard: true }
        )
      ),
    items: ({ count }) =>
      run((bench) =>
        Effect.flatMap(
          Stream.runFold(bench.streamingCall("count", count), 0, (expected, item) => {
            check(item === expected, () => `item ${String(item)} where ${expected} was due`)
            return expected + 1
          }),
          (items) => checked(items === count, () => `${items} items of ${count}`)
        )
      ),
    receive: ({ bytes, chunk }) =>
      run((bench) =>
        Effect.gen(function*() {
          yield* bench.call("prepare", chunk, bytes)
          const { read } = yield* bench.stream("source")
          const size = yield* Stream.runFold(read, 0, (size, bytes) => size + bytes.length)
          yield* checked(size === bytes, () => `${size} bytes of ${bytes}`)
        })
      ),
    send: ({ bytes, chunk }) =>
      run((bench) =>
        Effect.gen(function*() {
          const data = randomBytes(chunk)
          const sink = yield* bench.stream("sink")
          for (let sent = 0; sent < bytes; sent += chunk) yield* sink.write(data)
          yield* sink.end
          const report = Number(yield* Stream.mkString(Stream.decodeText(sink.read)))
          yield* checked(report === bytes, () => `the exporter counted ${report} bytes of ${bytes}`)
        })
      ),
    upload: (file) => run((bench) => upload(bench, file)),
    uploads: ({ count, ...file }) =>
      run((bench) =>
        Effect.forEach(Array.from({ length: count }), () => Effect.scoped(upload(bench, file)), {
          concurrency: "unbounded",
          discard: true
        })
      ),
    download: ({ bytes, chunk }) =>
      run((bench) =>
        Effect.gen(function*() {
          const hash = createHash("sha256")
          let size = 0
          const handle = yield* bench.resource(Resource.sink(
            Sink.forEach((bytes: Uint8Array) =>
              Effect.sync(() => {
                hash.update(bytes)
                size += bytes.length
              })
            )
          ))
          const digest = yield* bench.call("produce", handle, chunk, bytes)
          yield* checked(size === bytes, () => `${size} bytes of ${bytes}`)
          yield* checked(digest === hash.digest("hex"), () => "the digests differ")
        })
      ),
    streams: ({ count }) =>
      run((bench) =>
        Effect.gen(function*() {
          const everybody = yield* Deferred.make<void>()
          let open = 0
          const one = Effect.fnUntraced(function*(number: number) {
            const { receive, write } = yield* bench.stream("echo")
            open++
            if (open === count) yield* Deferred.succeed(everybody, undefined)
            yield* Deferred.await(everybody)
            const text = Buffer.from(String(number))
            yield* write(text)
            const echo = yield* receive
            yield* checked(text.equals(echo), () => "another echo")
          }, Effect.scoped)
          yield* Effect.forEach(Array.from({ length: count }, (_, index) => index), one, {
            concurrency: "unbounded",
            discard: true
          })
        })
      ),
    connections: ({ address, count }) =>
      runtime.runPromise(Effect.scoped(Effect.forEach(
        Array.from({ length: count }),
        () =>
          Effect.flatMap(
            ExporterConnection.fromEndpoint(Endpoint.unix(address)),
            ({ driver }) => Effect.flatMap(driver("bench"), answers)
          ),
        { concurrency: "unbounded", discard: true }
      ))),
    connect: ({ address, drivers }) =>
      runtime.runPromise(Effect.scoped(
        Effect.flatMap(
          ExporterConnection.fromEndpoint(Endpoint.unix(address)),
          ({ root }) => {
            const found = countDrivers(root) - 1
            return checked(found === drivers, () => `${found} drivers of ${drivers}`)
          }
        )
      ))
  }
}

export const unix = (address: string, options?: ExporterConnection.EndpointOptions): Client =>
  make(ExporterConnection.layer(Endpoint.unix(address), options))

const firstAnswer = (name: string, creates: boolean) =>
  Effect.gen(function*() {
    const { connection } = yield* creates
      ? Lease.acquire({ exporterName: `${name}-spare`, duration: "10 minutes" })
      : Lease.attach(name)
    const bench = yield* connection.driver("bench")
    const answer = yield* bench.call("identity", 1)
    yield* checked(answer === 1, () => `${String(answer)} is not 1`)
  })

/** The exporters of a lab: one is leased under the name that the configuration has, and one is free. */
export const leased = (configuration: string): Client => {
  const lab = Controller.layerFile({ path: configuration }).pipe(
    Layer.provide([NodeContext.layer, FetchHttpClient.layer]),
    // Standard output is for what is measured.
    Layer.provideMerge(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger)))
  )
  const runtime = ManagedRuntime.make(lab)
  const name = basename(configuration, ".yaml")
  const attached = Effect.map(Lease.attach(name), ({ connection }) => connection)
  return {
    ...make(Layer.scoped(ExporterConnection.ExporterConnection, attached).pipe(Layer.provide(lab))),
    firstAnswer: async ({ creates }) => {
      const scope = await runtime.runPromise(Scope.make())
      await runtime.runPromise(Scope.extend(firstAnswer(name, creates), scope))
      return () => runtime.runPromise(Scope.close(scope, Exit.void))
    }
  }
}

/** The exporter in the same process; there is no address. */
export const inMemory = (): Client => make(layer)
