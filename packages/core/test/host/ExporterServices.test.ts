// The services that handlers use: those that their exporter was made with, regardless of who serves it and who calls.
import {
  Driver,
  DriverFailure,
  Endpoint,
  Exporter,
  ExporterConnection,
  GrpcChannel,
  Resource
} from "@effect-jumpstarter/core"
import { Flasher, Power } from "@effect-jumpstarter/core/drivers"
import { ExporterTest, FaultyExporter } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Layer, Option, Ref, Scope, Stream } from "effect"
import { existsSync } from "node:fs"
import { text, utf8 } from "../support/bytes.ts"
import * as spans from "../support/spans.ts"
import * as temporary from "../support/temporary.ts"

class Bench extends Context.Tag("test/Bench")<Bench, string>() {}

/** Exporters are made without it. */
class Stranger extends Context.Tag("test/Stranger")<Stranger, string>() {}

/** What a handler finds. */
const found = Effect.zipWith(
  Bench,
  Effect.serviceOption(Stranger),
  (bench, stranger) => [bench, ...Option.toArray(stranger)].join(" and ")
)

const named = (client: string) =>
  Driver.make({
    client,
    methods: {
      name: Driver.call(() => found),
      names: Driver.streamingCall(() => Stream.fromEffect(found)),
      greet: Driver.streamTransform((input) => Stream.mapEffect(input, () => Effect.map(found, utf8))),
      span: Driver.call(() =>
        Effect.map(Effect.currentParentSpan, (span) => span._tag === "Span" ? span.name : span._tag).pipe(
          Effect.orElseSucceed(() => "none")
        )
      )
    }
  })

const namesOf = (path: string) =>
  Effect.gen(function*() {
    const driver = yield* ExporterConnection.driver(path)
    const greeting = Effect.scoped(Effect.gen(function*() {
      const { read, write } = yield* driver.stream("greet")
      yield* write(utf8("hello"))
      return yield* Effect.map(Stream.runHead(read), Option.map(text))
    }))
    return [
      yield* driver.call("name"),
      yield* Stream.runHead(driver.streamingCall("names")),
      yield* greeting
    ]
  })

const own = ["ours", Option.some("ours"), Option.some("ours")]

describe("a handler", () => {
  const drivers = { board: Driver.composite({ child: named("acme.Named") }) }
  const elsewhere = <A, E, R>(program: Effect.Effect<A, E, R>) =>
    program.pipe(Effect.provideService(Bench, "the program's"), Effect.provideService(Stranger, "a stranger"))
  const made = Effect.provideService(Exporter.make(Driver.composite(drivers)), Bench, "ours")

  for (
    const [host, connect] of [
      [
        "channel",
        ({ handlers }: Exporter.Exporter) =>
          Effect.flatMap(GrpcChannel.fromHandlers(handlers), (channel) => ExporterConnection.fromChannel(channel))
      ],
      [
        "server",
        (exporter: Exporter.Exporter) =>
          temporary.socketPath.pipe(
            Effect.flatMap((path) => Exporter.serve(exporter, { path })),
            Effect.flatMap((endpoint) => ExporterConnection.fromEndpoint(endpoint))
          )
      ]
    ] as const
  ) {
    it.scopedLive(`has the services of its exporter, and none of the program that makes its ${host}`, () =>
      Effect.gen(function*() {
        const exporter = yield* made
        const names = Effect.gen(function*() {
          const connection = yield* connect(exporter)
          return yield* Effect.provideService(
            namesOf("board.child"),
            ExporterConnection.ExporterConnection,
            connection
          )
        })
        assert.deepStrictEqual(yield* elsewhere(names), own)
      }))
  }

  it.scopedLive("has the services of the layer that serves it", () =>
    Effect.gen(function*() {
      const path = yield* temporary.socketPath
      const served = yield* Layer.build(Layer.provide(Exporter.layer(drivers, { path }), Layer.succeed(Bench, "ours")))
      const { endpoint } = Context.get(served, Exporter.ServedExporter)
      assert.deepStrictEqual(endpoint, Endpoint.unix(path))
      const connection = ExporterConnection.layer(endpoint)
      assert.deepStrictEqual(yield* namesOf("board.child").pipe(Effect.provide(connection), elsewhere), own)
    }))

  it.effect("has them after a restart, whichever program restarts it", () =>
    Effect.gen(function*() {
      const exporter = yield* FaultyExporter.FaultyExporter
      yield* exporter.restart
      // The client learns here that the drivers have changed.
      yield* Effect.ignore(Effect.flatMap(ExporterConnection.driver("board.child"), (child) => child.call("name")))
      assert.deepStrictEqual(yield* namesOf("board.child"), own)
    }).pipe(
      elsewhere,
      Effect.provide(Layer.provide(FaultyExporter.layer(drivers), Layer.succeed(Bench, "ours")))
    ))

  it.effect("has the span of its call, not the one in which the exporter was made", () =>
    Effect.gen(function*() {
      const exporter = ExporterTest.layer(drivers).pipe(Layer.provide(Layer.succeed(Bench, "ours")))
      const connection = yield* Layer.build(exporter).pipe(Effect.withSpan("making"))
      const driver = yield* Effect.provide(ExporterConnection.driver("board.child"), connection)
      const span = yield* Effect.withSpan(driver.call("span"), "calling")
      assert.strictEqual(span, "call board.child.span")
    }).pipe(Effect.scoped, Effect.withTracer(spans.make().tracer)))

  it.effect("of a byte stream has the scope of the client that holds it", () =>
    Effect.gen(function*() {
      const held = yield* Ref.make(0)
      const open = Effect.acquireRelease(Ref.update(held, (n) => n + 1), () => Ref.update(held, (n) => n - 1)).pipe(
        Effect.zipRight(Bench),
        Effect.as({ read: Stream.never, write: () => Effect.void, end: Effect.void })
      )
      const driver = Driver.make({ client: "acme.Held", methods: { open: Driver.stream(open) } })
      yield* Effect.gen(function*() {
        const client = yield* ExporterConnection.driver("held")
        yield* Effect.scoped(
          Effect.zipRight(client.stream("open"), Effect.tap(Ref.get(held), (n) => assert.equal(n, 1)))
        )
        assert.strictEqual(yield* Ref.get(held), 0)
      }).pipe(Effect.provide(Layer.provide(ExporterTest.layer({ held: driver }), Layer.succeed(Bench, "ours"))))
    }))

  it.effect("of a contract has them, and so has the reset", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const note = (what: string) => Effect.map(Bench, (bench) => void seen.push(`${what} ${bench}`))
      const power = Driver.fromInterface(
        Power.contract,
        { on: () => note("on"), off: () => Effect.void, read: () => Stream.drain(Stream.fromEffect(note("read"))) },
        { reset: note("reset") }
      )
      const flasher = Driver.fromInterface(Flasher.contract, {
        flash: (source) => Effect.zipRight(Stream.runDrain(source), note("flash")),
        dump: (write) => Effect.flatMap(Bench, (bench) => write(Stream.make(utf8(bench))))
      })
      yield* Effect.gen(function*() {
        const board = yield* ExporterConnection.driver("power")
        yield* board.call("on")
        yield* Stream.runDrain(board.streamingCall("read"))
        const storage = yield* ExporterConnection.driver("flasher")
        yield* storage.call("flash", yield* storage.resource(Resource.fromString("image")))
        const dump = yield* storage.resource(Resource.toBytes())
        yield* storage.call("dump", dump)
        assert.strictEqual(text(yield* dump.result), "ours")
      }).pipe(
        Effect.scoped,
        elsewhere,
        Effect.provide(Layer.provide(ExporterTest.layer({ power, flasher }), Layer.succeed(Bench, "ours")))
      )
      assert.deepStrictEqual(seen, ["reset ours", "on ours", "read ours", "flash ours"])
    }))
})

