// The calls and streaming calls of the probe; see interop/README.md for what each does.
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Driver from "../../src/Driver.ts"
import * as DriverFailure from "../../src/DriverFailure.ts"
import type { ExporterStatus } from "../../src/ExporterStatus.ts"
import { ExporterStatus as StatusSchema } from "../../src/ExporterStatus.ts"
import type { JsonValue } from "../../src/ProtobufValue.ts"
import type { Recorder } from "./probeRecorder.ts"
import * as probeValues from "./probeValues.ts"

type Args = ReadonlyArray<JsonValue>

export const number = (value: JsonValue | undefined, otherwise = 0): number =>
  typeof value === "number" ? value : otherwise

const string = (value: JsonValue | undefined, otherwise = ""): string => typeof value === "string" ? value : otherwise

const reasons: Readonly<Record<string, DriverFailure.FailureReason>> = {
  not_implemented: "NotImplemented",
  value_error: "InvalidArgument",
  timeout: "Timeout",
  connection: "Connection",
  connection_reset: "Connection",
  os_error: "Device",
  file_not_found: "Device",
  runtime: "Other",
  key_error: "Other"
}

const failure = (kind: JsonValue | undefined, message: JsonValue | undefined) => {
  if (kind === "cancelled") return Effect.interrupt
  const reason = reasons[string(kind)]
  // What no handler foresees; `type_error` is the one kind that a handler does not fail with but dies of.
  return reason === undefined
    ? Effect.die(new TypeError(string(message)))
    : DriverFailure.make(reason, string(message))
}

const levels: Readonly<Record<string, LogLevel.LogLevel>> = {
  DEBUG: LogLevel.Debug,
  INFO: LogLevel.Info,
  WARNING: LogLevel.Warning,
  ERROR: LogLevel.Error,
  CRITICAL: LogLevel.Fatal
}

// A value no JsonValue type admits, to see what the host does with a driver that lies about its result.
const lie = (value: unknown) => Effect.succeed(value as JsonValue)

const nest = (depth: number, wrap: (inner: JsonValue) => JsonValue): JsonValue => {
  let value: JsonValue = null
  for (let level = 0; level < depth; level++) value = wrap(value)
  return value
}

const depthOf = (value: JsonValue | undefined): number =>
  typeof value === "object" && value !== null ? 1 + depthOf(Object.values(value)[0]) : 0

export type SetStatus = (status: ExporterStatus, message: string) => Effect.Effect<void>

export const calls = (recorder: Recorder, setStatus: SetStatus) => {
  const tracked = (
    name: string,
    body: (args: Args) => Effect.Effect<JsonValue | void, DriverFailure.DriverFailure>
  ) => Driver.call((args) => Effect.scoped(Effect.zipRight(recorder.track(name), body(args))))

  const sleep = (args: Args) => Effect.as(Effect.sleep(`${number(args[0])} seconds`), number(args[0]))

  return {
    events: Driver.call(() => Effect.sync(() => [...recorder.events])),
    clear_events: Driver.call(() =>
      Effect.sync(() => {
        recorder.events.length = 0
        recorder.bytes.clear()
      })
    ),
    open_count: Driver.call(() => Effect.sync(recorder.openCount)),
    bytes_count: Driver.call(([name]) => Effect.sync(() => recorder.bytes.get(string(name)) ?? 0)),
    set_status: Driver.call(([name, message]) => {
      const status = StatusSchema.literals.find((literal) => literal === name)
      return status === undefined
        ? DriverFailure.make("Other", `no status ${JSON.stringify(name)}`)
        : setStatus(status, string(message))
    }),
    log: Driver.call(([level, message]) =>
      Effect.logWithLevel(levels[string(level)] ?? LogLevel.Info, message).pipe(
        Logger.withMinimumLogLevel(LogLevel.All)
      )
    ),

    echo: Driver.call((args) => Effect.succeed(args)),
    identity: Driver.call(([value]) => Effect.succeed(value ?? null)),
    depth: Driver.call(([value]) => Effect.sync(() => depthOf(value))),
    typed: Driver.call(([count, name]) =>
      Number.isInteger(count) && typeof name === "string"
        ? Effect.succeed({ count: number(count), name })
        : DriverFailure.make("InvalidArgument", "count: Input should be a valid integer")
    ),
    values: Driver.call(() => Effect.succeed(probeValues.portable)),
    nan: Driver.call(() => lie(NaN)),
    not_utf8: Driver.call(() => lie("\ud800")),
    unencodable: Driver.call(() => lie(new Map())),
    huge_int: Driver.call(() => lie(10n ** 400n)),
    big: Driver.call(([n]) => Effect.sync(() => "x".repeat(number(n)))),
    nested: Driver.call(([depth]) => Effect.sync(() => nest(number(depth), (inner) => [inner]))),
    nested_struct: Driver.call(([depth]) => Effect.sync(() => nest(number(depth), (inner) => ({ k: inner })))),

    fail: Driver.call(([kind, message]) => failure(kind, message)),
    fail_sync: Driver.call(([kind, message]) => failure(kind, message)),
    hang: tracked("hang", () => Effect.never),
    sleep: tracked("sleep", sleep)
  }
}

export const streamingCalls = (recorder: Recorder) => {
  const tracked = (
    name: string,
    body: (args: Args) => Stream.Stream<JsonValue, DriverFailure.DriverFailure>
  ) => Driver.streamingCall((args) => Stream.unwrapScoped(Effect.map(recorder.track(name), () => body(args))))

  const upTo = (n: number): Stream.Stream<number> => n === 0 ? Stream.empty : Stream.range(0, n - 1)

  return {
    count: tracked("count", ([n, delay]) =>
      number(delay) === 0
        ? upTo(number(n))
        : Stream.schedule(upTo(number(n)), Schedule.spaced(`${number(delay)} seconds`))),
    count_sync: Driver.streamingCall(([n]) => upTo(number(n))),
    fail_after: tracked(
      "fail_after",
      ([n, kind, message]) => Stream.concat(upTo(number(n)), Stream.fromEffect(failure(kind, message)))
    ),
    forever: tracked("forever", ([delay]) =>
      Stream.mapEffect(
        Stream.iterate(0, (i) => i + 1),
        (i) => i === 0 ? Effect.succeed(i) : Effect.delay(Effect.succeed(i), `${number(delay, 0.01)} seconds`)
      )),
    silent: tracked("silent", () => Stream.never),
    flood: tracked("flood", ([n, size]) =>
      Stream.mapEffect(upTo(number(n)), () =>
        Effect.sync(() => {
          recorder.count("flood", number(size))
          return "x".repeat(number(size))
        })))
  }
}
