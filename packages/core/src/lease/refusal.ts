// The errors of leases that cannot be had, with what there is instead.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { ExporterInfo } from "../controller/records.ts"
import { LeaseError, type LeaseReason } from "./leaseError.ts"
import type * as reading from "./reading.ts"
import type { Terms } from "./terms.ts"

type About = Pick<Terms, "name" | "requested">

export const failure = ({ name, requested }: About, reason: LeaseReason, details: string, cause?: unknown) =>
  new LeaseError({
    reason,
    lease: name,
    request: requested,
    details,
    ...(cause === undefined ? {} : { cause })
  })

/** An exporter with what keeps it from being leased. */
export const shown = ({ enabled, name, online }: ExporterInfo, more: ReadonlyArray<string> = []): string => {
  const flaws = [...(online ? [] : ["offline"]), ...(enabled ? [] : ["disabled"]), ...more]
  return flaws.length === 0 ? name : `${name} (${flaws.join(", ")})`
}

const most = 10

/** The first of them. */
export const listed = (names: ReadonlyArray<string>): string =>
  `${names.slice(0, most).join(", ")}${names.length > most ? ", and more" : ""}`

const mostLabels = 5

/** The labels that a selector may name, without those that every exporter has. */
const labelsOf = ({ labels }: ExporterInfo): ReadonlyArray<string> =>
  Object.entries(labels)
    .filter(([key]) => !key.startsWith("jumpstarter.dev/"))
    .slice(0, mostLabels)
    .map(([key, value]) => `${key}=${value}`)

/** The exporter of this name, unless there is none. */
const named = ({ controller }: Terms, name: string) =>
  Effect.catchIf(
    Effect.asSome(controller.within("5 seconds").exporter(name)),
    ({ reason }) => reason === "NotFound",
    () => Effect.succeedNone
  )

/** The exporters that could have been meant. */
const candidates = (terms: Terms): Effect.Effect<string> => {
  const { exporterName, selector } = terms.creates ?? {}
  const list = (filter?: string) =>
    Effect.map(
      Stream.runCollect(Stream.take(terms.controller.within("5 seconds").exporters({ selector: filter }), most + 1)),
      (exporters) => Array.from(exporters, (exporter) => shown(exporter, filter === selector ? [] : labelsOf(exporter)))
    )
  return Effect.gen(function*() {
    if (selector !== undefined) {
      const fitting = yield* list(selector)
      if (fitting.length > 0) return `exporters with these labels: ${listed(fitting)}`
    } else if (exporterName !== undefined) {
      const exporter = yield* named(terms, exporterName)
      if (Option.isSome(exporter)) return `there is the exporter ${shown(exporter.value)}`
    }
    const all = yield* list()
    const none = selector === undefined ? "no exporter has this name" : "no exporter has these labels"
    return all.length === 0 ? "there are no exporters" : `${none}; there are the exporters: ${listed(all)}`
  }).pipe(
    Effect.catchAll((error) =>
      Effect.as(
        Effect.logDebug("the exporters of the lab could not be listed", error),
        "which exporters there are could not be found out"
      )
    )
  )
}

/** Fails as the controller does. What there is comes first: the controller writes of exporters that match and of policies in one sentence. */
export const refused = (
  terms: Terms,
  { message, reason }: Pick<reading.Refused, "message" | "reason">
): Effect.Effect<never, LeaseError> =>
  Effect.flatMap(
    candidates(terms),
    (candidates) => failure(terms, reason, `${candidates}; the controller reported ${message}`)
  )

/** Fails before anything is requested. */
export const impossible = (terms: Terms, why: string): Effect.Effect<never, LeaseError> =>
  Effect.flatMap(candidates(terms), (candidates) => failure(terms, "Unsatisfiable", `${why}; ${candidates}`))