describe("Exporter.layer", () => {
  it.scopedLive("serves as long as it lives, and releases a driver after its last call", () =>
    Effect.gen(function*() {
      const path = yield* temporary.socketPath
      const events: Array<string> = []
      const event = (name: string) => Effect.sync(() => void events.push(name))
      const called = yield* Deferred.make<void>()
      const busy = Driver.make({
        client: "acme.Busy",
        methods: {
          work: Driver.call(() =>
            Effect.zipRight(Deferred.succeed(called, undefined), Effect.never).pipe(
              Effect.onExit(() => event("call ended"))
            )
          )
        }
      })
      const drivers = Effect.acquireRelease(Effect.as(event("acquired"), { busy }), () => event("released"))
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(Exporter.layer(drivers, { path }), scope)
      const connection = yield* ExporterConnection.fromEndpoint(Endpoint.unix(path))
      const driver = yield* connection.driver("busy")
      const calling = yield* Effect.fork(Effect.flip(driver.call("work")))
      yield* Deferred.await(called)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(events, ["acquired", "call ended", "released"])
      assert.strictEqual((yield* calling)._tag, "DriverError")
      assert.isFalse(existsSync(path))
    }))

  it.scopedLive("provides the exporter, and applies its options", () =>
    Effect.gen(function*() {
      const bench = yield* Layer.build(
        Exporter.layer({ power: named("acme.Named") }, { host: "127.0.0.1", port: 0 }, { motd: "hello" }).pipe(
          Layer.provide(Layer.succeed(Bench, "ours"))
        )
      )
      const served = Context.get(bench, Exporter.ServedExporter)
      const connection = yield* ExporterConnection.fromEndpoint(served.endpoint)
      assert.strictEqual(connection.motd, "hello")
      yield* served.setStatus("OFFLINE", "gone home")
      const { message, status } = yield* connection.status
      assert.deepStrictEqual([status, message], ["OFFLINE", "gone home"])
    }))

  it.effect("fails when its parts do", () =>
    Effect.gen(function*() {
      const reset = Effect.flip(Layer.build(Exporter.layer(
        { broken: Driver.make({ client: "acme.Broken", reset: DriverFailure.make("Device", "stuck") }) },
        { path: "/nowhere" }
      )))
      assert.strictEqual((yield* reset)._tag, "ResetError")
      const listen = Effect.flip(Layer.build(Exporter.layer({}, { path: "/nowhere/at/all.sock" })))
      assert.strictEqual((yield* listen)._tag, "GrpcServerError")
    }).pipe(Effect.scoped))
})
