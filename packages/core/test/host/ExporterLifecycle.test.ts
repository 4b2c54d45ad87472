// What an exporter does with its drivers when it starts and when it ends (protocol.md 13.1).
import {
  Driver,
  DriverFailure,
  Endpoint,
  Exporter,
  ExporterConnection,
  GrpcChannel,
  type LogEntry
} from "@effect-jumpstarter/core"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, HashMap, Layer, Logger, Option, Scope, Stream } from "effect"
import * as probe from "../support/probe.ts"
import * as temporary from "../support/temporary.ts"

// A device that has to be acquired, with a driver whose operations never end on their own.
const makeDevice = Effect.gen(function*() {
  const events: Array<string> = []
  const record = (event: string) => Effect.sync(() => void events.push(event))
  const probes = { call: yield* probe.make, streamingCall: yield* probe.make, stream: yield* probe.make }
  const watch = <A, E, R>(name: keyof typeof probes, effect: Effect.Effect<A, E, R>) =>
    Effect.ensuring(probes[name].watch(effect), record(`${name} ended`))
  const driver = Effect.as(
    Effect.acquireRelease(record("acquired"), () => record("released")),
    Driver.make({
      client: "device",
      methods: {
        hang: Driver.call(() => watch("call", Effect.never)),
        forever: Driver.streamingCall(() => Stream.fromEffect(watch("streamingCall", Effect.never))),
        connect: Driver.stream(
          Effect.as(
            Effect.acquireRelease(Effect.void, () => Effect.zipRight(Effect.yieldNow(), record("stream ended"))),
            {
              read: Stream.fromEffect(probes.stream.watch(Effect.never)),
              write: () => Effect.void,
              end: Effect.void
            }
          )
        )
      }
    })
  )
  const allStarted = Effect.all(Object.values(probes).map(({ started }) => started))
  return { allStarted, driver, events }
})

// Uses every feature of the device, and waits until the driver is in the middle of each.
const occupy = Effect.fnUntraced(function*(allStarted: Effect.Effect<unknown>) {
  const client = yield* Effect.orDie(ExporterConnection.driver("device"))
  yield* Effect.forkScoped(client.call("hang"))
  yield* Effect.forkScoped(Stream.runDrain(client.streamingCall("forever")))
  yield* Effect.orDie(client.stream("connect"))
  yield* allStarted
})

const assertReleasedLast = (events: ReadonlyArray<string>) => {
  assert.strictEqual(events[0], "acquired")
  assert.strictEqual(events.at(-1), "released")
  assert.deepStrictEqual(events.slice(1, -1).toSorted(), ["call ended", "stream ended", "streamingCall ended"])
}

const endings = {
  success: Effect.void,
  failure: Effect.fail("no"),
  defect: Effect.die("no"),
  interruption: Effect.interrupt
}

const endingNames = ["success", "failure", "defect", "interruption"] as const

const assertEnded = (exit: Exit.Exit<unknown, unknown>, name: keyof typeof endings) =>
  assert.deepStrictEqual(
    Exit.match(exit, {
      onFailure: (cause) => Cause.isInterruptedOnly(cause) ? "interruption" : Cause.isDie(cause) ? "defect" : "failure",
      onSuccess: () => "success"
    }),
    name
  )

