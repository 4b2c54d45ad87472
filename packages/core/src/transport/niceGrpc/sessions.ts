// Finds the HTTP/2 sessions of a grpc-js channel. No option exposes them, so this intercepts the private methods that create them.
// In a release of grpc-js with other methods no session is found, and the test of a peer's mistakes fails.
import type { Channel } from "nice-grpc"
import type { Http2Session } from "node:http2"
import * as httpGuard from "../http/guard.ts"

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined

// Calls `after` with the result of each call of a method.
const follow = (object: unknown, name: string, after: (result: unknown) => void): void => {
  const method = field(object, name)
  if (typeof object !== "object" || object === null || typeof method !== "function") return
  Reflect.set(object, name, (...args: ReadonlyArray<unknown>): unknown => {
    const result: unknown = Reflect.apply(method, object, args)
    after(result)
    return result
  })
}

const isSession = (value: unknown): value is Http2Session =>
  typeof field(value, "settings") === "function" && field(value, "destroyed") === false

/** Guards each session of a channel as soon as it is created. */
export const guard = (channel: Channel): void => {
  const connectors = new WeakSet<WeakKey>()
  follow(field(field(channel, "internalChannel"), "subchannelPool"), "getOrCreateSubchannel", (subchannel) => {
    const connector = field(subchannel, "connector")
    if (typeof connector !== "object" || connector === null || connectors.has(connector)) return
    connectors.add(connector)
    follow(connector, "createSession", () => {
      const session = field(connector, "session")
      if (!isSession(session)) return
      httpGuard.guard(session, undefined)
      // gRPC has no server push, but grpc-js leaves it allowed.
      session.settings({ enablePush: false })
    })
  })
}
