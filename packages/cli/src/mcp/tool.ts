// A tool of the server.
import type * as Effect from "effect/Effect"
import type { Json } from "../output.ts"
import type { InputSchema, JsonObject } from "./inputSchema.ts"

/** A failure, in one line that an agent can act on. */
interface ToolFailure {
  readonly message: string
}

export interface Tool {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly inputSchema: InputSchema
  readonly annotations: {
    readonly title: string
    readonly readOnlyHint: boolean
    readonly destructiveHint: boolean
    readonly idempotentHint: boolean
    /** Its world is the bench. */
    readonly openWorldHint: false
  }
  readonly call: (input: JsonObject) => Effect.Effect<Json, ToolFailure>
}
