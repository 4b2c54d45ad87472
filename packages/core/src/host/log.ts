// The log of an exporter (protocol.md 8): every line goes to every reader, at the pace of each, and the latest ones also
// to a reader that comes late.
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import * as Inspectable from "effect/Inspectable"
import * as Logger from "effect/Logger"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as LogEntry from "../protocol/LogEntry.ts"
import type { Driver } from "./Driver.ts"

export interface HostLog {
  readonly publish: (entry: LogEntry.LogEntry) => void
  readonly entries: Stream.Stream<LogEntry.LogEntry>
  // Adds a line about an operation of a driver; the message is one of this program's own texts.
  readonly record: (
    driver: Driver,
    operation: string,
    severity: LogEntry.LogSeverity,
    message: string,
    fields: Readonly<Record<string, string>>
  ) => Effect.Effect<void>
  // Logs for this program only, where it wants to see what drivers log.
  readonly locally: (line: Effect.Effect<void>) => Effect.Effect<void>
  // Makes what this fiber logs lines of an operation of a driver, until it leaves with what this answers.
  readonly enter: (driver: Driver, operation: string) => Effect.Effect<Logging>
  readonly leave: (before: Logging) => Effect.Effect<void>
  // Runs driver code between the two.
  readonly capture: <A, E, R>(
    driver: Driver,
    operation: string,
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, R>
}

// How a fiber logs.
interface Logging {
  readonly annotations: HashMap.HashMap<string, unknown>
  readonly loggers: HashSet.HashSet<Logger.Logger<unknown, unknown>>
}

// Total, as a logger must be: one that throws is a defect of the driver that logged.
const textOf = (value: unknown): string =>
  typeof value === "string"
    ? value
    : value instanceof Error
    ? value.message
    : String(Inspectable.toStringUnknown(value, 0))

const messageOf = (message: unknown): string => (Array.isArray(message) ? message : [message]).map(textOf).join(" ")

const encoder = new TextEncoder()

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

// V8 copies parts that are shorter.
const sharedLength = 13

// What is kept of a text: a copy, because a part of a text keeps the whole of it alive, and drivers quote from messages
// of megabytes.
const kept = (text: string, length: number): string => {
  if (text.length < sharedLength) return text
  const copy = decoder.decode(encoder.encode(text.slice(0, length)))
  return text.length <= length ? copy : `${copy}… (${text.length - length} more characters)`
}

// Characters of a whole line, of three bytes each at most: a gRPC message has 4 MiB.
const maxLineLength = 1024 * 1024

// What an entry is made of. Most lines are never read, and are not made into one.
interface Entry extends Omit<ConstructorParameters<typeof LogEntry.LogEntry>[0], "timestamp"> {
  // In milliseconds since 1970.
  readonly time: Option.Option<number>
}

const toEntry = ({ time, ...entry }: Entry): LogEntry.LogEntry =>
  new LogEntry.LogEntry({ ...entry, timestamp: Option.flatMap(time, DateTime.make) }, { disableValidation: true })

// Turns the logs of driver code into lines.
const makeLogger = (add: (entry: Entry) => void) =>
  Logger.make<unknown, void>(({ annotations, cause, date, logLevel, message }) => {
    const fields: Record<string, string> = {}
    HashMap.forEach(annotations, (value, key) => {
      fields[key] = textOf(value)
    })
    const { driver_type: driverType, operation, ...rest } = fields
    add({
      severity: LogEntry.severity(logLevel),
      message: Cause.isEmpty(cause) ? messageOf(message) : `${messageOf(message)}: ${Cause.pretty(cause)}`,
      source: "DRIVER",
      driverType: Option.fromNullable(driverType),
      operation: Option.fromNullable(operation),
      time: Option.some(date.getTime()),
      fields: rest
    })
  })

// The protocol has no other way to tell a reader.
const droppedBefore = ({ time }: Entry, count: number): Entry => ({
  severity: "WARNING",
  message: `${count} log ${count === 1 ? "line was" : "lines were"} dropped, the reader is too slow`,
  source: "SYSTEM",
  driverType: Option.none(),
  operation: Option.none(),
  time,
  fields: { dropped: String(count) }
})

interface Line {
  readonly number: number
  readonly entry: Entry
}

export interface Options {
  readonly backlog: number
  // Characters of a message, and of a field. A line that is larger than a gRPC message may be would end the subscription of
  // every reader, again and again, because it is among the latest lines when they come back.
  readonly lineLength: number
  readonly localLogs: boolean
}

export const make = ({ backlog, lineLength, localLogs }: Options): HostLog => {
  const readers = new Set<Mailbox.Mailbox<Line>>()
  // The latest lines, and at most as many older ones.
  let older: ReadonlyArray<Line> = []
  let newer: Array<Line> = []
  let number = 0

  const keptFields = (fields: Entry["fields"], message = ""): Entry["fields"] => {
    const result: Record<string, string> = {}
    let left = maxLineLength - message.length
    for (const [key, text] of Object.entries(fields)) {
      const room = Math.min(lineLength, left - key.length)
      if (room <= 0) break
      const value = kept(text, room)
      result[key] = value
      left -= key.length + value.length
    }
    return result
  }

  const add = (entry: Entry): void => {
    const line = { number: number++, entry }
    newer.push(line)
    if (newer.length >= backlog) {
      older = newer
      newer = []
    }
    readers.forEach((reader) => reader.unsafeOffer(line))
  }

  const addForeign = (entry: Entry): void => {
    const message = kept(entry.message, Math.min(lineLength, maxLineLength))
    add({ ...entry, message, fields: keptFields(entry.fields, message) })
  }

  const logger = makeLogger(addForeign)
  // Fibers compare what they are given with what they had, by hashes that are kept with a collection. So operations that are
  // entered from the same outside are given the same collections each time.
  let outside: Logging | undefined
  let inside = new WeakMap<Driver, Map<string, Logging>>()

  const insideOf = (driver: Driver, operation: string, { annotations, loggers }: Logging): Logging => {
    if (annotations !== outside?.annotations || loggers !== outside.loggers) {
      outside = { annotations, loggers }
      inside = new WeakMap()
    }
    const operations = inside.get(driver) ?? new Map<string, Logging>()
    inside.set(driver, operations)
    const known = operations.get(operation) ?? {
      annotations: HashMap.set(HashMap.set(annotations, "driver_type", driver.driverType), "operation", operation),
      loggers: HashSet.add(localLogs ? loggers : HashSet.empty(), logger)
    }
    operations.set(operation, known)
    return known
  }

  const logAs = ({ annotations, loggers }: Logging): Effect.Effect<void> =>
    Effect.updateFiberRefs((fiberId, fiberRefs) =>
      FiberRefs.updateManyAs(fiberRefs, {
        entries: [
          [FiberRef.currentLogAnnotations, [[fiberId, annotations]]],
          [FiberRef.currentLoggers, [[fiberId, loggers]]]
        ]
      })
    )

  const enter: HostLog["enter"] = (driver, operation) =>
    Effect.withFiberRuntime((fiber) => {
      const before = {
        annotations: fiber.getFiberRef(FiberRef.currentLogAnnotations),
        loggers: fiber.getFiberRef(FiberRef.currentLoggers)
      }
      return Effect.as(logAs(insideOf(driver, operation, before)), before)
    })

  const subscribe = Effect.acquireRelease(
    // A mailbox without room would drop every line.
    Effect.tap(
      Mailbox.make<Line>({ capacity: Math.max(1, backlog), strategy: "sliding" }),
      (reader) =>
        Effect.sync(() => {
          const lines = [...older, ...newer]
          reader.unsafeOfferAll(lines.slice(Math.max(0, lines.length - backlog)))
          readers.add(reader)
        })
    ),
    (reader) => Effect.sync(() => readers.delete(reader))
  )

  return {
    publish: ({ timestamp, ...entry }) => addForeign({ ...entry, time: Option.map(timestamp, DateTime.toEpochMillis) }),
    record: ({ driverType }, operation, severity, message, fields) =>
      // eslint-disable-next-line no-restricted-syntax -- a line carries the time of day
      Effect.map(Clock.currentTimeMillis, (now) =>
        add({
          severity,
          message,
          source: "DRIVER",
          driverType: Option.some(driverType),
          operation: Option.some(operation),
          time: Option.some(now),
          fields: keptFields(fields)
        })),
    locally: (line) => localLogs ? line : Effect.void,
    enter,
    leave: logAs,
    capture: (driver, operation, effect) => Effect.acquireUseRelease(enter(driver, operation), () => effect, logAs),
    entries: Stream.unwrapScoped(Effect.map(subscribe, (reader) => {
      const first = number - Option.getOrElse(reader.unsafeSize(), () => 0)
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
