// The calls and streaming calls of the probe; see interop/README.md for what each does.
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as DriverFailure from "../../src/protocol/DriverFailure.ts"
import type { ExporterStatus } from "../../src/protocol/ExporterStatus.ts"
import * as LogEntry from "../../src/protocol/LogEntry.ts"
import type { JsonValue } from "../../src/protocol/ProtobufValue.ts"
import type * as contract from "./probeContract.ts"
import type { Recorder } from "./probeRecorder.ts"
import * as probeValues from "./probeValues.ts"

const failure = (kind: contract.FailureKind, message: string): Effect.Effect<never, DriverFailure.DriverFailure> => {
  switch (kind) {
    case "not_implemented":
      return DriverFailure.make("NotImplemented", message)
    case "value_error":
      return DriverFailure.make("InvalidArgument", message)
    case "timeout":
      return DriverFailure.make("Timeout", message)
    case "connection":
    case "connection_reset":
      return DriverFailure.make("Connection", message)
    case "os_error":
    case "file_not_found":
      return DriverFailure.make("Device", message)
    case "runtime":
    case "key_error":
      return DriverFailure.make("Other", message)
    // An unexpected exception, so the handler dies instead of failing.
    case "type_error":
      return Effect.die(new TypeError(message))
    case "cancelled":
      return Effect.interrupt
  }
}

const nest = (depth: number, wrap: (inner: JsonValue) => JsonValue): JsonValue => {
  let value: JsonValue = null
  for (let level = 0; level < depth; level++) value = wrap(value)
  return value
}

const depthOf = (value: JsonValue | undefined): number =>
  typeof value === "object" && value !== null ? 1 + depthOf(Object.values(value)[0]) : 0

export type SetStatus = (status: ExporterStatus, message: string) => Effect.Effect<void>

export const calls = (recorder: Recorder, setStatus: SetStatus): contract.Handlers<typeof contract.calls> => ({
  events: () => Effect.sync(() => [...recorder.events]),
  clear_events: () =>
    Effect.sync(() => {
      recorder.events.length = 0
      recorder.bytes.clear()
    }),
  open_count: () => Effect.sync(recorder.openCount),
  bytes_count: (name) => Effect.sync(() => recorder.bytes.get(name) ?? 0),
  set_status: setStatus,
  log: (severity, message) =>
    Effect.logWithLevel(LogEntry.logLevel(severity), message).pipe(Logger.withMinimumLogLevel(LogLevel.All)),

  echo: (...values) => Effect.succeed(values),
  depth: (value) => Effect.sync(() => depthOf(value)),
  typed: (count, name) =>
    Number.isInteger(count)
      ? Effect.succeed({ count, name })
      : DriverFailure.make("InvalidArgument", "count: Input should be a valid integer"),
  values: () => Effect.succeed(probeValues.portable),
  nan: () => Effect.succeed(NaN),
  not_utf8: () => Effect.succeed("\ud800"),
  unencodable: () => Effect.succeed(new Map()),
  huge_int: () => Effect.succeed(10n ** 400n),
  big: (size) => Effect.sync(() => "x".repeat(size)),
  nested: (depth) => Effect.sync(() => nest(depth, (inner) => [inner])),
  nested_struct: (depth) => Effect.sync(() => nest(depth, (inner) => ({ k: inner }))),

  fail: failure,
  fail_sync: failure,
  hang: () => Effect.scoped(Effect.zipRight(recorder.track("hang"), Effect.never)),
  sleep: (seconds) =>
    Effect.scoped(Effect.zipRight(recorder.track("sleep"), Effect.delay(Effect.succeed(seconds), `${seconds} seconds`)))
})

export const streamingCalls = (recorder: Recorder): contract.Handlers<typeof contract.streamingCalls> => {
  const tracked = <Args extends ReadonlyArray<unknown>, A>(
    name: string,
    body: (...args: Args) => Stream.Stream<A, DriverFailure.DriverFailure>
  ) =>
  (...args: Args) => Stream.unwrapScoped(Effect.map(recorder.track(name), () => body(...args)))

  const upTo = (n: number): Stream.Stream<number> => n === 0 ? Stream.empty : Stream.range(0, n - 1)

  return {
    count: tracked("count", (n, delay) =>
      delay === 0
        ? upTo(n)
        : Stream.schedule(upTo(n), Schedule.spaced(`${delay} seconds`))),
    count_sync: upTo,
    fail_after: tracked(
      "fail_after",
      (n, kind, message) => Stream.concat(upTo(n), Stream.fromEffect(failure(kind, message)))
    ),
    forever: tracked("forever", (delay) =>
      Stream.mapEffect(
        Stream.iterate(0, (i) => i + 1),
        (i) => i === 0 ? Effect.succeed(i) : Effect.delay(Effect.succeed(i), `${delay} seconds`)
      )),
    silent: tracked("silent", () => Stream.never),
    flood: tracked("flood", (n, size) =>
      Stream.mapEffect(upTo(n), () =>
        Effect.sync(() => {
          recorder.count("flood", size)
          return "x".repeat(size)
        })))
  }
}
