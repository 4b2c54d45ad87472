// The probe's contract, for the typed client of the behaviour suite and for our probe host. See
// interop/README.md for what each method does.
import * as Schema from "effect/Schema"
import * as DriverInterface from "../../src/contract/DriverInterface.ts"
import * as DriverMethod from "../../src/contract/DriverMethod.ts"
import { ExporterStatus } from "../../src/protocol/ExporterStatus.ts"
import { LogSeverity } from "../../src/protocol/LogEntry.ts"

const { Json, optional, sink, source } = DriverMethod

const text = optional(Schema.String, { fallback: "" })
const Digest = Schema.Struct({ size: Schema.Number, sha256: Schema.String })

/** The kinds of failure that a test can request from the driver. */
export const FailureKind = Schema.Literal(
  "not_implemented",
  "value_error",
  "timeout",
  "connection",
  "connection_reset",
  "os_error",
  "file_not_found",
  "runtime",
  "key_error",
  "type_error",
  "cancelled"
)

export type FailureKind = typeof FailureKind.Type

export const calls = {
  events: DriverMethod.call({ result: Schema.Array(Schema.String) }),
  clear_events: DriverMethod.call(),
  open_count: DriverMethod.call({ result: Schema.Number }),
  bytes_count: DriverMethod.call({ args: [Schema.String], result: Schema.Number }),
  set_status: DriverMethod.call({ args: [ExporterStatus, text] }),
  log: DriverMethod.call({ args: [LogSeverity, Schema.String] }),

  echo: DriverMethod.call({ rest: Json, result: Schema.Array(Json) }),
  depth: DriverMethod.call({ args: [Json], result: Schema.Number }),
  typed: DriverMethod.call({
    args: [Schema.Number, Schema.String],
    result: Schema.Struct({ count: Schema.Number, name: Schema.String })
  }),
  values: DriverMethod.call({ result: Json }),
  nan: DriverMethod.call({ result: Schema.NullOr(Schema.Number) }),
  not_utf8: DriverMethod.call({ result: Schema.String }),
  unencodable: DriverMethod.call({ result: Schema.Unknown }),
  huge_int: DriverMethod.call({ result: Schema.Unknown }),
  big: DriverMethod.call({ args: [Schema.Number], result: Schema.String }),
  nested: DriverMethod.call({ args: [Schema.Number], result: Json }),
  nested_struct: DriverMethod.call({ args: [Schema.Number], result: Json }),

  fail: DriverMethod.call({ args: [FailureKind, text] }),
  fail_sync: DriverMethod.call({ args: [FailureKind, text] }),
  hang: DriverMethod.call(),
  sleep: DriverMethod.call({ args: [Schema.Number], result: Schema.Number })
}

export const streamingCalls = {
  count: DriverMethod.streamingCall({
    args: [Schema.Number, optional(Schema.Number, { fallback: 0 })],
    item: Schema.Number
  }),
  count_sync: DriverMethod.streamingCall({ args: [Schema.Number], item: Schema.Number }),
  fail_after: DriverMethod.streamingCall({ args: [Schema.Number, FailureKind, text], item: Schema.Number }),
  forever: DriverMethod.streamingCall({ args: [optional(Schema.Number, { fallback: 0.01 })], item: Schema.Number }),
  silent: DriverMethod.streamingCall({ item: Schema.Number }),
  flood: DriverMethod.streamingCall({ args: [Schema.Number, Schema.Number], item: Schema.String })
}

export const byteStreams = {
  connect: DriverMethod.stream(),
  bytes_echo: DriverMethod.stream(),
  source_fixed: DriverMethod.stream(),
  source_endless: DriverMethod.stream(),
  sink: DriverMethod.stream(),
  sink_slow: DriverMethod.stream(),
  sink_stuck: DriverMethod.stream(),
  fail_open: DriverMethod.stream(),
  fail_mid: DriverMethod.stream(),
  broken_mid: DriverMethod.stream(),
  idle: DriverMethod.stream(),
  closing: DriverMethod.stream()
}

export const resources = {
  consume: DriverMethod.call({ args: [source], result: Digest }),
  consume_partial: DriverMethod.call({ args: [source, Schema.Number], result: Digest }),
  consume_slow: DriverMethod.call({ args: [source, optional(Schema.Number, { fallback: 0.01 })], result: Digest }),
  consume_fail: DriverMethod.call({ args: [source, Schema.Number] }),
  produce: DriverMethod.call({
    args: [sink, Schema.Number, optional(Schema.Number, { fallback: 65_536 })],
    result: Schema.String
  }),
  produce_fail: DriverMethod.call({ args: [sink, Schema.Number] }),
  // Optional because it both reads and writes, which a contract's handler cannot do.
  transform: DriverMethod.call({ args: [source], result: Schema.Number, optional: true }),
  ignore: DriverMethod.call({ args: [source] })
}

export const Probe = DriverInterface.make("interop.client.ProbeClient", {
  ...calls,
  ...streamingCalls,
  ...byteStreams,
  ...resources
})

/** The handlers of one of the groups above. */
export type Handlers<Group extends DriverInterface.Methods> = DriverInterface.Handlers<
  DriverInterface.DriverInterface<Group>
>