describe("a device that is acquired with its driver", () => {
  it.effect.each(endingNames)(
    "is released once, after all its uses, in memory: %s",
    (name) =>
      Effect.gen(function*() {
        const { allStarted, driver, events } = yield* makeDevice
        const exit = yield* Effect.zipRight(occupy(allStarted), endings[name]).pipe(
          Effect.scoped,
          Effect.provide(ExporterTest.layer(Effect.all({ device: driver }))),
          Effect.fork,
          Effect.flatMap(Fiber.await)
        )
        assertEnded(exit, name)
        assertReleasedLast(events)
      })
  )

  it.live.each(endingNames)(
    "is released once, after all its uses, on a socket: %s",
    (name) =>
      Effect.gen(function*() {
        const { allStarted, driver, events } = yield* makeDevice
        const clientScope = yield* Scope.make()
        const exit = yield* Effect.gen(function*() {
          const exporter = yield* Exporter.make(Driver.composite({ device: yield* driver }))
          const endpoint = yield* Exporter.serve(exporter, { path: yield* temporary.socketPath })
          // The client stays connected: only the exporter ends here.
          yield* occupy(allStarted).pipe(
            Effect.provide(yield* Layer.build(ExporterConnection.layer(endpoint))),
            Scope.extend(clientScope)
          )
          yield* endings[name]
        }).pipe(Effect.scoped, Effect.fork, Effect.flatMap(Fiber.await))
        assertEnded(exit, name)
        assertReleasedLast(events)
        yield* Scope.close(clientScope, Exit.void)
      })
  )

  it.scopedLive("is released only after a call that came during the close", () =>
    Effect.gen(function*() {
      const events: Array<string> = []
      const record = (event: string) => Effect.sync(() => void events.push(event))
      const started = yield* Deferred.make<void>()
      const closing = yield* Deferred.make<void>()
      const answered = yield* Deferred.make<void>()
      const path = yield* temporary.socketPath
      const device = Driver.make({
        client: "device",
        methods: {
          slow: Driver.call(() =>
            Effect.zipRight(Deferred.succeed(started, undefined), Effect.never).pipe(
              Effect.ensuring(Effect.zipRight(Deferred.succeed(closing, undefined), Deferred.await(answered)))
            )
          ),
          late: Driver.call(() =>
            Effect.zipRight(Deferred.succeed(answered, undefined), Effect.never).pipe(
              Effect.ensuring(Effect.zipRight(Effect.yieldNow(), record("late call ended")))
            )
          )
        }
      })
      const scope = yield* Scope.make()
      yield* Scope.addFinalizer(scope, record("device released"))
      const exporter = yield* Scope.extend(Exporter.make(Driver.composite({ device })), scope)
      yield* Scope.extend(Exporter.serve(exporter, { path }), scope)

      const client = yield* Effect.flatMap(
        ExporterConnection.fromEndpoint(Endpoint.unix(path)),
        ({ driver }) => driver("device")
      )
      yield* Effect.forkScoped(client.call("slow"))
      yield* Deferred.await(started)
      const closed = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* Deferred.await(closing)
      // The server may accept or refuse it.
      const late = yield* Effect.fork(
        Effect.ensuring(Effect.flip(client.call("late")), Deferred.succeed(answered, undefined))
      )
      yield* Fiber.join(closed)
      yield* Fiber.join(late)
      assert.strictEqual(events.at(-1), "device released", events.join())
    }))

  it.effect("is released when another device cannot be acquired, and the layer fails with that failure", () =>
    Effect.gen(function*() {
      const { driver, events } = yield* makeDevice
      const layer = ExporterTest.layer(Effect.all({ device: driver, other: Effect.fail("no such port" as const) }))
      const error = yield* Effect.flip(Effect.provide(Effect.void, layer))
      assert.strictEqual(error, "no such port")
      assert.deepStrictEqual(events, ["acquired", "released"])
    }))
})

describe("an exporter that has ended", () => {
  it.scoped("has interrupted its calls, and refuses others while its handlers are still served", () =>
    Effect.gen(function*() {
      const { allStarted, driver, events } = yield* makeDevice
      const scope = yield* Scope.make()
      const exporter = yield* Effect.gen(function*() {
        return yield* Exporter.make(Driver.composite({ device: yield* driver }))
      }).pipe(Scope.extend(scope))
      const channel = yield* GrpcChannel.fromHandlers(exporter.handlers)
      const connection = yield* ExporterConnection.fromChannel(channel)
      yield* Effect.provideService(occupy(allStarted), ExporterConnection.ExporterConnection, connection)
      yield* Scope.close(scope, Exit.void)
      assertReleasedLast(events)

      const client = yield* connection.driver("device")
      for (
        const attempt of [
          client.call("hang"),
          Stream.runDrain(client.streamingCall("forever")),
          Effect.scoped(client.stream("connect"))
        ]
      ) {
        const error = yield* Effect.flip(attempt)
        assert.deepStrictEqual([error.code, error.details], ["UNAVAILABLE", "the exporter is shutting down"])
      }
    }))
})

