// The vocabulary of the behaviour suite's tests.
import { it } from "@effect/vitest"
import { assertInclude, assertInstanceOf, deepStrictEqual, fail, strictEqual } from "@effect/vitest/utils"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { DriverClient } from "../../src/client/DriverClient.ts"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as DriverInterface from "../../src/contract/DriverInterface.ts"
import type * as DriverMethod from "../../src/contract/DriverMethod.ts"
import * as DriverError from "../../src/protocol/DriverError.ts"
import { Probe } from "../support/probeContract.ts"
import type * as peer from "./peer.ts"
import { Style } from "./style.ts"

/** The client of a driver. */
export const driver = (path: string) => Effect.orDie(ExporterConnection.driver(path))

/** The methods of a contract at a driver, made in the style of the test. */
export const methodsOf = <I extends DriverInterface.Any>(path: string, contract: I) =>
  Effect.zipWith(driver(path), Style, (client, make) => make(client, contract))

/** The methods of the probe. */
const probe = methodsOf("probe", Probe)

/** Calls a method of the probe. */
export const call = Effect.serviceFunctions(probe)

type Probed = Effect.Effect.Success<typeof probe>

/** Calls a method of the probe that takes a resource, whose types `call` would lose. */
export const use = <A, E, R>(call: (probe: Probed) => Effect.Effect<A, E, R>) => Effect.flatMap(probe, call)

/** Calls a method of the probe that streams its results. */
export const items = <A, E>(call: (probe: Probed) => Stream.Stream<A, E>) => Stream.unwrap(Effect.map(probe, call))

/** A method of the probe as described here. The probe may have something else under that name. */
export const described = <M extends DriverMethod.Any>(name: string, method: M, client?: DriverClient) =>
  Effect.zipWith(
    client === undefined ? driver("probe") : Effect.succeed(client),
    Style,
    (client, make): DriverInterface.ClientMethod<M> =>
      make(client, DriverInterface.make(Probe.client, { [name]: method }))[name]!
  )

/** Where a driver call error comes from. */
export type Site = Pick<DriverError.CallSite, "driver" | "uuid" | "method" | "kind">

export const siteOf = (method: string, kind: DriverError.CallKind, path = "probe") =>
  Effect.map(driver(path), ({ uuid }): Site => ({ driver: path, uuid, method, kind }))

/** Declares a test that has a session with a peer whose probe has recorded nothing yet. */
export const test = (peer: peer.Peer) =>
<A, E>(
  name: string,
  body: Effect.Effect<A, E, peer.Session | Scope.Scope>,
  timeout?: number
): void => it.scopedLive(name, () => Effect.provide(Effect.zipRight(call.clear_events(), body), peer.session), timeout)

/** Reads a state of the exporter until it holds, and returns it. The exporter does not report changes of it. */
export const until = <A, E, R>(
  what: string,
  state: Effect.Effect<A, E, R>,
  holds: (value: A) => boolean,
  patience: Duration.DurationInput = "20 seconds"
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    let last: A
    return Effect.tap(state, (value) =>
      Effect.sync(() => {
        last = value
      })).pipe(
        Effect.repeat({ until: holds, schedule: Schedule.spaced("10 millis") }),
        Effect.map(() => last),
        Effect.timeoutFailCause({
          duration: patience,
          onTimeout: () => Cause.die(new Error(`${what} did not come true, last seen: ${JSON.stringify(last)}`))
        })
      )
  })

/** Waits until the probe has recorded an event. */
export const awaitEvent = (event: string) =>
  until(`the event ${event}`, call.events(), (events) => events.includes(event))

/** Waits until a number stays the same for a while, and returns it. */
export const awaitStill = <E, R>(count: Effect.Effect<number, E, R>) => {
  let last = -1
  let seen = 0
  return until("standstill", count, (value) => {
    seen = value === last ? seen + 1 : 0
    last = value
    return seen >= 10 && value !== 0
  })
}

/** The expected fields of a driver call error, besides its site. */
export interface Expected {
  readonly tag: DriverError.DriverCallError["_tag"]
  readonly code: DriverError.DriverCallError["code"]
  readonly origin: DriverError.ErrorOrigin
  readonly details?: string | RegExp | undefined
  readonly path?: DriverError.ValuePath | undefined
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
export const fails = <A, E, R, R2>(
  effect: Effect.Effect<A, E, R>,
  site: Effect.Effect<Site, never, R2>,
  expected: Expected
): Effect.Effect<void, A, R | R2> =>
  Effect.zipWith(site, Effect.flip(effect), (site, error) => assertError(error, site, expected))

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
