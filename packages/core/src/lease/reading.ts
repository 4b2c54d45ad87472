// Reads one response of the controller about a lease (`protocol.md` 12.4), without any clock: the clocks of labs are minutes off.
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as controllerTexts from "../controller/controllerTexts.ts"
import type { LeaseCondition, LeaseInfo } from "../controller/records.ts"
import type { LeaseEnding } from "../protocol/LeaseEnded.ts"
import type { WaitingReason } from "./LeaseState.ts"

export type Reading = Data.TaggedEnum<{
  /** The controller has not looked at it yet. */
  readonly Requested: {}
  readonly Scheduled: { readonly begins: DateTime.Utc }
  readonly Waiting: { readonly reason: WaitingReason; readonly message: string }
  readonly Ready: { readonly exporter: string }
  /** It will never have an exporter. */
  readonly Refused: { readonly reason: "Unsatisfiable" | "Invalid"; readonly message: string }
  readonly Over: {
    readonly how: Exclude<LeaseEnding, "Released">
    readonly message: string
    readonly at: Option.Option<DateTime.Utc>
  }
}>

export const Reading = Data.taggedEnum<Reading>()

export type Refused = Data.TaggedEnum.Value<Reading, "Refused">

export type Over = Data.TaggedEnum.Value<Reading, "Over">

const waitingReasons: Readonly<Record<string, WaitingReason>> = {
  Offline: "Offline",
  NotAvailable: "NotAvailable",
  NotReady: "NotReady"
}

const said = ({ message, reason }: LeaseCondition): string =>
  controllerTexts.shownDetails(message === "" ? reason : `${reason}: ${message}`)

/** The words of an end. For the usual reasons `how` has already said what the reason says. */
const lastWords = (ready: LeaseCondition): string =>
  ready.message !== "" && ["Expired", "Released"].includes(ready.reason)
    ? controllerTexts.shownDetails(ready.message)
    : said(ready)

/** Reads the lease of a client. Pending stays true once it was true, so the other conditions come first. */
export const of = (lease: LeaseInfo, owner: string): Reading => {
  const condition = (type: string) => lease.conditions.find((one) => one.type === type)
  const ready = condition("Ready")
  const at = lease.effectiveEndTime
  if (Option.exists(lease.client, (client) => client !== owner)) {
    const message = `it belongs to the client ${Option.getOrElse(lease.client, () => "")} now`
    return Reading.Over({ how: "Transferred", message, at: Option.none() })
  }
  for (const reason of ["Unsatisfiable", "Invalid"] as const) {
    const refusal = condition(reason)
    if (refusal?.status === "True") return Reading.Refused({ reason, message: said(refusal) })
  }
  if (ready?.status === "False") {
    return Reading.Over({ how: ready.reason === "Expired" ? "Expired" : "Deleted", message: lastWords(ready), at })
  }
  if (Option.isSome(at)) return Reading.Over({ how: "Expired", message: "it has an end in the past", at })
  if (ready?.status === "True" && Option.isSome(lease.exporter)) {
    return Reading.Ready({ exporter: lease.exporter.value })
  }
  const pending = condition("Pending")
  if (pending?.status === "True") {
    return Reading.Waiting({ reason: waitingReasons[pending.reason] ?? "Other", message: said(pending) })
  }
  // Before it begins there are no conditions at all.
  return Option.match(Option.filter(lease.beginTime, () => Option.isNone(lease.effectiveBeginTime)), {
    onNone: () => Reading.Requested(),
    onSome: (begins) => Reading.Scheduled({ begins })
  })
}

/** Times have whole seconds, so a lease may end this much early. */
export const margin = Duration.seconds(1)

/**
 * Returns how long the lease continues after the response, less the margin; none before it began. A lease with a begin or an end of its
 * own may end before its duration has passed. The controller's clock at the response is the begin plus the time that the lease has run.
 */
export const remaining = (lease: LeaseInfo): Option.Option<Duration.Duration> =>
  Option.map(
    Option.all([lease.duration, lease.effectiveBeginTime, lease.effectiveDuration]),
    ([duration, begun, run]) => {
      const left = Duration.subtract(duration, run)
      const end = Option.orElse(lease.endTime, () =>
        Option.map(lease.beginTime, (begin) => DateTime.addDuration(begin, duration)))
      const untilEnd = Option.map(end, (end) => {
        const millis = DateTime.distance(begun, end) - Duration.toMillis(run)
        return Duration.millis(Math.max(0, millis))
      })
      return Duration.subtract(
        Option.match(untilEnd, {
          onNone: () =>
            left,
          onSome: Duration.min(left)
        }),
        margin
      )
    }
  )
