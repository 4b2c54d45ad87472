// Losing a connection: the states it shows, the outcome of calls, and reconnecting.
import { describe, it } from "@effect/vitest"
import { assertInclude, assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as ConnectionState from "../../src/client/ConnectionState.ts"
import * as Device from "../../src/client/Device.ts"
import type * as DriverClient from "../../src/client/DriverClient.ts"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as DriverInterface from "../../src/contract/DriverInterface.ts"
import * as DriverMethod from "../../src/contract/DriverMethod.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import type { DriverCallError } from "../../src/protocol/DriverError.ts"
import * as Resource from "../../src/resource/Resource.ts"
import * as bench from "../support/bench.ts"
import * as temporary from "../support/temporary.ts"

const adjust = (duration: Parameters<typeof TestClock.adjust>[0]) =>
  Effect.zipRight(TestClock.adjust(duration), bench.settle)

/** The states of a connection from now on. */
const states = (connection: ExporterConnection.Connection) =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    const show = ConnectionState.ConnectionState.$match({
      Ready: () => "ready",
      Lost: ({ reason }) => `lost: ${reason}`,
      Connecting: ({ attempt, reason }) => `connecting ${attempt}: ${reason}`,
      Closed: () => "closed"
    })
    const fiber = yield* Effect.fork(
      Stream.runForEach(connection.stateChanges, (state) => Effect.sync(() => seen.push(show(state))))
    )
    yield* bench.settle
    return { fiber, seen }
  })

const outcome = (error: DriverCallError) => [error._tag, error.origin, error.code]

/** Fails within a bounded time that does not depend on the clock. */
const failing = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.flip(effect))
    yield* bench.settle
    return yield* Fiber.join(fiber)
  })

/** What runs until it is ended. */
const interactions: ReadonlyArray<
  readonly [string, (power: DriverClient.DriverClient) => Effect.Effect<unknown, DriverCallError>]
> = [
  ["a call", (power) => power.call("hang")],
  ["a streaming call", (power) => Stream.runDrain(power.streamingCall("watch"))],
  [
    "a byte stream",
    (power) => Effect.scoped(Effect.flatMap(power.stream("connect"), ({ read }) => Stream.runDrain(read)))
  ],
  [
    "a transfer",
    (power) => Effect.scoped(Effect.flatMap(power.resource(Resource.source(Stream.never)), ({ result }) => result))
  ]
]

