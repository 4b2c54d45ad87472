// Chooses the exporter that a lease gets, or the reason why it gets none. There is no queue: the first lease that the controller
// checks while an exporter is free gets it.
import type { Lease } from "./lease.ts"
import { type ExporterObject, isReady, isThere } from "./registry.ts"
import * as selectors from "./selector.ts"
import * as times from "./times.ts"

/** Which clients may lease which exporters. Without any policy every client may lease every exporter. */
export interface Policy {
  readonly description: string
  readonly priority: number
  readonly exporters: selectors.Selector
  readonly clients: selectors.Selector
  /** In milliseconds. */
  readonly maximumDuration: number
}

/** An exporter that a lease may get, with the priority that the policies give it. */
interface Approved {
  readonly exporter: ExporterObject
  readonly priority: number
}

/** Which exporters a lease may get, whether they are online and unleased or not. */
export type Candidates =
  | { readonly _tag: "Approved"; readonly approved: ReadonlyArray<Approved> }
  | { readonly _tag: "Refused"; readonly reason: string; readonly message: string }

const refused = (reason: string, message: string): Candidates => ({ _tag: "Refused", reason, message })

const approvedOf = (
  lease: Lease,
  clientLabels: Readonly<Record<string, string>>,
  exporters: ReadonlyArray<ExporterObject>,
  policies: ReadonlyArray<Policy>
): ReadonlyArray<Approved> =>
  policies.length === 0
    ? exporters.map((exporter) => ({ exporter, priority: 0 }))
    : exporters.flatMap((exporter) => {
      const priorities = policies
        .filter((policy) =>
          selectors.matches(policy.exporters, exporter.labels) && selectors.matches(policy.clients, clientLabels)
          && times.toMillis(lease.schedule.duration) <= policy.maximumDuration
        )
        .map(({ priority }) => priority)
      return priorities.length === 0 ? [] : [{ exporter, priority: Math.max(...priorities) }]
    })

const descriptions = (exporters: ReadonlyArray<ExporterObject>, policies: ReadonlyArray<Policy>): string => {
  const shown = policies
    .filter((policy) =>
      policy.description !== "" && exporters.some(({ labels }) => selectors.matches(policy.exporters, labels))
    )
    .map(({ description }) => description)
  return shown.length === 0 ? "" : `. Matching policies: ${shown.join("; ")}`
}

/** Returns which of all exporters a lease may get, in the order of their names. */
export const candidates = (
  lease: Lease,
  clientLabels: Readonly<Record<string, string>>,
  all: ReadonlyArray<ExporterObject>,
  policies: ReadonlyArray<Policy>
): Candidates => {
  const named = lease.exporterName === undefined ? undefined : all.find(({ name }) => name === lease.exporterName)
  if (lease.exporterName !== undefined) {
    if (named === undefined) {
      return refused("ExporterNotFound", `Requested exporter ${lease.exporterName} was not found`)
    }
    if (!selectors.matches(lease.selector, named.labels)) {
      return refused(
        "SelectorMismatch",
        `Requested exporter ${named.name} does not match selector ${selectors.format(lease.selector)}`
      )
    }
    if (!named.enabled && !lease.allowDisabled) {
      return refused(
        "ExporterDisabled",
        `Requested exporter ${named.name} is disabled. To lease a disabled exporter, set spec.allowDisabled: true on the `
          + "Lease, or use --allow-disabled with jmp create lease"
      )
    }
  }
  const matching = named === undefined ? all.filter(({ labels }) => selectors.matches(lease.selector, labels)) : [named]
  const enabled = named === undefined ? matching.filter((exporter) => exporter.enabled) : matching
  if (matching.length > 0 && enabled.length === 0) {
    return refused("AllDisabled", `All ${matching.length} exporters matching the selector are disabled`)
  }
  const approved = approvedOf(lease, clientLabels, enabled, policies)
  return approved.length > 0 ? { _tag: "Approved", approved } : refused(
    "NoAccess",
    `While there are ${enabled.length} exporters matching the selector, none of them are approved by any policy for your client${
      descriptions(enabled, policies)
    }`
  )
}

/** What a check does with a lease that waits. */
export type Verdict =
  | { readonly _tag: "Assigned"; readonly exporter: ExporterObject }
  | { readonly _tag: "Pending"; readonly reason: string; readonly message: string }

const pending = (reason: string, message: string): Verdict => ({ _tag: "Pending", reason, message })

/** Chooses among the exporters that a lease may get. The real controller leaves the brackets of these texts empty, too. */
export const choose = (approved: ReadonlyArray<Approved>, isLeased: (exporter: ExporterObject) => boolean): Verdict => {
  const there = approved.filter(({ exporter }) => isThere(exporter))
  if (there.length === 0) {
    return pending("Offline", `While there are ${approved.length} available exporters (i.e. ), none of them are online`)
  }
  const free = there.filter(({ exporter }) => !isLeased(exporter))
  if (free.length === 0) {
    return pending(
      "NotAvailable",
      `There are ${there.length} approved exporters, (i.e. ) but all of them are already leased`
    )
  }
  const ready = free.filter(({ exporter }) => isReady(exporter))
  const [best] = ready.sort((a, b) => b.priority - a.priority)
  return best === undefined
    ? pending(
      "NotReady",
      `There are ${free.length} online exporters, but none are ready (still cleaning up previous lease)`
    )
    : { _tag: "Assigned", exporter: best.exporter }
}
