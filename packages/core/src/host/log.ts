// The log of an exporter (protocol.md 8): every reader gets every line at its own pace, and a late reader also gets the
// latest ones.
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import * as Logger from "effect/Logger"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { shownText } from "../grpc/shownText.ts"
import * as LogEntry from "../protocol/LogEntry.ts"
import type { ProvidedDriver } from "./services.ts"

export interface HostLog {
  readonly publish: (entry: LogEntry.LogEntry) => void
  readonly entries: Stream.Stream<LogEntry.LogEntry>
  // Adds a line about an operation of a driver, with the time of a fiber's clock; the message is one of this library's own texts.
  readonly record: (
    fiber: Fiber.RuntimeFiber<unknown, unknown>,
    driver: ProvidedDriver,
    operation: string,
    severity: LogEntry.LogSeverity,
    message: string,
    fields: Readonly<Record<string, string>>
  ) => void
  // Logs only in this program, if it wants to see what drivers log.
  readonly locally: (line: Effect.Effect<void>) => Effect.Effect<void>
  // What a fiber does with what it logs.
  readonly logging: (fiber: Fiber.RuntimeFiber<unknown, unknown>) => Logging
  // Turns what this fiber logs into lines of an operation of a driver, until `leave`.
  readonly enter: (driver: ProvidedDriver, operation: string, before: Logging) => Effect.Effect<void>
  // The same for fibers that begin with these FiberRefs: what they do with what they log, and the FiberRefs to begin with instead, which
  // also have the driver's services.
  readonly outside: (refs: FiberRefs.FiberRefs) => Logging
  readonly entered: (driver: ProvidedDriver, operation: string, refs: FiberRefs.FiberRefs) => FiberRefs.FiberRefs
  readonly leave: (before: Logging) => Effect.Effect<void>
}

// The FiberRefs of fibers outside and inside an operation.
interface Entered {
  readonly outside: FiberRefs.FiberRefs
  readonly inside: FiberRefs.FiberRefs
}

type Loggers = HashSet.HashSet<Logger.Logger<unknown, unknown>>

// A fiber's logging state.
export interface Logging {
  readonly annotations: HashMap.HashMap<string, unknown>
  readonly loggers: Loggers
}

const loggingOf = (get: <A>(ref: FiberRef.FiberRef<A>) => A): Logging => ({
  annotations: get(FiberRef.currentLogAnnotations),
  loggers: get(FiberRef.currentLoggers)
})

// Never throws: a logger that throws makes the driver that logged die with a defect.
const textOf = (value: unknown): string => shownText(value, "something that cannot be shown")

/** The text of a cause, with stacks. It never throws either. */
export const causeText = (cause: Cause.Cause<unknown>): string => {
  try {
    return Cause.pretty(cause)
  } catch {
    return [...Cause.failures(cause), ...Cause.defects(cause)].map(textOf).join("\n")
  }
}

const messageOf = (message: unknown): string => (Array.isArray(message) ? message : [message]).map(textOf).join(" ")

const encoder = new TextEncoder()

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

// V8 always copies shorter parts.
const sharedLength = 13

const fewFields = 4

// Copies the part of a text that is kept: a slice would keep the whole text alive, and drivers quote from messages of
// megabytes.
const kept = (text: string, length: number): string => {
  if (text.length < sharedLength) return text
  const copy = decoder.decode(encoder.encode(text.slice(0, length)))
  return text.length <= length ? copy : `${copy}… (${text.length - length} more characters)`
}

// Characters of a whole line, at most three bytes each: a gRPC message has 4 MiB.
const maxLineLength = 1024 * 1024

// The content of an entry. Most lines are never read, so each is one small object until it is.
interface Entry extends Pick<LogEntry.LogEntry, "severity" | "message" | "source" | "fields"> {
  readonly driverType: string | undefined
  readonly operation: string | undefined
  // In milliseconds since 1970.
  readonly time: number | undefined
}

export const toEntry = ({ driverType, operation, time, ...entry }: Entry): LogEntry.LogEntry =>
  new LogEntry.LogEntry({
    ...entry,
    driverType: Option.fromNullable(driverType),
    operation: Option.fromNullable(operation),
    timestamp: Option.flatMap(Option.fromNullable(time), DateTime.make)
  }, { disableValidation: true })

// What a field takes besides its key and its value: their lengths and tags.
const fieldOverhead = 5

// This field says how many fields were left out.
const leftOut = "fields_left_out"

const guarded = new WeakMap<Logger.Logger<unknown, unknown>, Logger.Logger<unknown, unknown>>()