describe("the state of a connection", () => {
  it.scoped("is ready, then lost with the reason, then ready again with the next answer", () =>
    Effect.gen(function*() {
      const { connection, exporter, power, wire } = yield* bench.make()
      const { seen } = yield* states(connection)
      const hanging = yield* Effect.fork(Effect.flip(power.call("hang")))
      yield* bench.settle
      yield* wire.cut
      deepStrictEqual(outcome(yield* Fiber.join(hanging)), ["ConnectionLost", "transport", "UNAVAILABLE"])
      deepStrictEqual(outcome(yield* failing(power.call("on"))), ["ConnectionLost", "client", "UNAVAILABLE"])
      yield* wire.plug(exporter.channel)
      strictEqual(yield* power.call("on"), "on")
      yield* bench.settle
      deepStrictEqual(seen, ["ready", "lost: UNAVAILABLE: Connection dropped", "ready"])
      strictEqual((yield* connection.state)._tag, "Ready")
    }))

  it.scoped("shows a loss on a connection that nobody uses, and the return", () =>
    Effect.gen(function*() {
      const { connection, exporter, wire } = yield* bench.make()
      const { seen } = yield* states(connection)
      yield* wire.cut
      yield* adjust("5 seconds")
      strictEqual(seen.length, 2)
      yield* wire.plug(exporter.channel)
      yield* adjust("5 seconds")
      deepStrictEqual(seen, ["ready", "lost: UNAVAILABLE: connect ECONNREFUSED", "ready"])
    }))

  it.scoped("also shows the loss of an idle exporter that predates statuses", () =>
    Effect.gen(function*() {
      const { connection, exporter, wire } = yield* bench.make()
      exporter.answer("GetStatus", GrpcStatus.make("UNIMPLEMENTED", ""))
      const { seen } = yield* states(connection)
      strictEqual(yield* Stream.runCount(connection.statusChanges), 1)
      yield* adjust("5 seconds")
      yield* wire.cut
      yield* adjust("5 seconds")
      deepStrictEqual(seen, ["ready", "lost: UNAVAILABLE: connect ECONNREFUSED"])
    }))

  it.scoped("is ready again with the first message of a stream", () =>
    Effect.gen(function*() {
      const { connection, exporter, wire } = yield* bench.make()
      yield* Effect.fork(Stream.runDrain(connection.logs))
      yield* bench.settle
      yield* wire.cut
      yield* bench.settle
      strictEqual((yield* connection.state)._tag, "Lost")
      yield* wire.plug(exporter.channel)
      yield* adjust("100 millis")
      yield* exporter.log("SYSTEM", "hello")
      yield* bench.settle
      strictEqual((yield* connection.state)._tag, "Ready")
    }))

  it.scoped("is watched while somebody reads its changes", () =>
    Effect.gen(function*() {
      const { connection, wire } = yield* bench.make()
      const { fiber } = yield* states(connection)
      yield* adjust("10 seconds")
      strictEqual(wire.begun("GetStatus"), 4)
      yield* Fiber.interrupt(fiber)
      yield* adjust("1 minute")
      strictEqual(wire.begun("GetStatus"), 4)
    }))

  it.scoped("is lost after twenty missing answers in a row, and ready with the next answer", () =>
    Effect.gen(function*() {
      const { connection, exporter, power } = yield* bench.make()
      const { seen } = yield* states(connection)
      exporter.answer("GetStatus", Effect.never)
      yield* adjust("105 seconds")
      deepStrictEqual(seen.slice(1), ["lost: 20 times in a row: no status within 5s (statusPolling.deadline)"])
      exporter.answer("GetStatus", bench.statusAnswer("LEASE_READY"))
      yield* power.call("on")
      exporter.answer("GetStatus", Effect.never)
      yield* adjust("105 seconds")
      deepStrictEqual(seen.slice(2, 3), ["ready"])
    }))

  it.scoped("queries an exporter that answers DEADLINE_EXCEEDED at once as often as any other", () =>
    Effect.gen(function*() {
      const { connection, exporter, wire } = yield* bench.make()
      exporter.answer("GetStatus", GrpcStatus.make("DEADLINE_EXCEEDED", "the hook took too long"))
      const { seen } = yield* states(connection)
      const begun = wire.begun("GetStatus")
      strictEqual(begun, 2)
      yield* adjust("1 minute")
      strictEqual(wire.begun("GetStatus") - begun, 12)
      deepStrictEqual(seen, ["ready"])
    }))

  for (const [what, wait] of interactions) {
    it.scoped(`becomes Lost when ${what} breaks`, () =>
      Effect.gen(function*() {
        const { connection, power, wire } = yield* bench.make()
        const waiting = yield* Effect.fork(Effect.flip(wait(power)))
        yield* bench.settle
        yield* wire.cut
        strictEqual((yield* Fiber.join(waiting))._tag, "ConnectionLost")
        strictEqual((yield* connection.state)._tag, "Lost")
      }))
  }

  it.scoped("ignores failures of RPCs that began before the last loss", () =>
    Effect.gen(function*() {
      const { connection, exporter, power, wire } = yield* bench.make()
      const hanging = yield* Effect.fork(Effect.flip(power.call("hang")))
      yield* bench.settle
      yield* wire.plug(exporter.channel)
      yield* wire.cut
      yield* Effect.flip(connection.status)
      yield* wire.plug(exporter.channel)
      yield* connection.status
      yield* wire.cutOld
      strictEqual((yield* Fiber.join(hanging))._tag, "ConnectionLost")
      strictEqual((yield* connection.state)._tag, "Ready")
    }))

  it.scoped("ignores answers to RPCs that began before the loss", () =>
    Effect.gen(function*() {
      const { connection, exporter, power, wire } = yield* bench.make()
      const { read, write } = yield* power.stream("connect")
      yield* wire.plug(exporter.channel)
      yield* wire.cut
      yield* Effect.flip(connection.status)
      yield* wire.plug(exporter.channel)
      yield* write(Uint8Array.of(1))
      deepStrictEqual(Option.getOrThrow(yield* Stream.runHead(read)), Uint8Array.of(1))
      yield* bench.settle
      strictEqual((yield* connection.state)._tag, "Lost")
    }))

  it.scoped("ignores refusals by drivers and by this client", () =>
    Effect.gen(function*() {
      const { connection, exporter, power } = yield* bench.make()
      const { seen } = yield* states(connection)
      yield* failing(power.call("missing"))
      yield* failing(power.call("on", NaN))
      exporter.answer("DriverCall", GrpcStatus.make("UNAVAILABLE", "no device"))
      deepStrictEqual(outcome(yield* failing(power.call("on"))), ["DriverError", "driver", "UNAVAILABLE"])
      deepStrictEqual(seen, ["ready"])
    }))

  for (const [scope, state] of [["rpc", "Ready"], ["connection", "Lost"]] as const) {
    it.scoped(`is ${state} after a failure of scope ${scope}, regardless of its text`, () =>
      Effect.gen(function*() {
        const { channel } = yield* bench.host(bench.drivers())
        for (const details of ["Connection dropped", "Stream refused by server"]) {
          const lost = GrpcStatus.amend(GrpcStatus.lost({ rpc: "", target: "bench" }, details), { scope })
          const connection = yield* ExporterConnection.fromChannel({
            ...channel,
            unary: (rpc, ...request) => rpc.endsWith("/DriverCall") ? lost : channel.unary(rpc, ...request)
          })
          const power = yield* connection.driver("power")
          deepStrictEqual(outcome(yield* Effect.flip(power.call("on"))), ["ConnectionLost", "transport", "UNAVAILABLE"])
          strictEqual((yield* connection.state)._tag, state)
        }
      }))
  }

  it.scoped("ignores a status request that the exporter refused before it began", () =>
    Effect.gen(function*() {
      const { channel } = yield* bench.host(bench.drivers())
      const refused = GrpcStatus.refused({ rpc: "", target: "bench" }, "UNAVAILABLE", "refused before it began")
      let questions = 0
      const connection = yield* ExporterConnection.fromChannel({
        ...channel,
        unary: (rpc, ...request) =>
          Effect.suspend(() =>
            rpc.endsWith("/GetStatus") && ++questions === 3 ? refused : channel.unary(rpc, ...request)
          )
      })
      const watching = yield* Effect.fork(Stream.runDrain(connection.statusChanges))
      yield* bench.settle
      yield* TestClock.adjust("1 minute")
      yield* bench.settle
      assertTrue(questions > 3)
      strictEqual(yield* Fiber.poll(watching).pipe(Effect.map(Option.isNone)), true)
    }))

  it.effect("is Closed when the scope closes, which ends its changes", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { connection } = yield* Scope.extend(bench.make(), scope)
      const { fiber, seen } = yield* states(connection)
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(fiber)
      deepStrictEqual(seen, ["ready", "closed"])
      deepStrictEqual(
        Array.from(yield* Stream.runCollect(connection.stateChanges)),
        [ConnectionState.ConnectionState.Closed()]
      )
    }))
})

