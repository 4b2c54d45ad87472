// A program that leaves all operations unfinished, or its connection open, and then has nothing more to do. It must end by
// itself.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as Resource from "../../src/resource/Resource.ts"

const [, , address = "", what = "unfinished"] = process.argv

const [host = "", port] = address.split(":")

const connect = ExporterConnection.fromEndpoint(
  port === undefined ? Endpoint.unix(address) : Endpoint.tcp(host, Number(port))
)

const idle = Effect.gen(function*() {
  const scope = yield* Scope.make()
  const connection = yield* Scope.extend(connect, scope)
  const probe = yield* connection.driver("probe")
  yield* probe.call("events")
})

const unfinished = Effect.gen(function*() {
  const connection = yield* connect
  yield* connection.logStream()
  const probe = yield* connection.driver("probe")
  const source = Resource.source(Stream.concat(Stream.make(new Uint8Array(65_536)), Stream.never))
  const operations = [
    probe.call("hang"),
    Stream.runForEach(probe.streamingCall("forever"), () => Effect.never),
    Effect.scoped(Effect.zipRight(probe.stream("idle"), Effect.never)),
    Effect.scoped(Effect.flatMap(probe.resource(source), (handle) => probe.call("consume", handle)))
  ]
  const running = yield* Effect.forEach(operations, (effect) => Effect.fork(effect))
  const begun = ["hang:open", "forever:open", "idle:open", "consume:open"]
  yield* Effect.repeat(probe.call("events"), {
    until: (events) => Array.isArray(events) && begun.every((event) => events.includes(event)),
    schedule: Schedule.spaced("10 millis")
  })
  yield* Fiber.interruptAll(running)
}).pipe(Effect.scoped, Effect.provide(Logger.remove(Logger.defaultLogger)))

Effect.runPromise(what === "idle" ? idle : unfinished).then(
  () => {
    process.stdout.write("done\n")
  },
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`)
    process.exitCode = 1
  }
)
