// The error of a configuration. ClientConfig re-exports it.
import * as Schema from "effect/Schema"

/**
 * A client configuration that cannot be used.
 *
 * - `NotFound`: there is no such file, no current client, or no client with that alias
 * - `Unreadable`: the file cannot be read
 * - `Syntax`: the file is not YAML, or a variable is not the JSON that it should be
 * - `Invalid`: a key is missing, unknown, or has a value that cannot be used
 *
 * `source` is the path of the file, `the environment`, or `the values`. `line` is the line in the file, from 1, when there is one. `key`
 * is the key in the file, such as `metadata.name`, or the name of the variable. No text of the error shows a token.
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
