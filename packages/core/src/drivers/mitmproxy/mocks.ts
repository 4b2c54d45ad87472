// The methods that say what the proxy answers instead of a server.
import * as Schema from "effect/Schema"
import * as DriverMethod from "../../contract/DriverMethod.ts"
import { Headers } from "./messages.ts"

const JsonText = Schema.parseJson(DriverMethod.Json)
const JsonObject = Schema.parseJson(Schema.Record({ key: Schema.String, value: DriverMethod.Json }))
const HttpStatus = Schema.Int.pipe(Schema.between(100, 599))

const reply = {
  /** 200 by default. */
  status: Schema.optional(HttpStatus),
  headers: Schema.optional(Headers),
  /** `application/json` by default. */
  content_type: Schema.optional(Schema.String),
  latency_ms: Schema.optional(Schema.NonNegative),
  body: Schema.optional(DriverMethod.Json),
  /** A body in which expressions such as {{uuid}} are replaced. */
  body_template: Schema.optional(DriverMethod.Json),
  /** A file that was uploaded, in place of a body. */
  file: Schema.optional(Schema.String)
}

/**
 * A response of a sequence, which answers `repeat` requests, and the others if it is the last one. If a response of the sequence has
 * a `delay_ms`, then each is the answer from that time after the first request on. Such responses have neither a `body_template` nor
 * a `latency_ms`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SequenceStep = Schema.Struct({
  ...reply,
  repeat: Schema.optional(Schema.Int.pipe(Schema.positive())),
  delay_ms: Schema.optional(Schema.NonNegative)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface SequenceStep extends Schema.Schema.Type<typeof SequenceStep> {}

/**
 * What a request has to be like for a rule. An empty value of a header or a parameter means any value. A name in `body_json` is a
 * path into the body, such as `user.name`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RequestMatch = Schema.Struct({
  headers: Schema.optional(Headers),
  headers_absent: Schema.optional(Schema.Array(Schema.String)),
  query: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.String })),
  body_contains: Schema.optional(Schema.String),
  body_json: Schema.optional(Schema.Record({ key: Schema.String, value: DriverMethod.Json }))
})

/**
 * @since 0.1.0
 * @category models
 */
export interface RequestMatch extends Schema.Schema.Type<typeof RequestMatch> {}

/**
 * An answer to the requests that match; to all of them without `match`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const MockRule = Schema.Struct({
  ...reply,
  match: Schema.optional(RequestMatch),
  sequence: Schema.optional(Schema.NonEmptyArray(SequenceStep))
})

/**
 * @since 0.1.0
 * @category models
 */
export interface MockRule extends Schema.Schema.Type<typeof MockRule> {}

// Scenario files, which are not checked, may have any properties.
const Mocks = Schema.parseJson(Schema.Record({
  key: Schema.String,
  value: Schema.Record({ key: Schema.String, value: DriverMethod.Json })
}))

const endpoint = DriverMethod.named((method = Schema.String, path = Schema.String) => [method, path])
const typeOf = (fallback: string) => DriverMethod.optional(Schema.String, { fallback })
const okay = DriverMethod.optional(HttpStatus, { fallback: 200 })
const headers = DriverMethod.optional(Schema.parseJson(Headers), { fallback: {} })

