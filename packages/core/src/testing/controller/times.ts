// Times as the controller stores and shows them. Instants are in milliseconds, and Kubernetes stores whole seconds of them. Durations
// are in nanoseconds, within the 64 bits of Go.
import type { Duration } from "@effect-jumpstarter/proto/google/protobuf/duration"
import type { Timestamp } from "@effect-jumpstarter/proto/google/protobuf/timestamp"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"

/** The time of day, which the controller and its peers compare with their own clocks. */
// eslint-disable-next-line no-restricted-syntax -- the time is stored and sent
export const now = Clock.currentTimeMillis

const perSecond = 1_000_000_000n

const longest = 2n ** 63n - 1n

/** Removes the fraction of a second. */
export const wholeSecond = (millis: number): number => Math.floor(millis / 1000) * 1000

export const toTimestamp = (millis: number): Timestamp => ({
  seconds: BigInt(Math.floor(millis / 1000)),
  nanos: Math.floor(millis % 1000) * 1_000_000
})

/** Removes the fraction of a second, which is lost when an object is stored. */
export const fromTimestamp = ({ seconds }: Timestamp): number => Number(seconds) * 1000

export const toDuration = (nanos: bigint): Duration => ({
  seconds: nanos / perSecond,
  nanos: Number(nanos % perSecond)
})

export const fromDuration = ({ nanos, seconds }: Duration): bigint => {
  const all = seconds * perSecond + BigInt(nanos)
  return all > longest ? longest : all < -longest ? -longest : all
}

export const fromMillis = (millis: number): bigint => BigInt(Math.floor(millis)) * 1_000_000n

export const toMillis = (nanos: bigint): number => Number(nanos) / 1e6

const decimal = (whole: bigint, rest: bigint, digits: number): string => {
  const fraction = rest.toString().padStart(digits, "0").replace(/0+$/, "")
  return fraction === "" ? `${whole}` : `${whole}.${fraction}`
}

/** Formats a duration as Go does: `1h0m0s`, `-5s`, `1.5ms`. */
export const showDuration = (nanos: bigint): string => {
  if (nanos < 0n) return `-${showDuration(-nanos)}`
  if (nanos === 0n) return "0s"
  if (nanos < 1_000n) return `${nanos}ns`
  if (nanos < 1_000_000n) return `${decimal(nanos / 1_000n, nanos % 1_000n, 3)}µs`
  if (nanos < perSecond) return `${decimal(nanos / 1_000_000n, nanos % 1_000_000n, 6)}ms`
  const seconds = nanos / perSecond
  const hours = seconds / 3600n
  const minutes = seconds / 60n % 60n
  return [
    hours > 0n ? `${hours}h` : "",
    hours > 0n || minutes > 0n ? `${minutes}m` : "",
    `${decimal(seconds % 60n, nanos % perSecond, 9)}s`
  ].join("")
}

/** Formats an instant as Go does. A missing one is in year 1. */
export const showInstant = (seconds: number | undefined): string => {
  if (seconds === undefined) return "0001-01-01 00:00:00 +0000 UTC"
  const [date = "", time = ""] = DateTime.formatIso(DateTime.unsafeMake(seconds * 1000)).split("T")
  return `${date} ${time.slice(0, 8)} +0000 UTC`
}
