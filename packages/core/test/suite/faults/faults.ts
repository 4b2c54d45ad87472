// Applies every fault to every operation. The outcome is the table's, comes soon, and nothing leaks.
import { describe, it } from "@effect/vitest"
import { assertInclude, assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { DriverClient } from "../../../src/client/DriverClient.ts"
import * as ExporterConnection from "../../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../../src/grpc/Endpoint.ts"
import * as DriverError from "../../../src/protocol/DriverError.ts"
import { StatusNotReached } from "../../../src/protocol/ExporterStatus.ts"
import * as hurriedClock from "../../support/hurriedClock.ts"
import { leavingNothing } from "../../support/leaks.ts"
import { quiet } from "../../support/probeExporter.ts"
import * as relay from "../../support/relay.ts"
import * as temporary from "../../support/temporary.ts"
import { until } from "../harness.ts"
import * as hosts from "./host.ts"
import { awaited, type Ongoing, ongoing } from "./operations.ts"
import { slowReader } from "./slowReader.ts"
import { slowWriter } from "./slowWriter.ts"
import { expected, type Fault, operations } from "./table.ts"
import { bound, patience, within } from "./within.ts"

interface Running extends Ongoing {
  readonly fiber: Fiber.RuntimeFiber<unknown, unknown>
}

export interface Session {
  readonly connection: ExporterConnection.Connection
  readonly probe: DriverClient
}

const connect = (path: string, options?: ExporterConnection.ConnectOptions) =>
  Effect.flatMap(
    ExporterConnection.fromEndpoint(Endpoint.unix(path), options),
    (connection) => Effect.map(connection.driver("probe"), (probe): Session => ({ connection, probe }))
  )

/** Begins operations, and waits until the exporter is running all of them. */
export const begin = Effect.fnUntraced(
  function*({ admin }: Pick<hosts.Host, "admin">, session: Session, begun: ReadonlyArray<Ongoing>) {
    yield* admin.call("clear_events")
    const signs = new Set<string>()
    const tell = (sign: string) => Effect.sync(() => void signs.add(sign))
    const running = yield* Effect.forEach(begun, (operation) =>
      Effect.map(
        Effect.forkScoped(operation.run({ ...session, tell })),
        (fiber): Running => ({ ...operation, fiber })
      ))
    // A log stream shows that it runs when it receives a line.
    const events = Effect.zipRight(admin.call("log", "INFO", "line"), admin.call("events"))
    yield* until(
      "all operations run",
      events,
      (events) => Array.isArray(events) && begun.every(({ sign }) => signs.has(sign) || events.includes(sign))
    )
    return running
  }
)

/** Makes the exporter log lines and change its status, for the operations that continue. */
export const goOn = ({ admin }: Pick<hosts.Host, "admin">) =>
  Effect.zipRight(
    Effect.forkScoped(
      Effect.repeat(Effect.ignore(admin.call("log", "INFO", "line")), Schedule.spaced("20 millis"))
    ),
    Effect.acquireRelease(
      admin.call("set_status", awaited),
      () => Effect.orDie(admin.call("set_status", "LEASE_READY"))
    )
  )

const outcome = (exit: Exit.Exit<unknown, unknown>): unknown => {
  if (Exit.isSuccess(exit)) return exit.value
  if (Cause.isInterruptedOnly(exit.cause)) return "cancelled"
  const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
  if (
    DriverError.isDriverCallError(error) && error._tag === "ConnectionLost" && error.origin === "transport" &&
    error.driver === "probe"
  ) return "lost"
  if (error instanceof StatusNotReached && error.awaited.includes(awaited)) {
    if (error.reason === "Timeout" && error.details.includes("UNAVAILABLE")) return "ends at readyTimeout"
    if (error.reason === "ConnectionLost" && error.details.includes("the lease")) return "ends with the lease"
    if (error.reason === "ConnectionLost" && error.details.includes("20 times in a row")) return "ends unanswered"
  }
  return Cause.pretty(exit.cause)
}

export const outcomeOf = ({ fiber }: Running, duration = bound, onTimeout = "hangs"): Effect.Effect<unknown> =>
  Effect.timeoutTo(Fiber.await(fiber), { duration, onSuccess: outcome, onTimeout: () => onTimeout })

/** Checks the outcomes of operations. */
export const check = <E, R>(
  fault: Fault,
  running: ReadonlyArray<Running>,
  outcomeOf: (running: Running) => Effect.Effect<unknown, E, R>
) =>
  Effect.flatMap(
    Effect.forEach(running, (running) => Effect.map(outcomeOf(running), (outcome) => [running.name, outcome]), {
      concurrency: "unbounded"
    }),
    (outcomes) =>
      Effect.sync(() =>
        deepStrictEqual(
          Object.fromEntries(outcomes),
          Object.fromEntries(running.map(({ name, operation }) => [name, expected(operation, fault)]))
        )
      )
  )

/** Waits until the exporter has released everything, and checks that no upload counted as whole. */
export const released = ({ admin, quirks }: Pick<hosts.Host, "admin" | "quirks">) =>
  Effect.gen(function*() {
    yield* until("all is released", admin.call("open_count"), (count) => count === 0)
    const events = JSON.stringify(yield* admin.call("events"))
    if (quirks.cutOffUpload === "fails") strictEqual(events.includes(":eof"), false, events)
  })

/** Checks that the connection can carry another call. */
export const answers = ({ probe }: Session) =>
  Effect.map(within("another call", probe.call("echo", 1)), (answer) => deepStrictEqual(answer, [1]))

/** Checks the errors of a connection whose exporter is gone. */
const answersNoMore = Effect.fnUntraced(function*({ connection, probe }: Session) {
  const error = yield* Effect.flip(within("another call", probe.call("echo")))
  assertTrue(DriverError.isDriverCallError(error) && error._tag === "ConnectionLost")
  assertInclude(error.message, "call probe.echo was not sent, connection lost")
  const status = yield* Effect.flip(within("asking for the status", connection.status))
  deepStrictEqual([status._tag, status.origin, status.code], ["GrpcStatusError", "client", "UNAVAILABLE"])
  assertInclude(status.message, connection.address)
})

/** Runs an operation on another clock. */
const by = (clock: Clock.Clock) => (operation: Ongoing): Ongoing => ({
  ...operation,
  run: (stage) => Effect.withClock(operation.run(stage), clock)
})

const killed = (kind: hosts.Kind) =>
  Effect.gen(function*() {
    const host = yield* hosts.start(kind)
    // Shortens the long waits after the loss. The deadline of a status request stays: a busy exporter needs it.
    const clock = hurriedClock.make(Duration.greaterThanOrEqualTo("10 seconds"), 0.05)
    const session = yield* connect(host.path, { readyTimeout: "100 seconds" })
    const running = yield* begin(host, session, ongoing.map(by(clock)))
    yield* host.kill
    yield* check("exporter killed", running, outcomeOf)
    yield* answersNoMore(session)
  })

const restarted = (kind: hosts.Kind) =>
  Effect.gen(function*() {
    const first = yield* hosts.start(kind)
    const { connection, probe } = yield* connect(first.path, { reconnect: Schedule.spaced("50 millis") })
    const running = yield* begin(first, { connection, probe }, ongoing)
    const before = connection.uuid
    yield* first.kill
    const second = yield* hosts.start(kind, first.path)
    yield* goOn(second)
    yield* check("exporter restarted", running, outcomeOf)

    // The same client finds the driver at its path, and no operation was repeated.
    yield* answers({ connection, probe })
    assertTrue(connection.uuid !== before && probe.uuid !== (yield* connection.driver("probe")).uuid)
    deepStrictEqual(yield* second.admin.call("events"), [])
  })

const cut = (host: hosts.Host, operations: ReadonlyArray<Ongoing>) =>
  Effect.gen(function*() {
    const path = yield* temporary.socketPath
    const line = yield* relay.make(path, host.path)
    const session = yield* connect(path)
    const running = yield* begin(host, session, operations)
    yield* line.cut
    yield* goOn(host)
    yield* check("socket cut", running, outcomeOf)
    yield* released(host)
    yield* answers(session)
  })

const silenced = (host: hosts.Host) =>
  Effect.gen(function*() {
    const path = yield* temporary.socketPath
    let connections = 0
    let silent = false
    const line = yield* relay.make(path, host.path, () => void connections++)
    const deadline = Duration.seconds(1)
    const clock = hurriedClock.make((wait) => silent && connections === 1 && Duration.equals(wait, deadline))
    const session = yield* Effect.withClock(
      connect(path, { reconnect: Schedule.spaced("50 millis"), statusPolling: { deadline } }),
      clock
    )
    const running = yield* begin(host, session, ongoing.map(by(clock)))
    yield* line.silence
    silent = true
    yield* goOn(host)
    yield* check("connection silent", running, outcomeOf)
    yield* answers(session)
  })

const frozen = (host: hosts.Host, operations: ReadonlyArray<Ongoing>) =>
  Effect.gen(function*() {
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const session = yield* Scope.extend(connect(host.path, { statusPolling: { deadline: "100 millis" } }), scope)
    const running = yield* begin(host, session, operations)
    yield* Effect.scoped(Effect.gen(function*() {
      yield* host.freeze
      yield* check("exporter frozen", running, (running) =>
        expected(running.operation, "exporter frozen") === "waits"
          ? outcomeOf(running, patience, "waits")
          : outcomeOf(running))
      // A caller's timeout interrupts in the same way.
      yield* within("interruption", Fiber.interruptAll(running.map(({ fiber }) => fiber)))
      deepStrictEqual(
        yield* within("another call", Effect.timeoutOption(session.probe.call("echo"), patience)),
        Option.none()
      )
      yield* within("closing the connection", Scope.close(scope, Exit.void))
    }))
    yield* released(host)
  })

const interrupted = (host: hosts.Host, operations: ReadonlyArray<Ongoing>) =>
  Effect.gen(function*() {
    const session = yield* connect(host.path)
    // Whatever the first byte stream opens stays open for later ones, and is not a leak.
    yield* Effect.scoped(session.probe.stream("idle"))
    yield* leavingNothing(Effect.scoped(Effect.gen(function*() {
      const running = yield* begin(host, session, operations)
      yield* within("interruption", Fiber.interruptAll(running.map(({ fiber }) => fiber)))
      yield* check("client interrupted", running, outcomeOf)
      yield* released(host)
    })))
    yield* answers(session)
  })

export const faults = (kind: hosts.Kind): void => {
  const test = (title: string, body: Effect.Effect<unknown, unknown, Scope.Scope>) =>
    it.live(title, () => Effect.provide(leavingNothing(Effect.scoped(body)), quiet), 60_000)

  describe(`faults of ${kind.name}`, () => {
    // One process for each operation would be too many, so these faults meet all operations at once.
    test("exporter killed", killed(kind))
    test("exporter restarted", restarted(kind))

    const shared = hosts.shared(kind)
    test("connection silent", Effect.flatMap(shared, silenced))
    for (
      const [fault, meet] of [
        ["socket cut", cut],
        ["exporter frozen", frozen],
        ["client interrupted", interrupted]
      ] as const
    ) {
      for (const operation of operations) {
        test(
          `${fault}: ${operation} ${expected(operation, fault)}`,
          Effect.flatMap(shared, (host) => meet(host, ongoing.filter((ongoing) => ongoing.operation === operation)))
        )
      }
    }
    for (const [fault, cells] of [["slow reader", slowReader], ["slow writer", slowWriter]] as const) {
      for (const operation of operations) {
        const outcome = expected(operation, fault)
        const cell = cells[operation]
        if (cell === undefined) {
          it(`${fault}: does not apply to a ${operation}`, () => strictEqual(outcome, "-"))
        } else {
          test(
            `${fault}: ${operation} ${outcome}`,
            Effect.map(Effect.flatMap(shared, hosts.play(cell)), (shown) => strictEqual(shown, outcome))
          )
        }
      }
    }
  })
}