// Effect's loggers throw on values without a text, which would fail the driver that logs one. They get a text instead.
const guard = (logger: Logger.Logger<unknown, unknown>): Logger.Logger<unknown, unknown> => {
  const known = guarded.get(logger)
  if (known !== undefined) return known
  const result = Logger.make<unknown, unknown>((options) => {
    try {
      return logger.log(options)
    } catch {
      return logger.log({
        ...options,
        message: messageOf(options.message),
        cause: Cause.isEmpty(options.cause) ? options.cause : Cause.fail(causeText(options.cause)),
        annotations: HashMap.map(options.annotations, textOf)
      })
    }
  })
  guarded.set(logger, result)
  guarded.set(result, result)
  return result
}

const guardAll = (loggers: Loggers): Loggers => HashSet.map(loggers, guard)

/** Turns what drivers or hooks log into lines. The logger never throws if `add` does not. */
export const makeLogger = (source: LogEntry.LogSource, add: (entry: Entry) => void): Logger.Logger<unknown, void> =>
  Logger.make<unknown, void>(({ annotations, cause, date, logLevel, message }) => {
    const texts = new Map<string, string>()
    HashMap.forEach(annotations, (value, key) => {
      texts.set(key, textOf(value))
    })
    const [driverType, operation] = [texts.get("driver_type"), texts.get("operation")]
    texts.delete("driver_type")
    texts.delete("operation")
    add({
      severity: LogEntry.severity(logLevel),
      message: Cause.isEmpty(cause) ? messageOf(message) : `${messageOf(message)}: ${causeText(cause)}`,
      source,
      driverType,
      operation,
      time: date.getTime(),
      // A key may be __proto__.
      fields: Object.fromEntries(texts)
    })
  })

// The protocol has no other way to tell a reader.
const droppedBefore = ({ time }: Entry, count: number): Entry => ({
  severity: "WARNING",
  message: `${count} log ${count === 1 ? "line was" : "lines were"} dropped, the reader is too slow`,
  source: "SYSTEM",
  driverType: undefined,
  operation: undefined,
  time,
  fields: { dropped: String(count) }
})

interface Line {
  readonly number: number
  readonly entry: Entry
}

export interface Options {
  readonly backlog: number
  // Characters of a message, and of a field. A line larger than a gRPC message would end the subscription of every reader,
  // again and again, because it is among the latest lines when they reconnect.
  readonly lineLength: number
  readonly localLogs: boolean
}

