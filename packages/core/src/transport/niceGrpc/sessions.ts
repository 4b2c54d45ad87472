// The HTTP/2 sessions of a channel of grpc-js. It has no option that gives them, so they are looked for in its private fields.
// Where another release has other fields none are found, and the test of a peer's mistakes fails.
import type { Channel } from "nice-grpc"
import type { Http2Session } from "node:http2"
import { clearInterval, setInterval } from "node:timers"
import * as httpGuard from "../http/guard.ts"

const interval = 250

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined

const valuesOf = (value: unknown): ReadonlyArray<unknown> =>
  typeof value === "object" && value !== null ? Object.values(value) : []

const isSession = (value: unknown): value is Http2Session =>
  typeof field(value, "settings") === "function" && field(value, "destroyed") === false

const of = (channel: Channel): ReadonlyArray<Http2Session> =>
  valuesOf(field(field(field(channel, "internalChannel"), "subchannelPool"), "pool"))
    .flatMap(valuesOf)
    .map((entry) => field(field(field(entry, "subchannel"), "transport"), "session"))
    .filter(isSession)

// Of grpc-js's connectivity states.
const shutdown = 4

/** Guards each session of a channel until the channel is closed. */
export const guard = (channel: Channel): void => {
  const guarded = new WeakSet<Http2Session>()
  const look = (): void => {
    for (const session of of(channel)) {
      if (guarded.has(session)) continue
      guarded.add(session)
      httpGuard.guard(session, undefined)
    }
  }
  // A session has to be guarded before its peer makes a mistake. The state does not tell of a second address.
  const timer = setInterval(look, interval).unref()
  const follow = (): void => {
    look()
    const state = channel.getConnectivityState(false)
    if (state === shutdown) clearInterval(timer)
    else channel.watchConnectivityState(state, Infinity, follow)
  }
  follow()
}
