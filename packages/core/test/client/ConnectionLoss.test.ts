// Connections that end or go silent, over real sockets: through node:http2, and through grpc-js.
import { describe, it } from "@effect/vitest"
import { assertInclude, assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { ConnectionState } from "../../src/client/ConnectionState.ts"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import { GrpcHandler } from "../../src/grpc/GrpcHandler.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import { until } from "../suite/harness.ts"
import * as bench from "../support/bench.ts"
import * as hurriedClock from "../support/hurriedClock.ts"
import * as rawServer from "../support/rawServer.ts"
import * as relay from "../support/relay.ts"
import * as temporary from "../support/temporary.ts"

const reconnect = Schedule.spaced("20 millis")

// No other wait takes as long as one of these.
const deadline = Duration.seconds(1)
const handshakeTimeout = Duration.seconds(5)

/** Serves an exporter until the scope closes or the test stops it. */
const serve = (path: string, calls: Array<string> = []) =>
  Effect.gen(function*() {
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
    const exporter = yield* Scope.extend(
      Exporter.make(Driver.composite(bench.drivers(calls)), { localLogs: false }),
      scope
    )
    yield* Scope.extend(Exporter.serve(exporter, { path }), scope)
    return (exit: Parameters<typeof Scope.close>[1]) => Scope.close(scope, exit)
  })

/** Waits until the connection is in a state. Meanwhile the connection runs on the clock of the test. */
const awaitState = (
  { stateChanges }: ExporterConnection.Connection,
  tag: ConnectionState["_tag"],
  clock = Clock.make()
) =>
  Stream.runDrain(Stream.takeUntil(stateChanges, ConnectionState.$is(tag))).pipe(
    Effect.withClock(clock),
    Effect.timeout("5 seconds")
  )

for (
  const [name, transport] of [
    ["node:http2", {}],
    ["grpc-js", { transport: "nice-grpc" }]
  ] as const
) {
  describe(`through ${name}, a connection that goes silent`, () => {
    const silenced = (options: ExporterConnection.EndpointOptions) =>
      Effect.gen(function*() {
        const [path, front] = [yield* temporary.socketPath, yield* temporary.socketPath]
        const calls: Array<string> = []
        yield* serve(path, calls)
        let connections = 0
        let silent = false
        const line = yield* relay.make(front, path, () => void connections++)
        const clock = hurriedClock.make((wait) => silent && connections === 1 && Duration.equals(wait, deadline))
        const connection = yield* ExporterConnection.fromEndpoint(Endpoint.unix(front), {
          ...transport,
          ...options,
          statusPolling: { deadline, idle: "10 millis" }
        }).pipe(Effect.withClock(clock))
        const power = yield* connection.driver("power")
        const hanging = yield* Effect.fork(Effect.flip(power.call("hang")))
        yield* until("the call hangs", Effect.sync(() => calls), (calls) => calls.includes("hang"))
        yield* line.silence
        silent = true
        return { clock, connection, connections: () => connections, hanging, power }
      })

    it.scopedLive("is given up with its calls after twenty unanswered status requests, and the client reconnects", () =>
      Effect.gen(function*() {
        const { connection, connections, hanging, power } = yield* silenced({ reconnect })
        const error = yield* Effect.timeout(Fiber.join(hanging), "10 seconds")
        deepStrictEqual([error._tag, error.origin, error.code], ["ConnectionLost", "transport", "UNAVAILABLE"])
        assertInclude(error.message, "20 times in a row: no status within 1s (statusPolling.deadline)")
        strictEqual(yield* Effect.timeout(power.call("on"), "5 seconds"), "on")
        deepStrictEqual([connections(), (yield* connection.state)._tag], [2, "Ready"])
      }))

    it.scopedLive("without a policy is also given up while somebody watches, and the next call reconnects", () =>
      Effect.gen(function*() {
        const { clock, connection, hanging, power } = yield* silenced({})
        yield* awaitState(connection, "Lost", clock)
        strictEqual((yield* Effect.timeout(Fiber.join(hanging), "5 seconds"))._tag, "ConnectionLost")
        strictEqual(yield* Effect.timeout(power.call("on"), "5 seconds"), "on")
        strictEqual((yield* connection.state)._tag, "Ready")
      }))
  })

  it.scopedLive(`through ${name}, the time limit of the first answers starts with the connection`, () =>
    Effect.gen(function*() {
      const path = yield* temporary.socketPath
      yield* rawServer.serve({ path }, () => {})
      const error = yield* ExporterConnection.fromEndpoint(Endpoint.unix(path), {
        ...transport,
        connectTimeout: "1 minute",
        handshakeTimeout: "50 millis"
      }).pipe(Effect.flip, Effect.timeout("5 seconds"))
      deepStrictEqual([error.reason, error.details], ["Timeout", "no answer within 50ms (handshakeTimeout)"])
    }))

  describe(`through ${name}, an exporter that restarts while no call is made`, () => {
    const restarted = (options: ExporterConnection.EndpointOptions) =>
      Effect.gen(function*() {
        const path = yield* temporary.socketPath
        const stop = yield* serve(path)
        const connection = yield* ExporterConnection.fromEndpoint(Endpoint.unix(path), { ...transport, ...options })
        const power = yield* connection.driver("power")
        const { uuid } = connection
        yield* Effect.scoped(Effect.addFinalizer(stop))
        // Without watching, because watching requests the status.
        yield* until("it is lost", connection.state, ({ _tag }) => _tag !== "Ready")
        const calls: Array<string> = []
        yield* serve(path, calls)
        return { calls, connection, power, uuid }
      })

    it.scopedLive("is noticed, and the next call goes to the new instance", () =>
      Effect.gen(function*() {
        const { calls, connection, power, uuid } = yield* restarted({})
        strictEqual(yield* power.call("on"), "on")
        deepStrictEqual(calls, ["on"])
        assertTrue(connection.uuid !== uuid)
        strictEqual((yield* connection.state)._tag, "Ready")
      }))

    it.scopedLive("is reconnected to by the policy without a call", () =>
      Effect.gen(function*() {
        const { connection, uuid } = yield* restarted({ reconnect })
        yield* until("it is ready", connection.state, ({ _tag }) => _tag === "Ready")
        assertTrue(connection.uuid !== uuid)
      }))
  })

  it.scopedLive(`through ${name}, a connection is not reused when the exporter took too long for its first answers`, () =>
    Effect.gen(function*() {
      const [path, front] = [yield* temporary.socketPath, yield* temporary.socketPath]
      const exporter = yield* Exporter.make(Driver.composite(bench.drivers()), { localLogs: false })
      let silent = false
      const handlers = new Map(Array.from(exporter.handlers, ([name, handler]): [string, GrpcHandler] => [
        name,
        handler._tag === "Unary"
          ? GrpcHandler.Unary({ handle: (...request) => silent ? Effect.never : handler.handle(...request) })
          : handler
      ]))
      yield* Exporter.serve({ ...exporter, handlers }, { path })
      let connections = 0
      const line = yield* relay.make(front, path, () => void connections++)
      const connection = yield* ExporterConnection.fromEndpoint(Endpoint.unix(front), {
        ...transport,
        handshakeTimeout,
        reconnect
      }).pipe(Effect.withClock(hurriedClock.make((wait) => silent && Duration.equals(wait, handshakeTimeout))))
      silent = true
      yield* line.cut
      yield* until("it has connected three times", Effect.sync(() => connections), (connections) => connections >= 3)
      silent = false
      yield* awaitState(connection, "Ready")
    }))
}
