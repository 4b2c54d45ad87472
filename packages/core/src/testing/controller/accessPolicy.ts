// The policies of a stand-in. ControllerTest re-exports the type.
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import type * as assignment from "./assignment.ts"
import * as selectors from "./selector.ts"

/**
 * Says which clients may lease which exporters, and for how long. Without any policy every client may lease every exporter.
 *
 * @since 0.1.0
 * @category models
 */
export interface AccessPolicy {
  /** Shown to clients whose lease the policies refuse. */
  readonly description?: string | undefined
  /** A lease gets a free exporter with the highest priority; 0 by default. */
  readonly priority?: number | undefined
  /** Selects exporters by their labels; all exporters by default. */
  readonly exporters?: string | undefined
  /** Selects clients by their labels; all clients by default. */
  readonly clients?: string | undefined
  /** Refuses longer leases; no limit by default. */
  readonly maximumDuration?: Duration.DurationInput | undefined
}

// Policies are written in the test, so a selector that cannot be read is a mistake in its code.
const selectorOf = (text = ""): selectors.Selector =>
  Either.getOrThrowWith(
    selectors.parse(text),
    (problem) => new Error(`the selector of a policy cannot be read: ${problem}`)
  )

export const toPolicy = (policy: AccessPolicy): assignment.Policy => ({
  description: policy.description ?? "",
  priority: policy.priority ?? 0,
  exporters: selectorOf(policy.exporters),
  clients: selectorOf(policy.clients),
  maximumDuration: Duration.toMillis(policy.maximumDuration ?? Duration.infinity)
})
