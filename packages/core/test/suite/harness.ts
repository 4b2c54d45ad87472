// Words the tests of the behaviour suite are written in.
import { it } from "@effect/vitest"
import { assertInclude, assertInstanceOf, deepStrictEqual, fail, strictEqual } from "@effect/vitest/utils"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as DriverError from "../../src/DriverError.ts"
import * as ExporterConnection from "../../src/ExporterConnection.ts"
import type { JsonValue } from "../../src/ProtobufValue.ts"
import type * as peer from "./peer.ts"

/** The client of the probe. */
export const probe = Effect.orDie(ExporterConnection.driver("probe"))

export const driver = (path: string) => Effect.orDie(ExporterConnection.driver(path))

/** Calls a method of the probe. */
export const call = (method: string, ...args: ReadonlyArray<JsonValue>) =>
  Effect.flatMap(probe, (client) => client.call(method, ...args))

/** Declares a test that has a session with a peer whose probe has recorded nothing yet. */
export const test = (peer: peer.Peer) =>
<A, E>(
  name: string,
  body: Effect.Effect<A, E, peer.Session | Scope.Scope>,
  timeout?: number
): void => it.scopedLive(name, () => Effect.provide(Effect.zipRight(call("clear_events"), body), peer.session), timeout)

/** Asks about a state of the exporter until it holds; there is nothing to be told by. */
export const until = <E, R>(
  what: string,
  state: Effect.Effect<JsonValue, E, R>,
  holds: (value: JsonValue) => boolean
): Effect.Effect<JsonValue, E, R> =>
  Effect.suspend(() => {
    let last: JsonValue = null
    return Effect.tap(state, (value) =>
      Effect.sync(() => {
        last = value
      })).pipe(
        Effect.repeat({ until: holds, schedule: Schedule.spaced("10 millis") }),
        Effect.map(() => last),
        Effect.timeoutFailCause({
          duration: "5 seconds",
          onTimeout: () => Cause.die(new Error(`${what} did not come true, last seen: ${JSON.stringify(last)}`))
        })
      )
  })

const includes = (event: string) => (events: JsonValue) => Array.isArray(events) && events.includes(event)

/** Waits until the probe has recorded an event. */
export const awaitEvent = (event: string) => until(`the event ${event}`, call("events"), includes(event))

/** Waits until a number stays the same for a while, and answers it. */
export const awaitStill = <E, R>(count: Effect.Effect<JsonValue, E, R>) => {
  let last: JsonValue = -1
  let seen = 0
  return until("standstill", count, (value) => {
    seen = value === last ? seen + 1 : 0
    last = value
    return seen >= 10 && value !== 0
  })
}

/** What a driver call error is expected to say. `site` has the driver's path, its method, and the kind of call. */
export interface Expected {
  readonly tag: DriverError.DriverCallError["_tag"]
  readonly code: DriverError.DriverCallError["code"]
  readonly origin: DriverError.ErrorOrigin
  readonly details?: string | RegExp | undefined
  readonly path?: DriverError.ValuePath | undefined
}

export interface Site {
  readonly driver: string
  readonly uuid: string
  readonly method: string
  readonly kind: DriverError.CallKind
}

export const assertError = (error: unknown, site: Site, expected: Expected): void => {
  if (!DriverError.isDriverCallError(error)) return fail(`not a driver call error: ${String(error)}`)
  assertInstanceOf(error, Error)
  const { code, driver, kind, method, origin, uuid } = error
  deepStrictEqual(
    { tag: error._tag, code, origin, driver, kind, method, uuid, details: error.details },
    {
      tag: expected.tag,
      code: expected.code,
      origin: expected.origin,
      ...site,
      details: typeof expected.details === "string" ? expected.details : error.details
    }
  )
  if (expected.details instanceof RegExp) {
    strictEqual(expected.details.test(error.details), true, `${error.details} does not match ${expected.details}`)
  }
  if (expected.path !== undefined) {
    deepStrictEqual("path" in error ? error.path : undefined, expected.path)
  }
  // A message reads well alone in a log line.
  for (const part of [`${site.driver}.${site.method}`, expected.code]) assertInclude(error.message, part)
}

/** Expects an effect to fail with a driver call error. */
export const fails = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  site: Site,
  expected: Expected
): Effect.Effect<void, A, R> => Effect.map(Effect.flip(effect), (error) => assertError(error, site, expected))

/** Counts how often a finalizer runs. */
export const counter = () => {
  const state = { count: 0 }
  return {
    increment: Effect.sync(() => {
      state.count += 1
    }),
    count: () => state.count
  }
}
