// The output of a program that an exporter runs.
import * as Schema from "effect/Schema"

/**
 * A piece of a program's output, `[stdout, stderr, code]`. The last piece has the exit code.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ProcessOutput = Schema.Tuple(Schema.String, Schema.String, Schema.NullOr(Schema.Number))

/**
 * @since 0.1.0
 * @category models
 */
export type ProcessOutput = typeof ProcessOutput.Type
