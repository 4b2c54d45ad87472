// The lines of a record; docs/records.md documents them.
import * as Schema from "effect/Schema"
import { LogSeverity, LogSource } from "../../protocol/LogEntry.ts"

export const version = 1

// `unfinished`: the process ended before the run did. Times of the last events tell how long it took, not the header.
export const Outcome = Schema.Literal("passed", "failed", "interrupted", "unfinished")

export type Outcome = typeof Outcome.Type

const RunError = Schema.Struct({ message: Schema.String, stack: Schema.optional(Schema.String) })

export type RunError = typeof RunError.Type

// The first line.
export const Header = Schema.Struct({
  record: Schema.Literal("effect-jumpstarter"),
  version: Schema.Literal(version),
  name: Schema.String,
  // The file of a test.
  file: Schema.optional(Schema.String),
  outcome: Outcome,
  // ISO 8601.
  begun: Schema.String,
  millis: Schema.Number,
  errors: Schema.Array(RunError)
})

export type Header = typeof Header.Type

const at = { at: Schema.Number }

const Bytes = Schema.Union(
  Schema.Struct({ bytes: Schema.NonNegativeInt, text: Schema.String }),
  Schema.Struct({ bytes: Schema.NonNegativeInt, base64: Schema.String })
)

export type Bytes = typeof Bytes.Type

const Failure = Schema.Struct({ tag: Schema.optional(Schema.String), message: Schema.String })

export type Failure = typeof Failure.Type

const Kind = Schema.Literal("call", "streamingCall", "stream", "resource", "lease", "step")

const Begin = Schema.Struct({
  ...at,
  event: Schema.Literal("begin"),
  id: Schema.NonNegativeInt,
  kind: Kind,
  // Of a step: its name. Of a lease: the name of the lease.
  name: Schema.optional(Schema.String),
  exporter: Schema.optional(Schema.String),
  driver: Schema.optional(Schema.String),
  method: Schema.optional(Schema.String),
  args: Schema.optional(Schema.Array(Schema.Unknown)),
  // It began before the test, on a connection that several tests share.
  earlier: Schema.optional(Schema.Literal(true))
})

export type Begin = typeof Begin.Type

export const Event = Schema.Union(
  Begin,
  Schema.Struct({ ...at, event: Schema.Literal("item"), id: Schema.NonNegativeInt, value: Schema.Unknown }),
  Schema.Struct({ ...at, event: Schema.Literal("sent", "received"), id: Schema.NonNegativeInt, data: Bytes }),
  Schema.Struct({
    ...at,
    event: Schema.Literal("progress"),
    id: Schema.NonNegativeInt,
    sent: Schema.Number,
    received: Schema.Number,
    total: Schema.optional(Schema.Number)
  }),
  Schema.Struct({
    ...at,
    event: Schema.Literal("end"),
    id: Schema.NonNegativeInt,
    outcome: Schema.Literal("done", "failed", "interrupted"),
    result: Schema.optional(Schema.Unknown),
    failure: Schema.optional(Failure)
  }),
  Schema.Struct({
    ...at,
    event: Schema.Literal("connection"),
    exporter: Schema.String,
    state: Schema.Literal("Ready", "Lost", "Connecting", "Closed"),
    reason: Schema.optional(Schema.String),
    attempt: Schema.optional(Schema.Number)
  }),
  Schema.Struct({
    ...at,
    event: Schema.Literal("log"),
    exporter: Schema.String,
    severity: LogSeverity,
    source: LogSource,
    message: Schema.String,
    driverType: Schema.optional(Schema.String),
    operation: Schema.optional(Schema.String),
    timestamp: Schema.optional(Schema.String),
    fields: Schema.optional(Schema.Unknown),
    backlog: Schema.optional(Schema.Literal(true))
  }),
  Schema.Struct({
    ...at,
    event: Schema.Literal("gap"),
    exporter: Schema.String,
    reason: Schema.String,
    dropped: Schema.optional(Schema.Number)
  }),
  // A line that the program logged.
  Schema.Struct({
    ...at,
    event: Schema.Literal("message"),
    level: Schema.String,
    text: Schema.String,
    annotations: Schema.optional(Schema.Unknown)
  }),
  // Lines that are left out, because there were too many: `lines` of this kind, from `at` until `until`.
  Schema.Struct({
    ...at,
    event: Schema.Literal("cut"),
    of: Schema.Literal("calls", "items", "bytes", "log", "messages"),
    until: Schema.Number,
    lines: Schema.Number
  })
)

export type Event = typeof Event.Type

type Distribute<E> = E extends unknown ? Omit<E, "at"> : never

// An event without its time.
export type Happening = Distribute<Event>

export type Lane = Extract<Event, { readonly event: "cut" }>["of"]

export const laneOf = (event: Event["event"]): Lane => {
  switch (event) {
    case "item":
      return "items"
    case "sent":
    case "received":
      return "bytes"
    case "log":
    case "gap":
      return "log"
    case "message":
      return "messages"
    default:
      return "calls"
  }
}