export const make = ({ backlog, lineLength, localLogs }: Options): HostLog => {
  const readers = new Set<Mailbox.Mailbox<Line>>()
  // The latest lines, and at most as many older ones.
  let older: ReadonlyArray<Entry> = []
  let newer: Array<Entry> = []
  // How many lines there have been.
  let count = 0

  const shortLength = Math.min(sharedLength, lineLength)

  const keptText = (text: string): string => kept(text, Math.min(lineLength, maxLineLength))

  // Whether there is nothing to cut or to copy: most lines are about the beginning and the end of a call.
  const isShort = (fields: Entry["fields"]): boolean => {
    let keys = 0
    for (const key in fields) {
      if (++keys > fewFields || key.length > sharedLength || (fields[key] ?? "").length >= shortLength) return false
    }
    return true
  }

  // Returns the fields that fit next to the `taken` characters.
  const keptFields = (fields: Entry["fields"], taken: number): Entry["fields"] => {
    if (taken < maxLineLength / 2 && isShort(fields)) return fields
    const result: Array<readonly [string, string]> = []
    const all = Object.entries(fields)
    let left = maxLineLength - taken
    for (const [key, text] of all) {
      const room = Math.min(lineLength, left - key.length - fieldOverhead)
      if (room <= 0) continue
      const value = kept(text, room)
      result.push([key, value])
      left -= key.length + value.length + fieldOverhead
    }
    const missing = all.length - result.length
    if (missing > 0) result.push([leftOut, String(missing)])
    return Object.fromEntries(result)
  }

  const add = (entry: Entry): void => {
    const number = count++
    newer.push(entry)
    if (newer.length >= backlog) {
      older = newer
      newer = []
    }
    readers.forEach((reader) => reader.unsafeOffer({ number, entry }))
  }

  const addForeign = (entry: Entry): void => {
    const message = keptText(entry.message)
    const driverType = entry.driverType === undefined ? undefined : keptText(entry.driverType)
    const operation = entry.operation === undefined ? undefined : keptText(entry.operation)
    const taken = message.length + (driverType ?? "").length + (operation ?? "").length
    add({ ...entry, message, driverType, operation, fields: keptFields(entry.fields, taken) })
  }

  const logger = makeLogger("DRIVER", addForeign)
  // This logger never throws.
  guarded.set(logger, logger)
  // Fibers compare new values of their references with old ones by hashes that collections cache. So operations entered
  // from the same outside state get the same collections each time.
  let outside: Logging | undefined
  let inside = new WeakMap<ProvidedDriver, Map<string, Logging>>()
  let local: Loggers = HashSet.empty()

  const insideOf = (driver: ProvidedDriver, operation: string, { annotations, loggers }: Logging): Logging => {
    if (annotations !== outside?.annotations || loggers !== outside.loggers) {
      outside = { annotations, loggers }
      inside = new WeakMap()
      local = localLogs ? guardAll(loggers) : HashSet.empty()
    }
    const operations = inside.get(driver) ?? new Map<string, Logging>()
    inside.set(driver, operations)
    const known = operations.get(operation) ?? {
      annotations: HashMap.set(HashMap.set(annotations, "driver_type", driver.driverType), "operation", operation),
      loggers: HashSet.add(local, logger)
    }
    operations.set(operation, known)
    return known
  }

  const withLogging = (
    refs: FiberRefs.FiberRefs,
    fiberId: FiberId.Single,
    { annotations, loggers }: Logging
  ): FiberRefs.FiberRefs =>
    FiberRefs.updateManyAs(refs, {
      entries: [
        [FiberRef.currentLogAnnotations, [[fiberId, annotations]]],
        [FiberRef.currentLoggers, [[fiberId, loggers]]]
      ]
    })

  const logAs = (logging: Logging): Effect.Effect<void> =>
    Effect.updateFiberRefs((fiberId, refs) => withLogging(refs, fiberId, logging))

  const outsideOf: HostLog["outside"] = (refs) => loggingOf((ref) => FiberRefs.getOrDefault(refs, ref))

  const known = new WeakMap<ProvidedDriver, Map<string, Entered>>()

  const entered: HostLog["entered"] = (driver, operation, outside) => {
    const operations = known.get(driver) ?? new Map<string, Entered>()
    known.set(driver, operations)
    const last = operations.get(operation)
    if (last?.outside === outside) return last.inside
    const fiberId = FiberId.unsafeMake()
    const context = Context.merge(FiberRefs.getOrDefault(outside, FiberRef.currentContext), driver.services)
    const inside = FiberRefs.updateAs(
      withLogging(outside, fiberId, insideOf(driver, operation, outsideOf(outside))),
      { fiberId, fiberRef: FiberRef.currentContext, value: context }
    )
    operations.set(operation, { outside, inside })
    return inside
  }

  const subscribe = Effect.acquireRelease(
    // A mailbox without capacity would drop every line.
    Effect.tap(
      Mailbox.make<Line>({ capacity: Math.max(1, backlog), strategy: "sliding" }),
      (reader) =>
        Effect.sync(() => {
          const entries = [...older, ...newer]
          const latest = entries.slice(Math.max(0, entries.length - backlog))
          reader.unsafeOfferAll(latest.map((entry, index) => ({ number: count - latest.length + index, entry })))
          readers.add(reader)
        })
    ),
    (reader) => Effect.sync(() => readers.delete(reader))
  )

  return {
    publish: ({ driverType, fields, message, operation, severity, source, timestamp }) =>
      addForeign({
        severity,
        message,
        source,
        driverType: Option.getOrUndefined(driverType),
        operation: Option.getOrUndefined(operation),
        time: Option.getOrUndefined(Option.map(timestamp, DateTime.toEpochMillis)),
        fields
      }),
    record: (fiber, { driverType }, operation, severity, message, fields) =>
      add({
        severity,
        message,
        source: "DRIVER",
        driverType,
        operation,
        // A line carries the time of day.
        time: Context.get(fiber.currentDefaultServices, Clock.Clock).unsafeCurrentTimeMillis(),
        fields: keptFields(fields, message.length)
      }),
    locally: (line) => localLogs ? Effect.locallyWith(line, FiberRef.currentLoggers, guardAll) : Effect.void,
    logging: (fiber) => loggingOf((ref) => fiber.getFiberRef(ref)),
    outside: outsideOf,
    entered,
    enter: (driver, operation, before) => logAs(insideOf(driver, operation, before)),
    leave: logAs,
    entries: Stream.unwrapScoped(Effect.map(subscribe, (reader) => {
      const first = count - Option.getOrElse(reader.unsafeSize(), () => 0)
      return Mailbox.toStream(reader).pipe(
        Stream.mapAccum(first, (expected, { entry, number }) => [
          number + 1,
          number === expected ? [entry] : [droppedBefore(entry, number - expected), entry]
        ]),
        Stream.mapConcat((entries) => entries.map(toEntry))
      )
    }))
  }
}
