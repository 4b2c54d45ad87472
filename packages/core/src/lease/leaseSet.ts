// Several leases, all of them or none. Two programs that want the same exporters do not block each other: leases are requested when
// there is an exporter for each of them, one after the other in an order that all programs share, and some without the others are
// released soon.
import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as Random from "effect/Random"
import * as Record from "effect/Record"
import * as Scope from "effect/Scope"
import type { ControllerClient } from "../controller/Controller.ts"
import { mayPass } from "../controller/controllerError.ts"
import * as newLease from "../controller/newLease.ts"
import * as interruptible from "../util/interruptible.ts"
import * as monotonicClock from "../util/monotonicClock.ts"
import * as heldLease from "./heldLease.ts"
import type { LeaseError } from "./leaseError.ts"
import { describe, type MemberRequest } from "./leaseRequest.ts"
import * as matching from "./matching.ts"
import * as opening from "./opening.ts"
import * as refusal from "./refusal.ts"
import { shownTime } from "./shownTime.ts"
import * as surveys from "./survey.ts"
import * as terms from "./terms.ts"

// How long some leases are held without the others. The first may take as long.
const patience = 10_000

// Each release runs the hooks of exporters, and leaves ended leases behind.
const shortestPause = 5_000
const longestPause = 120_000

const betweenLines = 60_000

/** The pause after a number of releases. It is random, so that programs that collided do not collide again. */
const pauseAfter = (releases: number): Effect.Effect<number> =>
  Random.nextRange(shortestPause, Math.min(longestPause, shortestPause * 2 ** releases))

/** The pause between two surveys. It is random, so that the surveys of several programs drift apart. */
const pauseWithin = (elapsed: number): Effect.Effect<number> =>
  Effect.map(Random.nextRange(0.75, 1.25), (part) => part * Math.min(10_000, Math.max(1_000, elapsed / 4)))

/** The log, errors and the lab show it, so it tells which of the set it is. The controller takes small letters, digits and dashes. */
const newName = (key: string): string => {
  const word = key.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 26).replace(/^-|-$/g, "")
  return word === "" ? crypto.randomUUID() : `${word}-${crypto.randomUUID()}`
}

