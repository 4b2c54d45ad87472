// The errors of configurations. ClientConfig and ExporterConfig re-export them.
import * as Schema from "effect/Schema"

const fields = {
  reason: Schema.Literal("NotFound", "Unreadable", "Syntax", "Invalid"),
  source: Schema.String,
  line: Schema.optional(Schema.Number),
  key: Schema.optional(Schema.String),
  details: Schema.String,
  cause: Schema.optional(Schema.Defect)
}

/** What is wrong with a configuration: the fields of both errors. */
export interface ConfigProblem {
  readonly reason: typeof fields.reason.Type
  readonly source: string
  readonly line?: number | undefined
  readonly key?: string | undefined
  readonly details: string
  readonly cause?: unknown
}

const shown = ({ details, key, line, source }: ConfigProblem): string => {
  const place = line === undefined ? source : `${source}:${line}`
  return key === undefined ? `${place}: ${details}` : `${place}: ${key} ${details}`
}

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
)("ClientConfigError", fields) {
  override get message(): string {
    return shown(this)
  }
}

/**
 * An exporter configuration that cannot be used. The fields are those of `ClientConfigError`.
 *
 * @since 0.1.0
 * @category errors
 */
export class ExporterConfigError extends Schema.TaggedError<ExporterConfigError>(
  "@effect-jumpstarter/core/ExporterConfig/ExporterConfigError"
)("ExporterConfigError", fields) {
  override get message(): string {
    return shown(this)
  }
}