describe("a connection that is closed", () => {
  for (const [what, run] of interactions) {
    it.effect(`ends ${what} under way with an unknown outcome, and sends no more`, () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const { power, wire } = yield* Scope.extend(bench.make(), scope)
        const waiting = yield* Effect.fork(Effect.flip(run(power)))
        yield* bench.settle
        yield* Scope.close(scope, Exit.void)
        deepStrictEqual(outcome(yield* Fiber.join(waiting)), ["ConnectionLost", "transport", "CANCELLED"])
        const begun = wire.begun("DriverCall") + wire.begun("StreamingDriverCall") + wire.begun("Stream")
        const error = yield* failing(run(power))
        deepStrictEqual(outcome(error), ["ConnectionLost", "client", "UNAVAILABLE"])
        assertInclude(error.message, "was not sent, connection lost (UNAVAILABLE, bench): the connection was closed")
        strictEqual(wire.begun("DriverCall") + wire.begun("StreamingDriverCall") + wire.begun("Stream"), begun)
      }))
  }

  it.effect("ends a call that waits for the exporter's status as one that was not sent", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { exporter, power, wire } = yield* Scope.extend(bench.make({}, { status: "AVAILABLE" }), scope)
      exporter.answer("GetStatus", Effect.never)
      const waiting = yield* Effect.fork(Effect.flip(power.call("on")))
      yield* bench.settle
      strictEqual(wire.begun("GetStatus"), 2)
      yield* Scope.close(scope, Exit.void)
      const error = yield* Fiber.join(waiting)
      deepStrictEqual(outcome(error), ["ConnectionLost", "client", "CANCELLED"])
      assertInclude(error.message, "was not sent, connection lost (CANCELLED, bench): the RPC was cancelled")
      strictEqual(wire.begun("DriverCall"), 0)
    }))
})

