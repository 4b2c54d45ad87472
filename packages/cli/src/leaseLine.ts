// A lease of a lab, for people and as JSON.
import type * as Controller from "@effect-jumpstarter/core/Controller"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { Json } from "./output.ts"
import * as visible from "./visible.ts"

const time = (date: Option.Option<DateTime.Utc>): string | null =>
  Option.getOrNull(Option.map(date, DateTime.formatIso))

/** Whether it waits, is used, or has ended. */
const stateOf = ({ conditions, effectiveBeginTime, effectiveEndTime }: Controller.LeaseInfo): string => {
  if (Option.isSome(effectiveEndTime)) return "ended"
  const is = (type: string, status: string) =>
    conditions.some((condition) => condition.type === type && condition.status === status)
  if (is("Ready", "True")) return "ready"
  if (is("Unsatisfiable", "True")) return "unsatisfiable"
  if (is("Invalid", "True")) return "invalid"
  if (is("Ready", "False")) return "ended"
  return Option.isSome(effectiveBeginTime) ? "ready" : "waiting"
}

// The end that a lease has, or that it will have.
const endOf = ({ duration, effectiveBeginTime, effectiveEndTime, endTime }: Controller.LeaseInfo) =>
  Option.orElse(
    effectiveEndTime,
    () =>
      Option.orElse(endTime, () =>
        Option.zipWith(effectiveBeginTime, duration, (begin, duration) => DateTime.addDuration(begin, duration)))
  )

export const json = (lease: Controller.LeaseInfo): Json => ({
  name: lease.name,
  state: stateOf(lease),
  client: Option.getOrNull(lease.client),
  exporter: Option.getOrNull(lease.exporter),
  selector: Option.getOrNull(lease.selector),
  seconds: Option.getOrNull(Option.map(lease.duration, Duration.toSeconds)),
  begins: time(Option.orElse(lease.effectiveBeginTime, () => lease.beginTime)),
  ends: time(endOf(lease)),
  tags: lease.tags,
  conditions: lease.conditions.map(({ message, reason, status, type }) => ({ type, status, reason, message }))
})

export const header = ["NAME", "STATE", "CLIENT", "EXPORTER", "SELECTOR", "ENDS"]

const cell = (text: Option.Option<string>): string => visible.line(Option.getOrElse(text, () => "-"))

export const row = (lease: Controller.LeaseInfo): ReadonlyArray<string> => [
  visible.line(lease.name),
  stateOf(lease),
  cell(lease.client),
  cell(lease.exporter),
  cell(lease.selector),
  time(endOf(lease)) ?? "-"
]
