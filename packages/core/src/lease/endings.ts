// Makes the errors that report the end of a lease.
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { LeaseEnded } from "../protocol/LeaseEnded.ts"
import type * as reading from "./reading.ts"

/** An end that the controller reports. */
export const of = (lease: string, { at, how, message }: reading.Over): Effect.Effect<LeaseEnded> =>
  Effect.map(
    Option.match(at, { onNone: () => DateTime.now, onSome: Effect.succeed }),
    (at) => new LeaseEnded({ lease, how, at, details: message })
  )

/** An end that this program caused. */
export const released = (lease: string): Effect.Effect<LeaseEnded> =>
  Effect.map(DateTime.now, (at) => new LeaseEnded({ lease, how: "Released", at, details: "this program released it" }))