const listed = (names: ReadonlyArray<string>): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1) ?? ""}`

interface Member {
  readonly key: string
  readonly request: MemberRequest
  /** In words. */
  readonly requested: string
}

const keysOf = (members: ReadonlyArray<Member>): string => listed(members.map(({ key }) => key))

/** The order that all programs share. */
const byTarget = Order.mapInput(Order.string, ({ request }: Member) => describe(request))

interface LeaseSet {
  readonly controller: ControllerClient
  readonly members: ReadonlyArray<Member>
  readonly dial: opening.Dial
  /** As the log calls it. */
  readonly title: string
}

/** Connects all, and returns them by their keys. */
type Connected = Effect.Effect<ReadonlyMap<string, heldLease.HeldLease>, heldLease.AcquireError>

/** Whether each has an exporter. If not, those that had one were released. */
type Outcome =
  | { readonly _tag: "Complete"; readonly connected: Connected }
  | { readonly _tag: "Incomplete"; readonly missing: Member; readonly had: ReadonlyArray<Member> }

// ---- Whether it is worth a try

const problemOf = ({ key, request, requested }: Member): Effect.Effect<void, LeaseError> => {
  const problem = newLease.problem(request)
  return problem === undefined
    ? Effect.void
    : refusal.failure({ name: key, requested }, "Invalid", problem)
}

/** Fails when some can never have an exporter, as far as the exporters tell. */
const possible = (
  { controller, members }: LeaseSet,
  { fitting }: surveys.Survey
): Effect.Effect<void, LeaseError> => {
  const [short] = matching.shortages(fitting)
  const group = members.filter(({ key }) => short?.includes(key))
  const [first] = group
  if (first === undefined) return Effect.void
  const count = new Set(group.flatMap(({ key }) => Array.from(fitting.get(key) ?? []))).size
  return refusal.impossible(
    terms.ofRequest(controller, first.key, first.request, first.key),
    count === 0
      ? "no exporter fits"
      : `${keysOf(group)} need ${group.length} exporters, and ${count === 1 ? "one fits" : `${count} fit`}`
  )
}

// ---- One try

const isRefusal = (error: heldLease.AcquireError): boolean =>
  error._tag === "LeaseError" && error.reason === "Unsatisfiable"

/** What to request for a member, so that the controller cannot choose an exporter that one of the others needs. */
const requestOf = ({ key, request }: Member, candidates: matching.Candidates): Effect.Effect<MemberRequest> => {
  const harmless = matching.harmless(candidates, key)
  return harmless.length === candidates.get(key)?.size
    ? Effect.succeed(request)
    : Effect.map(Random.nextIntBetween(0, harmless.length), (index) => {
      const exporterName = harmless[index]
      return exporterName === undefined ? request : { ...request, exporterName }
    })
}

/** Requests all, and waits until each has an exporter. */
const attempt = (
  { controller, dial, members, title }: LeaseSet,
  free: matching.Candidates
): Effect.Effect<Outcome, heldLease.AcquireError, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.parallel)
    const complete = yield* Deferred.make<void>()
    const had: Array<Member> = []
    const acquisitions = new Map<string, Effect.Effect<heldLease.HeldLease, heldLease.AcquireError>>()
    let candidates = free
    let deadline = Infinity
    for (const member of members) {
      const { key, request } = member
      const chosen = yield* requestOf(member, candidates)
      const assigned = yield* Deferred.make<string>()
      const pending = yield* Scope.extend(
        heldLease.request(
          terms.ofRequest(controller, newName(key), chosen, key),
          dial,
          (exporter) => Effect.zipRight(Deferred.succeed(assigned, exporter), Deferred.await(complete))
        ),
        scope
      )
      const acquired = Effect.tapError(
        pending.acquired,
        ({ message }) => Effect.logInfo(`${title} are released, because ${key} failed: ${message}`)
      )
      const now = yield* monotonicClock.currentMillis
      const waited = interruptible.timeoutOption(
        interruptible.raceFirst(Deferred.await(assigned), Effect.zipRight(acquired, Effect.never)),
        Math.min(patience, deadline - now)
      )
      // A policy can keep this client from the one that was chosen, and not from others.
      const exporter = yield* chosen === request ? waited : Effect.catchIf(waited, isRefusal, () => Effect.succeedNone)
      if (Option.isNone(exporter)) {
        yield* Scope.close(scope, Exit.void)
        return { _tag: "Incomplete", missing: member, had }
      }
      if (had.length === 0) deadline = (yield* monotonicClock.currentMillis) + patience
      had.push(member)
      acquisitions.set(key, acquired)
      candidates = matching.without(candidates, key, exporter.value)
    }
    const leases = interruptible.forEach(
      acquisitions,
      ([key, acquired]) => Effect.map(acquired, (lease) => [key, lease] as const)
    )
    return {
      _tag: "Complete",
      connected: Effect.map(Effect.zipRight(Deferred.succeed(complete, undefined), leases), (leases) => new Map(leases))
    }
  })

// ---- Until one succeeds

const completed = (
  set: LeaseSet,
  seen: { missing: ReadonlyArray<Member>; why: string }
): Effect.Effect<Connected, heldLease.AcquireError, Scope.Scope> =>
  Effect.gen(function*() {
    const { controller, members, title } = set
    const targets = new Map(members.map(({ key, request }) => [key, request]))
    const begun = yield* monotonicClock.currentMillis
    let nextLine = begun + betweenLines
    let announced = ""
    let releases = 0
    for (;;) {
      const answer = yield* Effect.either(surveys.make(controller, targets))
      const elapsed = (yield* monotonicClock.currentMillis) - begun
      let pause = yield* pauseWithin(elapsed)
      if (Either.isLeft(answer)) {
        if (!mayPass(answer.left)) return yield* answer.left
        seen.why = answer.left.message
      } else {
        const survey = answer.right
        yield* possible(set, survey)
        const short = matching.shortages(survey.free).flat()
        if (short.length === 0) {
          seen.missing = members
          seen.why = "the controller has not assigned one to each yet"
          const outcome = yield* attempt(set, survey.free)
          if (outcome._tag === "Complete") return outcome.connected
          const { had, missing } = outcome
          pause = yield* pauseAfter(++releases)
          seen.missing = [missing]
          seen.why = `${missing.key} had no exporter within ${shownTime(patience)}`
          yield* Effect.logInfo(
            `${title} wait again, for ${shownTime(pause)} at least: ${seen.why}${
              had.length === 0 ? "" : `; released: ${keysOf(had)}`
            }`
          )
        } else {
          seen.missing = members.filter(({ key }) => short.includes(key))
          seen.why = seen.missing.map(({ key }) => `${key}: ${survey.shown(key)}`).join("; ")
          if (announced !== short.join()) {
            announced = short.join()
            nextLine = begun + elapsed + betweenLines
            yield* Effect.logInfo(`${title} wait for enough free exporters: ${seen.why}`)
          }
        }
      }
      if (begun + elapsed >= nextLine) {
        nextLine = begun + elapsed + betweenLines
        yield* Effect.logInfo(`${title} still wait after ${shownTime(elapsed)}: ${seen.why}`)
      }
      yield* Effect.sleep(pause)
    }
  })

/** Acquires a lease for each request of the record. If that fails, none is left in the scope. */
export const acquire = <K extends string>(
  controller: ControllerClient,
  requests: Readonly<Record<K, MemberRequest>>,
  dial: opening.Dial
): Effect.Effect<Readonly<Record<K, heldLease.HeldLease>>, heldLease.AcquireError, Scope.Scope> =>
  opening.attempted(Effect.gen(function*() {
    const record = Record.toEntries<string, MemberRequest>(requests).map(([key, request]): Member => ({
      key,
      request,
      requested: terms.describeMember(key, request)
    }))
    const members = Arr.sort(record, byTarget)
    const seen = { missing: members, why: "the controller was not reached" }
    const waitAtMost = Duration.millis(
      Math.min(...members.map(({ request }) => Duration.toMillis(terms.waitOf(controller, request))))
    )
    const names = keysOf(record)
    yield* Effect.forEach(members, problemOf)
    const connected = yield* interruptible.timeoutFail(
      completed({ controller, members, dial, title: `the leases ${names}` }, seen),
      {
        duration: waitAtMost,
        onTimeout: () =>
          refusal.failure(
            {
              name: keysOf(seen.missing),
              requested: listed(seen.missing.map(({ requested }) => requested))
            },
            "WaitedTooLong",
            `${names} did not all have an exporter within ${Duration.format(waitAtMost)} (waitAtMost): ${seen.why}`
          )
      }
    )
    const leases = yield* connected
    return Record.map(requests, (_, key) => Option.getOrThrow(Option.fromNullable(leases.get(key))))
  }))