export const mocking = {
  /** Answers requests with a status and a body. */
  set_mock: DriverMethod.call({
    args: DriverMethod.named((
      method = Schema.String,
      path = Schema.String,
      status = HttpStatus,
      body = JsonText,
      contentType = typeOf("application/json"),
      responseHeaders = headers
    ) => [method, path, status, body, contentType, responseHeaders]),
    result: Schema.String,
    documentation: "Answers requests with a status and a body.",
    idempotent: true
  }),
  /** Removes a mock. */
  remove_mock: DriverMethod.call({
    args: endpoint,
    result: Schema.String,
    documentation: "Removes a mock.",
    idempotent: true
  }),
  /** Removes all mocks. */
  clear_mocks: DriverMethod.call({
    result: Schema.String,
    effect: "destructive",
    documentation: "Removes all mocks.",
    idempotent: true
  }),
  /** The mocks, by method and path. */
  list_mocks: DriverMethod.call({
    result: Mocks,
    effect: "read",
    documentation: "The mocks, by method and path.",
    idempotent: true
  }),
  /** Answers requests with a file that was uploaded. */
  set_mock_file: DriverMethod.call({
    args: DriverMethod.named((
      method = Schema.String,
      path = Schema.String,
      file = Schema.String,
      contentType = typeOf(""),
      status = okay,
      responseHeaders = headers
    ) => [method, path, file, contentType, status, responseHeaders]),
    result: Schema.String,
    documentation: "Answers requests with a file that was uploaded.",
    idempotent: true
  }),
  /** Passes requests on, and merges an object into the JSON that the server answers. */
  set_mock_patch: DriverMethod.call({
    args: DriverMethod.named((
      method = Schema.String,
      path = Schema.String,
      patch = JsonObject,
      responseHeaders = headers
    ) => [method, path, patch, responseHeaders]),
    result: Schema.String,
    documentation: "Passes requests on, and merges an object into the JSON that the server answers.",
    idempotent: true
  }),
  /** Answers requests with a status and a body, after a time. */
  set_mock_with_latency: DriverMethod.call({
    args: DriverMethod.named((
      method = Schema.String,
      path = Schema.String,
      status = HttpStatus,
      body = JsonText,
      milliseconds = Schema.Int.pipe(Schema.nonNegative()),
      contentType = typeOf("application/json")
    ) => [method, path, status, body, milliseconds, contentType]),
    result: Schema.String,
    documentation: "Answers requests with a status and a body, after a time.",
    idempotent: true
  }),
  /** Answers requests with one response after the other, and then with the last one. */
  set_mock_sequence: DriverMethod.call({
    args: DriverMethod.named((
      method = Schema.String,
      path = Schema.String,
      responses = Schema.parseJson(Schema.NonEmptyArray(SequenceStep))
    ) => [method, path, responses]),
    result: Schema.String,
    documentation: "Answers requests with one response after the other, and then with the last one.",
    idempotent: true
  }),
  /** Answers requests with a body in which expressions such as {{uuid}} are replaced. */
  set_mock_template: DriverMethod.call({
    args: DriverMethod.named((
      method = Schema.String,
      path = Schema.String,
      template = JsonText,
      status = okay
    ) => [method, path, template, status]),
    result: Schema.String,
    documentation: "Answers requests with a body in which expressions such as {{uuid}} are replaced.",
    idempotent: true
  }),
  /** Lets an addon of the exporter answer requests. */
  set_mock_addon: DriverMethod.call({
    args: DriverMethod.named((
      method = Schema.String,
      path = Schema.String,
      addon = Schema.String,
      config = DriverMethod.optional(JsonText, { fallback: {} })
    ) => [method, path, addon, config]),
    result: Schema.String,
    documentation: "Lets an addon of the exporter answer requests.",
    idempotent: true
  }),
  /** Answers each request by the first rule that matches it. */
  set_mock_conditional: DriverMethod.call({
    args: DriverMethod.named((
      method = Schema.String,
      path = Schema.String,
      rules = Schema.parseJson(Schema.NonEmptyArray(MockRule))
    ) => [method, path, rules]),
    result: Schema.String,
    documentation: "Answers each request by the first rule that matches it.",
    idempotent: true
  }),
  /** Sets a value that templates and addons read. */
  set_state: DriverMethod.call({
    args: DriverMethod.named((key = Schema.String, value = JsonText) => [key, value]),
    result: Schema.String,
    documentation: "Sets a value that templates and addons read.",
    idempotent: true
  }),
  /** The value of a key that templates and addons read, or null. */
  get_state: DriverMethod.call({
    args: DriverMethod.named((key = Schema.String) => [key]),
    result: JsonText,
    effect: "read",
    documentation: "The value of a key that templates and addons read, or null.",
    idempotent: true
  }),
  /** Removes all values that templates and addons read. */
  clear_state: DriverMethod.call({
    result: Schema.String,
    effect: "destructive",
    documentation: "Removes all values that templates and addons read.",
    idempotent: true
  }),
  /** All values that templates and addons read. */
  get_all_state: DriverMethod.call({
    result: JsonObject,
    effect: "read",
    documentation: "All values that templates and addons read.",
    idempotent: true
  }),
  /** The names of the addons. */
  list_addons: DriverMethod.call({
    result: Schema.parseJson(Schema.Array(Schema.String)),
    effect: "read",
    documentation: "The names of the addons.",
    idempotent: true
  }),
  /** Replaces all mocks by those of a file of the exporter. */
  load_mock_scenario: DriverMethod.call({
    args: DriverMethod.named((file = Schema.String) => [file]),
    result: Schema.String,
    effect: "destructive",
    documentation: "Replaces all mocks by those of a file of the exporter.",
    idempotent: true
  }),
  /** Replaces all mocks by those of a text: YAML if the name ends in .yaml or .yml, and JSON otherwise. */
  load_mock_scenario_content: DriverMethod.call({
    args: DriverMethod.named((filename = Schema.String, content = Schema.String) => [filename, content]),
    result: Schema.String,
    effect: "destructive",
    documentation: "Replaces all mocks by those of a text: YAML if the name ends in .yaml or .yml, and JSON otherwise.",
    idempotent: true
  })
}
