// What the proxy reports about itself, and about the traffic that it captured.
import * as Schema from "effect/Schema"

/**
 * What the proxy does with requests: `mock` answers those that have a mock and passes the others on, `passthrough` only
 * logs, `record` writes them to a flow file, `replay` answers from one.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Mode = Schema.Literal("mock", "passthrough", "record", "replay")

/**
 * @since 0.1.0
 * @category models
 */
export type Mode = typeof Mode.Type

/**
 * What the proxy does now. `mode` is `stopped` before it was started and after it was stopped.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Status = Schema.Struct({
  running: Schema.Boolean,
  mode: Schema.Literal("stopped", ...Mode.literals),
  pid: Schema.NullOr(Schema.Int),
  proxy_address: Schema.NullOr(Schema.String),
  web_ui_enabled: Schema.Boolean,
  web_ui_address: Schema.NullOr(Schema.String),
  mock_count: Schema.Int,
  flow_file: Schema.NullOr(Schema.String)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Status extends Schema.Schema.Type<typeof Status> {}

/** The fields of an HTTP message, by name. */
export const Headers = Schema.Record({ key: Schema.String, value: Schema.String })

/**
 * A request of the device and its answer. `timestamp` is in seconds since 1970. A `response_status` of 0 says that the
 * server could not be reached. A body that is large or binary is in a file of the exporter, `response_body_file`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CapturedRequest = Schema.Struct({
  timestamp: Schema.Number,
  method: Schema.String,
  url: Schema.String,
  path: Schema.String,
  headers: Headers,
  query: Schema.Record({ key: Schema.String, value: Schema.Array(Schema.String) }),
  body: Schema.String,
  response_status: Schema.Int,
  was_mocked: Schema.Boolean,
  was_patched: Schema.Boolean,
  duration_ms: Schema.Number,
  response_size: Schema.Int,
  response_body: Schema.NullOr(Schema.String),
  response_body_file: Schema.NullOr(Schema.String),
  response_content_type: Schema.String,
  response_headers: Headers,
  response_is_binary: Schema.Boolean
})

/**
 * @since 0.1.0
 * @category models
 */
export interface CapturedRequest extends Schema.Schema.Type<typeof CapturedRequest> {}

/**
 * A recorded flow file of the exporter.
 *
 * @since 0.1.0
 * @category schemas
 */
export const FlowFile = Schema.Struct({
  name: Schema.String,
  path: Schema.String,
  size_bytes: Schema.Int,
  /** Local time of the exporter, such as `2026-01-31T12:00:00`. */
  modified: Schema.String
})

/**
 * @since 0.1.0
 * @category models
 */
export interface FlowFile extends Schema.Schema.Type<typeof FlowFile> {}

/**
 * Captured traffic as a scenario in YAML, and the files that it refers to, for `get_captured_file`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Scenario = Schema.Struct({ yaml: Schema.String, files: Schema.Array(Schema.String) })

/**
 * @since 0.1.0
 * @category models
 */
export interface Scenario extends Schema.Schema.Type<typeof Scenario> {}
