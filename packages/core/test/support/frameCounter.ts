// Counts the HTTP/2 frames that callers send through a relay.
import { Effect, type Scope } from "effect"
import * as rawHttp2 from "./rawHttp2.ts"
import * as relay from "./relay.ts"

/** Returns how many frames of a type have come so far. */
export const make = (
  path: string,
  target: string
): Effect.Effect<(type: keyof typeof rawHttp2.Type) => number, never, Scope.Scope> => {
  const counts = new Map<number, number>()
  return Effect.as(
    relay.make(path, target, (caller) => {
      caller.on(
        "data",
        rawHttp2.reader((type) => counts.set(type, (counts.get(type) ?? 0) + 1), rawHttp2.preface.length)
      )
    }),
    (type) => counts.get(rawHttp2.Type[type]) ?? 0
  )
}
