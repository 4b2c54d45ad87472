// Why a configuration cannot be used. ClientConfig re-exports it.
import * as Schema from "effect/Schema"

/**
 * A client configuration that cannot be used.
 *
 * - `NotFound`: there is no such file, no current client, or no client of that alias
 * - `Unreadable`: the file cannot be read
 * - `Syntax`: the file is not YAML, or a variable that should be is not JSON
 * - `Invalid`: a key is missing, unknown, or has a value that cannot be used
 *
 * `source` is the path of the file, `the environment`, or `the values`. `line` counts from 1 and is there where a file has a line to
 * point at. `key` is the key in the file, as in `metadata.name`, or the variable. No text of the error shows a token.
 *
 * @since 0.1.0
 * @category errors
 */
export class ClientConfigError extends Schema.TaggedError<ClientConfigError>(
  "@effect-jumpstarter/core/ClientConfig/ClientConfigError"
)("ClientConfigError", {
  reason: Schema.Literal("NotFound", "Unreadable", "Syntax", "Invalid"),
  source: Schema.String,
  line: Schema.optional(Schema.Number),
  key: Schema.optional(Schema.String),
  details: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    const place = this.line === undefined ? this.source : `${this.source}:${this.line}`
    return this.key === undefined ? `${place}: ${this.details}` : `${place}: ${this.key} ${this.details}`
  }
}