describe("reconnecting by a schedule", () => {
  const everySecond = { reconnect: Schedule.spaced("1 seconds") }

  it.scoped("continues with the exporter that is there now, and sends nothing twice", () =>
    Effect.gen(function*() {
      const { calls, connection, power, wire } = yield* bench.make(everySecond)
      const { seen } = yield* states(connection)
      const hanging = yield* Effect.fork(Effect.flip(power.call("hang")))
      yield* bench.settle
      yield* wire.cut
      deepStrictEqual(outcome(yield* Fiber.join(hanging)), ["ConnectionLost", "transport", "UNAVAILABLE"])
      const waiting = yield* Effect.fork(power.call("on"))
      yield* adjust("1500 millis")
      strictEqual(Option.isNone(yield* Fiber.poll(waiting)), true)
      deepStrictEqual([wire.begun("GetReport"), wire.begun("DriverCall")], [3, 1])

      const newCalls: Array<string> = []
      const successor = yield* bench.host(bench.drivers(newCalls))
      yield* wire.plug(successor.channel)
      yield* adjust("500 millis")
      strictEqual(yield* Fiber.join(waiting), "on")
      deepStrictEqual([calls, newCalls], [["hang"], ["on"]])
      deepStrictEqual(seen, [
        "ready",
        "lost: UNAVAILABLE: Connection dropped",
        "connecting 1: UNAVAILABLE: Connection dropped",
        "connecting 2: cannot connect to the exporter at bench (Unreachable): connect ECONNREFUSED",
        "connecting 3: cannot connect to the exporter at bench (Unreachable): connect ECONNREFUSED",
        "ready"
      ])
    }))

  it.scoped("finds drivers by their path, including devices and the root", () =>
    Effect.gen(function*() {
      const { connection, power, wire } = yield* bench.make(everySecond)
      const Power = DriverInterface.make(bench.powerClient, { on: DriverMethod.call({ result: DriverMethod.Json }) })
      const device = Device.fromInterface(power, Power)
      const before = { uuid: connection.uuid, root: connection.root, power: power.uuid }
      yield* wire.cut
      const disk = Driver.make({ client: "disk", methods: {} })
      const successor = yield* bench.host({ ...bench.drivers(), disk }, { motd: "welcome back" })
      yield* failing(power.call("on"))
      yield* wire.plug(successor.channel)
      yield* adjust("1 seconds")
      strictEqual(yield* device.on(), "on")
      strictEqual(yield* before.root.children.get("power")?.call("on") ?? Effect.void, "on")
      assertTrue(connection.uuid !== before.uuid && (yield* connection.driver("power")).uuid !== before.power)
      strictEqual(connection.motd, "welcome back")
      strictEqual((yield* connection.driver("disk")).path.join(), "disk")
      strictEqual(connection.root.children.size, 2)
    }))

  it.scoped("says which driver is gone, and which was replaced", () =>
    Effect.gen(function*() {
      const { connection, power, wire } = yield* bench.make(everySecond)
      yield* wire.cut
      yield* Effect.flip(connection.status)
      yield* wire.plug((yield* bench.host({ relay: Driver.composite({}) })).channel)
      yield* adjust("1 seconds")
      const gone = yield* Effect.flip(power.call("on"))
      strictEqual(
        gone.message,
        "call power.on is not implemented (NOT_FOUND, bench): " +
          "the exporter has changed: no driver at \"power\"; available: relay"
      )
      strictEqual(gone.origin, "client")
      yield* wire.cut
      yield* Effect.flip(connection.status)
      yield* wire.plug((yield* bench.host({ power: Driver.make({ client: "disk", methods: {} }) })).channel)
      yield* adjust("1 seconds")
      assertInclude(
        (yield* Effect.flip(power.call("on"))).message,
        `the driver here was a ${bench.powerClient} and is now a disk`
      )
    }))

  it.scoped("happens without a call", () =>
    Effect.gen(function*() {
      const { connection, exporter, wire } = yield* bench.make(everySecond)
      yield* wire.cut
      yield* adjust("5 seconds")
      strictEqual((yield* connection.state)._tag, "Connecting")
      yield* wire.plug(exporter.channel)
      yield* adjust("1 seconds")
      strictEqual((yield* connection.state)._tag, "Ready")
      yield* wire.cut
      yield* adjust("5 seconds")
      strictEqual((yield* connection.state)._tag, "Connecting")
    }))

  it.scoped("is given up when the schedule ends, and tried again for the next call", () =>
    Effect.gen(function*() {
      const { calls, connection, exporter, power, wire } = yield* bench.make({
        reconnect: Schedule.intersect(Schedule.spaced("1 seconds"), Schedule.recurs(2))
      })
      const { fiber, seen } = yield* states(connection)
      yield* wire.cut
      const [waiting, streaming, opening] = yield* Effect.all([
        Effect.fork(Effect.flip(Effect.zipRight(Effect.ignore(connection.status), power.call("on")))),
        Effect.fork(
          Effect.flip(Effect.zipRight(Effect.ignore(connection.status), Stream.runDrain(power.streamingCall("on"))))
        ),
        Effect.fork(Effect.flip(Effect.zipRight(Effect.ignore(connection.status), Effect.scoped(power.stream("on")))))
      ])
      yield* adjust("2 seconds")
      const errors = yield* Effect.all([Fiber.join(waiting), Fiber.join(streaming), Fiber.join(opening)])
      for (const error of errors) deepStrictEqual(outcome(error), ["ConnectionLost", "client", "UNAVAILABLE"])
      strictEqual(
        errors[0].message,
        "call power.on was not sent, connection lost (UNAVAILABLE): gave up reconnecting after 3 attempts: " +
          "cannot connect to the exporter at bench (Unreachable): connect ECONNREFUSED"
      )
      assertInclude(seen.at(-1), "lost: gave up reconnecting after 3 attempts")
      yield* adjust("1 minute")
      strictEqual(wire.begun("GetReport"), 4)
      yield* Fiber.interrupt(fiber)
      yield* wire.plug(exporter.channel)
      strictEqual(yield* power.call("on"), "on")
      deepStrictEqual(calls, ["on"])
      deepStrictEqual([wire.begun("GetReport"), (yield* connection.state)._tag], [5, "Ready"])
    }))

  it.scoped("requests the status before it releases the calls that wait", () =>
    Effect.gen(function*() {
      const { connection, power, wire } = yield* bench.make(everySecond)
      yield* wire.cut
      yield* Effect.flip(connection.status)
      const waiting = yield* Effect.fork(Effect.flip(power.call("on")))
      const successor = yield* bench.host(bench.drivers(), { status: "AVAILABLE" })
      yield* wire.plug(successor.channel)
      yield* adjust("1 seconds")
      deepStrictEqual(outcome(yield* Fiber.join(waiting)), ["ExporterNotReady", "client", "FAILED_PRECONDITION"])
    }))

  it.scoped("may depend on why an attempt failed", () =>
    Effect.gen(function*() {
      const { connection, exporter, power, wire } = yield* bench.make({
        reconnect: Schedule.whileInput(
          Schedule.spaced("1 seconds"),
          ({ reason }: ExporterConnection.ConnectError) => reason === "Unreachable"
        )
      })
      yield* wire.cut
      yield* Effect.flip(connection.status)
      const waiting = yield* Effect.fork(Effect.flip(power.call("on")))
      yield* adjust("10 seconds")
      exporter.answer("GetReport", GrpcStatus.make("UNAUTHENTICATED", "who are you"))
      yield* wire.plug(exporter.channel)
      yield* adjust("1 seconds")
      assertInclude(
        (yield* Fiber.join(waiting)).message,
        "(Unauthenticated): who are you; no passphrase was given (option `passphrase`, or JMP_GRPC_PASSPHRASE)"
      )
    }))

  it.scoped("does not wait indefinitely for an exporter that accepts connections and stays silent", () =>
    Effect.gen(function*() {
      const { connection, exporter, power, wire } = yield* bench.make({ ...everySecond, handshakeTimeout: "7 seconds" })
      yield* wire.cut
      yield* Effect.flip(connection.status)
      exporter.answer("GetReport", Effect.never)
      yield* wire.plug(exporter.channel)
      const waiting = yield* Effect.fork(power.call("on"))
      yield* adjust("9 seconds")
      const state = yield* connection.state
      assertTrue(state._tag === "Connecting")
      assertInclude(state.reason, "(Timeout): no answer within 7s (handshakeTimeout)")
      yield* wire.plug((yield* bench.host(bench.drivers())).channel)
      yield* adjust("8 seconds")
      strictEqual(yield* Fiber.join(waiting), "on")
    }))

  it.scoped("continues when one of its waiters is interrupted", () =>
    Effect.gen(function*() {
      const { connection, exporter, power, wire } = yield* bench.make(everySecond)
      yield* wire.cut
      yield* Effect.flip(connection.status)
      const [first, second] = yield* Effect.all([Effect.fork(power.call("on")), Effect.fork(power.call("on"))])
      yield* bench.settle
      yield* Fiber.interrupt(first)
      yield* wire.plug(exporter.channel)
      yield* adjust("1 seconds")
      strictEqual(yield* Fiber.join(second), "on")
    }))

  it.effect("ends with the connection, and so do the calls that wait", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { connection, power, wire } = yield* Scope.extend(bench.make(everySecond), scope)
      yield* wire.cut
      yield* Effect.flip(connection.status)
      const waiting = yield* Effect.fork(Effect.flip(power.call("on")))
      yield* bench.settle
      yield* Scope.close(scope, Exit.void)
      strictEqual((yield* Fiber.join(waiting))._tag, "ConnectionLost")
      strictEqual((yield* connection.state)._tag, "Closed")
    }))

  it.scoped("resumes the log, with a gap, and the status", () =>
    Effect.gen(function*() {
      const { connection, exporter, wire } = yield* bench.make(everySecond)
      const seen: Array<string> = []
      yield* Effect.fork(Stream.runForEach(connection.logs, (event) =>
        Effect.sync(() =>
          seen.push(event._tag === "LogEntry" ? event.message : event.reason)
        )))
      const statuses: Array<string> = []
      yield* Effect.fork(Stream.runForEach(connection.statusChanges, ({ status }) =>
        Effect.sync(() =>
          statuses.push(status)
        )))
      yield* bench.settle
      yield* exporter.log("SYSTEM", "before")
      yield* bench.settle
      yield* wire.cut
      // Much longer than the log alone would retry.
      yield* adjust("1 minute")
      const successor = yield* bench.host(bench.drivers(), { status: "BEFORE_LEASE_HOOK" })
      yield* wire.plug(successor.channel)
      yield* adjust("5 seconds")
      deepStrictEqual(seen, ["before", "interrupted"])
      yield* successor.log("SYSTEM", "after")
      yield* bench.settle
      deepStrictEqual(seen, ["before", "interrupted", "after"])
      deepStrictEqual(statuses, ["LEASE_READY", "BEFORE_LEASE_HOOK"])
    }))

  it.scopedLive("over Unix sockets, a program continues with an exporter that was restarted", () =>
    Effect.gen(function*() {
      const path = yield* temporary.socketPath
      const serve = (calls: Array<string>) =>
        Effect.gen(function*() {
          const scope = yield* Scope.make()
          yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
          const exporter = yield* Scope.extend(Exporter.make(Driver.composite(bench.drivers(calls))), scope)
          yield* Scope.extend(Exporter.serve(exporter, { path }), scope)
          return Scope.close(scope, Exit.void)
        })
      const stop = yield* serve([])
      const connection = yield* ExporterConnection.fromEndpoint(Endpoint.unix(path), {
        reconnect: Schedule.spaced("50 millis")
      })
      const power = yield* connection.driver("power")
      const hanging = yield* Effect.fork(Effect.flip(power.call("hang")))
      strictEqual(yield* power.call("on"), "on")
      yield* stop
      yield* Fiber.join(hanging)
      // In case the loss has not been noticed yet.
      yield* Effect.ignore(Effect.timeout(connection.status, "1 seconds"))
      const waiting = yield* Effect.fork(power.call("on"))
      yield* connection.stateChanges.pipe(
        Stream.takeUntil((state) => state._tag === "Connecting" && state.attempt > 2),
        Stream.runDrain
      )
      strictEqual(Option.isNone(yield* Fiber.poll(waiting)), true)
      const calls: Array<string> = []
      yield* serve(calls)
      strictEqual(yield* Fiber.join(waiting), "on")
      deepStrictEqual(calls, ["on"])
    }))
})

