// Checks a client's request for a lease, or for a change of one, in the controller's order.
import type * as client from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import * as Either from "effect/Either"
import * as labels from "./labels.ts"
import * as leases from "./lease.ts"
import type { Release } from "./parts.ts"
import { invalid, plain, type Refused } from "./refusal.ts"
import * as selectors from "./selector.ts"
import * as times from "./times.ts"

/** Checks what the controller checks before it authenticates the caller. */
export const check = (requested: client.Lease | undefined): Either.Either<client.Lease, Refused> => {
  if (requested === undefined) return Either.left(invalid("lease is required"))
  if (requested.selector === "" && (requested.exporterName ?? "") === "") {
    return Either.left(invalid("one of selector or exporter_name is required"))
  }
  const tagIs = labels.tagProblem(requested.tags)
  return tagIs === undefined ? Either.right(requested) : Either.left(invalid(`invalid lease tags: ${tagIs}`))
}

// Returns the times and the duration of a message.
const givenTimes = ({ beginTime, duration, endTime }: client.Lease) => ({
  begin: beginTime === undefined ? undefined : times.fromTimestamp(beginTime),
  end: endTime === undefined ? undefined : times.fromTimestamp(endTime),
  duration: duration === undefined ? undefined : times.fromDuration(duration)
})

const contextProblem = (context: Readonly<Record<string, string>>): string | undefined => {
  const entries = Object.entries(context)
  return entries.length > 8
    ? `spec.context: Too many: ${entries.length}: must have at most 8 items`
    : entries.some(([key, value]) => key.length > 32 || value.length > 64)
    ? "spec.context: Invalid value: context keys max 32 chars, values max 64 chars"
    : undefined
}

// Returns the text of Kubernetes for an object that is not valid.
const objectProblem = (name: string, requested: client.Lease, release: Release): string | undefined => {
  const nameIs = labels.nameProblem(name)
  return nameIs === undefined
    ? release === "main" ? contextProblem(requested.context) : undefined
    : `metadata.name: Invalid value: ${JSON.stringify(name)}: ${nameIs}`
}

/** Makes a lease that the controller has not checked yet. */
export const make = (
  name: string,
  owner: string,
  requested: client.Lease,
  release: Release
): Either.Either<leases.Lease, Refused> =>
  Either.gen(function*() {
    const selector = yield* Either.mapLeft(selectors.ofLease(requested.selector), plain)
    const schedule = yield* Either.mapLeft(leases.schedule(givenTimes(requested)), plain)
    const objectIs = objectProblem(name, requested, release)
    if (objectIs !== undefined) {
      return yield* Either.left(plain(`Lease.jumpstarter.dev ${JSON.stringify(name)} is invalid: ${objectIs}`))
    }
    return {
      name,
      client: owner,
      selector,
      exporterName: requested.exporterName === "" ? undefined : requested.exporterName,
      allowDisabled: requested.allowDisabled,
      tags: requested.tags,
      context: release === "main" ? requested.context : {},
      schedule,
      generation: 1,
      released: false,
      exporter: undefined,
      begun: undefined,
      endedAt: undefined,
      ended: false,
      conditions: []
    }
  })

/** Returns the schedule after a request to change a lease. The fields of the request count, whatever its mask says. */
export const reschedule = (lease: leases.Lease, requested: client.Lease): Either.Either<leases.Schedule, Refused> =>
  Either.gen(function*() {
    const given = givenTimes(requested)
    if (given.begin === undefined && given.end === undefined && given.duration === undefined) return lease.schedule
    // The controller parses the whole request as a lease first. That includes its selector, which is not used.
    yield* Either.mapLeft(selectors.ofLease(requested.selector), plain)
    yield* Either.mapLeft(leases.schedule(given), plain)
    if (given.begin !== undefined && given.begin !== lease.schedule.begin && lease.exporter !== undefined) {
      return yield* Either.left(plain("cannot update BeginTime: lease has already started"))
    }
    return yield* Either.mapLeft(
      leases.schedule({
        begin: given.begin ?? lease.schedule.begin,
        end: given.end ?? lease.schedule.end,
        duration: given.duration ?? lease.schedule.duration
      }),
      plain
    )
  })
