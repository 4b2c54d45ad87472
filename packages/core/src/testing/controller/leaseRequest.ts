// What a client asks for as a lease, checked in the controller's order.
import type * as client from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import * as Either from "effect/Either"
import * as labels from "./labels.ts"
import * as leases from "./lease.ts"
import type { Release } from "./parts.ts"
import { invalid, plain, type Refused } from "./refusal.ts"
import * as selectors from "./selector.ts"
import * as times from "./times.ts"

/** Checks what the controller checks before it authenticates the caller. */
export const check = (asked: client.Lease | undefined): Either.Either<client.Lease, Refused> => {
  if (asked === undefined) return Either.left(invalid("lease is required"))
  if (asked.selector === "" && (asked.exporterName ?? "") === "") {
    return Either.left(invalid("one of selector or exporter_name is required"))
  }
  const tagIs = labels.tagProblem(asked.tags)
  return tagIs === undefined ? Either.right(asked) : Either.left(invalid(`invalid lease tags: ${tagIs}`))
}

// The instants and the duration that a message has.
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

// What Kubernetes says of the object.
const objectProblem = (name: string, asked: client.Lease, release: Release): string | undefined => {
  const nameIs = labels.nameProblem(name)
  return nameIs === undefined
    ? release === "main" ? contextProblem(asked.context) : undefined
    : `metadata.name: Invalid value: ${JSON.stringify(name)}: ${nameIs}`
}

/** A lease that nobody has looked at yet. */
export const make = (
  name: string,
  owner: string,
  asked: client.Lease,
  release: Release
): Either.Either<leases.Lease, Refused> =>
  Either.gen(function*() {
    const selector = yield* Either.mapLeft(selectors.ofLease(asked.selector), plain)
    const schedule = yield* Either.mapLeft(leases.schedule(givenTimes(asked)), plain)
    const objectIs = objectProblem(name, asked, release)
    if (objectIs !== undefined) {
      return yield* Either.left(plain(`Lease.jumpstarter.dev ${JSON.stringify(name)} is invalid: ${objectIs}`))
    }
    return {
      name,
      client: owner,
      selector,
      exporterName: asked.exporterName === "" ? undefined : asked.exporterName,
      allowDisabled: asked.allowDisabled,
      tags: asked.tags,
      context: release === "main" ? asked.context : {},
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

/** What becomes of a schedule by a request to change it: the fields that it has, whatever its mask says. */
export const reschedule = (lease: leases.Lease, asked: client.Lease): Either.Either<leases.Schedule, Refused> =>
  Either.gen(function*() {
    const given = givenTimes(asked)
    if (given.begin === undefined && given.end === undefined && given.duration === undefined) return lease.schedule
    // The request alone has to be a schedule, and its selector, of which nothing is taken, one that can be read.
    yield* Either.mapLeft(selectors.ofLease(asked.selector), plain)
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