describe("an exporter that restarted unnoticed", () => {
  // What exporters answer for a uuid they do not know: ours, and Python's.
  for (const [name, status] of [["ours", undefined], ["Python's", GrpcStatus.make("UNKNOWN", "KeyError")]] as const) {
    it.scoped(`fails one call and serves the next: ${name}`, () =>
      Effect.gen(function*() {
        const { calls, connection, exporter, power, wire } = yield* bench.make()
        const { seen } = yield* states(connection)
        // The version of the new instance is lower.
        exporter.answer("GetStatus", bench.statusAnswer("LEASE_READY", { version: 3n }))
        yield* connection.status
        const newCalls: Array<string> = []
        const successor = yield* bench.host(bench.drivers(newCalls))
        if (status !== undefined) successor.answer("DriverCall", status)
        yield* wire.plug(successor.channel)
        const error = yield* failing(power.call("on"))
        deepStrictEqual([error._tag, error.code], ["ConnectionLost", status?.code ?? "NOT_FOUND"])
        assertInclude(error.message, "the exporter restarted; the next call goes to the new instance: ")
        deepStrictEqual(seen, ["ready", "lost: the exporter restarted", "ready"])
        if (status === undefined) strictEqual(yield* power.call("on"), "on")
        deepStrictEqual([calls, newCalls], [[], status === undefined ? ["on"] : []])
      }))
  }

  it.scoped("is noticed by every kind of interaction", () =>
    Effect.gen(function*() {
      const interactions: ReadonlyArray<(power: DriverClient.DriverClient) => Effect.Effect<unknown, unknown>> = [
        (power) => Stream.runDrain(power.streamingCall("read")),
        (power) => Effect.scoped(power.stream("connect")),
        (power) => Effect.scoped(power.resource(Resource.source(Stream.empty)))
      ]
      for (const interact of interactions) {
        const { power, wire } = yield* bench.make()
        yield* wire.plug((yield* bench.host(bench.drivers())).channel)
        assertInclude(String(yield* failing(interact(power))), "the exporter restarted")
      }
    }))

  it.scoped("is also queried for its status", () =>
    Effect.gen(function*() {
      const { power, wire } = yield* bench.make()
      const successor = yield* bench.host(bench.drivers(), { status: "AVAILABLE" })
      // Like an exporter that does not check the status before a call.
      successor.answer("DriverCall", GrpcStatus.make("UNKNOWN", "KeyError"))
      yield* wire.plug(successor.channel)
      yield* failing(power.call("on"))
      deepStrictEqual(outcome(yield* failing(power.call("on"))), ["ExporterNotReady", "client", "FAILED_PRECONDITION"])
    }))

  it.scoped("is reported with the driver that is now at the path", () =>
    Effect.gen(function*() {
      const uart = Driver.make({ client: "acme.Uart", methods: {} })
      for (
        const [drivers, news] of [
          [{ uart }, "the exporter has changed: no driver at \"power\""],
          [
            { power: uart },
            `the exporter has changed: the driver here was a ${bench.powerClient} and is now a acme.Uart: `
          ]
        ] as const
      ) {
        const { power, wire } = yield* bench.make()
        yield* wire.plug((yield* bench.host(drivers)).channel)
        const error = yield* failing(power.call("on"))
        deepStrictEqual(outcome(error), ["ConnectionLost", "transport", "NOT_FOUND"])
        assertInclude(error.message, news)
      }
    }))

  it.scoped("is noticed by the waiting calls when the call that requests the report is interrupted", () =>
    Effect.gen(function*() {
      const { power, wire } = yield* bench.make()
      const successor = yield* bench.host(bench.drivers())
      successor.answer("GetReport", Effect.never)
      yield* wire.plug(successor.channel)
      const call = Effect.fork(Effect.flip(power.call("on")))
      const readers = [yield* call, yield* call]
      const others = [yield* call, yield* call]
      for (const [index, reader] of readers.entries()) {
        yield* bench.settle
        strictEqual(wire.begun("GetReport"), 2 + index)
        if (index === 1) successor.answer("GetReport", undefined)
        assertTrue(Exit.isInterrupted(yield* Fiber.interrupt(reader)))
      }
      yield* bench.settle
      for (const other of others) {
        deepStrictEqual(outcome(yield* Fiber.join(other)), ["ConnectionLost", "transport", "NOT_FOUND"])
      }
      strictEqual(wire.begun("GetReport"), 4)
    }))

  it.scoped("is queried for its status by the next call when the first is interrupted", () =>
    Effect.gen(function*() {
      const { connection, power, wire } = yield* bench.make()
      const { seen } = yield* states(connection)
      const successor = yield* bench.host(bench.drivers(), { status: "AVAILABLE" })
      successor.answer("DriverCall", GrpcStatus.make("UNKNOWN", "KeyError"))
      successor.answer("GetStatus", Effect.never)
      yield* wire.plug(successor.channel)
      const first = yield* Effect.fork(power.call("on"))
      yield* bench.settle
      deepStrictEqual(seen, ["ready", "lost: the exporter restarted", "ready"])
      yield* Fiber.interrupt(first)
      successor.answer("GetStatus", undefined)
      yield* failing(power.call("on"))
      deepStrictEqual(outcome(yield* failing(power.call("on"))), ["ExporterNotReady", "client", "FAILED_PRECONDITION"])
    }))

  it.scoped("is noticed by a status whose version goes back, without a call", () =>
    Effect.gen(function*() {
      const { connection, exporter, power, wire } = yield* bench.make()
      yield* exporter.setStatus("BEFORE_LEASE_HOOK")
      yield* exporter.setStatus("LEASE_READY")
      yield* connection.status
      const calls: Array<string> = []
      yield* wire.plug((yield* bench.host(bench.drivers(calls))).channel)
      const { uuid } = connection
      yield* connection.status
      assertTrue(connection.uuid !== uuid)
      strictEqual(yield* power.call("on"), "on")
      deepStrictEqual(calls, ["on"])
    }))

  it.scoped("is not suspected without reason, and is queried once for many failures", () =>
    Effect.gen(function*() {
      const { exporter, power, wire } = yield* bench.make()
      deepStrictEqual(outcome(yield* failing(power.call("missing"))), ["MethodNotImplemented", "driver", "NOT_FOUND"])
      strictEqual(wire.begun("GetReport"), 2)
      exporter.answer("DriverCall", GrpcStatus.make("INTERNAL", "no"))
      deepStrictEqual(outcome(yield* failing(power.call("on"))), ["DriverError", "driver", "INTERNAL"])
      strictEqual(wire.begun("GetReport"), 2)
      exporter.answer("DriverCall", GrpcStatus.make("UNKNOWN", "no"))
      const failures = yield* Effect.forEach(Array(100).fill("on"), () => failing(power.call("on")), {
        concurrency: "unbounded"
      })
      for (const error of failures) deepStrictEqual(outcome(error), ["DriverError", "driver", "UNKNOWN"])
      assertTrue(wire.begun("GetReport") <= 4, `${wire.begun("GetReport")}`)
    }))

  it.scoped("keeps the driver's own failure when the exporter sends no report", () =>
    Effect.gen(function*() {
      const { exporter, power } = yield* bench.make()
      exporter.answer("DriverCall", GrpcStatus.make("UNKNOWN", "no"))
      exporter.answer("GetReport", Effect.never)
      const failure = yield* Effect.fork(Effect.flip(power.call("on")))
      yield* adjust("5 seconds")
      deepStrictEqual(outcome(yield* Fiber.join(failure)), ["DriverError", "driver", "UNKNOWN"])
    }))
})
