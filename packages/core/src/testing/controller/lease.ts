// A lease: the request, its state, and the message that shows it. Every function takes the current time, in milliseconds.
import * as client from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import type { Condition } from "@effect-jumpstarter/proto/jumpstarter/v1/kubernetes"
import * as Either from "effect/Either"
import * as labels from "./labels.ts"
import * as names from "./names.ts"
import * as selectors from "./selector.ts"
import * as times from "./times.ts"

type ConditionType = "Pending" | "Ready" | "Unsatisfiable"

interface Known {
  readonly type: ConditionType
  readonly status: boolean
  readonly reason: string
  readonly message: string
  readonly since: number
  readonly generation: number
}

/** When a lease begins and ends. */
export interface Schedule {
  readonly begin: number | undefined
  readonly end: number | undefined
  readonly duration: bigint
}

export interface Lease {
  readonly name: string
  client: string
  readonly selector: selectors.Selector
  readonly exporterName: string | undefined
  readonly allowDisabled: boolean
  readonly tags: Readonly<Record<string, string>>
  readonly context: Readonly<Record<string, string>>
  schedule: Schedule
  /** Counts the changes of the request. */
  generation: number
  /** Whether a client or an exporter has released it. */
  released: boolean
  exporter: string | undefined
  /** When it got its exporter, in whole seconds. */
  begun: number | undefined
  /** When it ended, in whole seconds; absent if it never began. */
  endedAt: number | undefined
  ended: boolean
  conditions: ReadonlyArray<Known>
}

const required = "duration is required (must specify Duration, or both BeginTime and EndTime)"

/** Completes a schedule, or returns why the given times are none. */
export const schedule = (given: {
  readonly begin: number | undefined
  readonly end: number | undefined
  readonly duration: bigint | undefined
}): Either.Either<Schedule, string> => {
  const { begin, duration, end } = given
  const between = begin !== undefined && end !== undefined ? times.fromMillis(end - begin) : undefined
  if (between !== undefined && duration !== undefined && duration > 0n && duration !== between) {
    return Either.left("duration conflicts with begin_time and end_time")
  }
  const lasting = between ?? duration
  if (lasting === undefined) return Either.left(required)
  if (lasting <= 0n) return Either.left(`duration must be positive, got ${times.showDuration(lasting)}`)
  return Either.right({
    begin: begin ?? (end === undefined ? undefined : end - times.toMillis(lasting)),
    end,
    duration: lasting
  })
}

/** Returns when a lease expires. A lease that has not begun never does. */
export const expiry = ({ begun, schedule: { begin, duration, end } }: Lease): number =>
  begun === undefined ? Infinity : end ?? (begin ?? begun) + times.toMillis(duration)

/** Sets a condition. Its time changes only with its status. */
export const setCondition = (
  lease: Lease,
  now: number,
  type: ConditionType,
  status: boolean,
  reason: string,
  message: string
): void => {
  const before = lease.conditions.find((condition) => condition.type === type)
  const condition: Known = {
    type,
    status,
    reason,
    message,
    since: before?.status === status ? before.since : times.wholeSecond(now),
    generation: lease.generation
  }
  lease.conditions = before === undefined
    ? [...lease.conditions, condition]
    : lease.conditions.map((other) => other === before ? condition : other)
}

export const begin = (lease: Lease, now: number, exporter: string): void => {
  lease.exporter = exporter
  lease.begun = times.wholeSecond(now)
  setCondition(lease, now, "Ready", true, "Ready", "An exporter has been acquired for the client")
}

const end = (lease: Lease, now: number): void => {
  lease.ended = true
  if (lease.begun !== undefined) lease.endedAt = times.wholeSecond(now)
}

export const expire = (lease: Lease, now: number): void => {
  setCondition(lease, now, "Ready", false, "Expired", "The lease has expired")
  end(lease, now)
}

export const release = (lease: Lease, now: number): void => {
  setCondition(lease, now, "Ready", false, "Released", "The lease was marked for release")
  end(lease, now)
}

export const refuse = (lease: Lease, now: number, reason: string, message: string): void => {
  setCondition(lease, now, "Unsatisfiable", true, reason, message)
  end(lease, now)
}

/** Returns the labels of a lease, which filters of lists match. */
export const labelsOf = (lease: Lease): Record<string, string> => ({
  ...selectors.equalities(lease.selector),
  ...labels.fromTags(lease.tags),
  ...(lease.ended ? { "jumpstarter.dev/lease-ended": "true" } : {})
})

export const conditionsOf = (lease: Lease): Array<Condition> =>
  lease.conditions.map(({ generation, message, reason, since, status, type }) => ({
    type,
    status: status ? "True" : "False",
    observedGeneration: BigInt(generation),
    lastTransitionTime: { seconds: BigInt(since / 1000), nanos: 0 },
    reason,
    message
  }))

const effectiveDuration = ({ begun, endedAt }: Lease, now: number) =>
  begun === undefined ? undefined : times.toDuration(times.fromMillis(Math.max(0, (endedAt ?? now) - begun)))

const timestamp = (millis: number | undefined) => millis === undefined ? undefined : times.toTimestamp(millis)

export const toMessage = (lease: Lease, namespace: string, now: number): client.Lease =>
  client.Lease.fromPartial({
    name: names.format("leases", { namespace, name: lease.name }),
    selector: selectors.format(lease.selector),
    duration: times.toDuration(lease.schedule.duration),
    effectiveDuration: effectiveDuration(lease, now),
    beginTime: timestamp(lease.schedule.begin),
    effectiveBeginTime: timestamp(lease.begun),
    endTime: timestamp(lease.schedule.end),
    effectiveEndTime: timestamp(lease.endedAt),
    client: names.format("clients", { namespace, name: lease.client }),
    exporter: lease.exporter === undefined ? undefined : names.format("exporters", { namespace, name: lease.exporter }),
    conditions: conditionsOf(lease),
    exporterName: lease.exporterName,
    tags: lease.tags,
    allowDisabled: lease.allowDisabled,
    context: lease.context
  })