describe("reset", () => {
  it.scoped("runs once per driver, parents first, before any call", () =>
    Effect.gen(function*() {
      const events: Array<string> = []
      const device = (name: string, children: Record<string, Driver.Driver> = {}) =>
        Driver.make({
          client: "device",
          children,
          reset: Effect.zipRight(Effect.yieldNow(), Effect.sync(() => void events.push(name)))
        })
      const shared = device("shared")
      const root = device("root", { mux: device("mux", { shared, disk: device("disk") }), proxy: shared })
      const exporter = yield* Exporter.make(root)
      assert.deepStrictEqual(events, ["root", "mux", "shared", "disk"])
      yield* ExporterConnection.fromChannel(yield* GrpcChannel.fromHandlers(exporter.handlers))
      assert.strictEqual(events.length, 4)
      // Another exporter resets again.
      yield* Exporter.make(root)
      assert.strictEqual(events.length, 8)
    }))

  it.scoped("that fails keeps the exporter from starting, and names the driver", () =>
    Effect.gen(function*() {
      const stuck = Driver.make({
        client: "device",
        driverType: "power",
        reset: DriverFailure.make("Timeout", "the relay does not answer")
      })
      const error = yield* Effect.flip(Exporter.make(Driver.composite({ board: Driver.composite({ power: stuck }) })))
      assert.instanceOf(error, Exporter.ResetError)
      assert.strictEqual(error.driver, "board.power")
      assert.strictEqual(error.cause.reason, "Timeout")
      assert.strictEqual(error.message, "board.power could not be reset: the relay does not answer")
      assert.strictEqual(
        (yield* Effect.flip(Exporter.make(stuck))).message,
        "the root driver could not be reset: the relay does not answer"
      )
      const refusal = yield* Effect.flip(Effect.provide(Effect.void, ExporterTest.layer({ power: stuck })))
      assert.include(refusal.message, "power could not be reset: the relay does not answer")
    }))

  it.scoped("that breaks is logged with the name of its driver", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make<unknown, void>(({ annotations, cause, message }) => {
        lines.push([message, Cause.squash(cause), ...HashMap.toValues(annotations)].map(String).sort().join(" | "))
      })
      const bug = new Error("no such relay")
      const broken = Driver.make({ client: "device", driverType: "power", reset: Effect.die(bug) })
      const exit = yield* Effect.exit(Exporter.make(Driver.composite({ board: broken }))).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      assert.deepStrictEqual(exit, Exit.die(bug))
      assert.deepStrictEqual(lines, ["Error: no such relay | call board.reset failed unexpectedly | power | reset"])
    }))

  it.scoped("can be interrupted, which releases its device", () =>
    Effect.gen(function*() {
      const { driver, events } = yield* makeDevice
      const hanging = yield* probe.make
      const starting = yield* Effect.gen(function*() {
        const device = yield* driver
        yield* Exporter.make({ ...device, reset: hanging.watch(Effect.never) })
      }).pipe(Effect.scoped, Effect.fork)
      yield* hanging.started
      yield* Fiber.interrupt(starting)
      assert.strictEqual(yield* hanging.finalizations, 1)
      assert.deepStrictEqual(events, ["acquired", "released"])
    }))

  it.effect("logs lines for later readers", () =>
    Effect.gen(function*() {
      const power = Driver.make({
        client: "device",
        driverType: "power",
        reset: Effect.logWarning("output was left on, switched off")
      })
      yield* Effect.gen(function*() {
        const { logs } = yield* ExporterConnection.ExporterConnection
        const line = yield* logs.pipe(
          Stream.filter((event): event is LogEntry.LogEntry => event._tag === "LogEntry"),
          Stream.runHead,
          Effect.flatten
        )
        const { driverType, message, operation, severity, source } = line
        assert.deepStrictEqual([severity, message, source], ["WARNING", "output was left on, switched off", "DRIVER"])
        assert.deepStrictEqual([driverType, operation], [Option.some("power"), Option.some("reset")])
      }).pipe(Effect.provide(ExporterTest.layer({ power })))
    }))
})
