// Counts the HTTP/2 frames that callers send through a relay.
import { Effect, type Scope } from "effect"
import { Type } from "./rawHttp2.ts"
import * as relay from "./relay.ts"

const prefaceBytes = 24

const headerBytes = 9

/** Answers how many frames of a type there were so far. */
export const make = (
  path: string,
  target: string
): Effect.Effect<(type: keyof typeof Type) => number, never, Scope.Scope> => {
  const counts = new Map<number, number>()
  return Effect.as(
    relay.make(path, target, (caller) => {
      let seen: Buffer = Buffer.alloc(0)
      let next = prefaceBytes
      caller.on("data", (bytes) => {
        seen = Buffer.concat([seen, bytes])
        while (seen.length >= next + headerBytes) {
          const type = seen.readUInt8(next + 3)
          counts.set(type, (counts.get(type) ?? 0) + 1)
          next += headerBytes + seen.readUIntBE(next, 3)
        }
        const passed = Math.min(next, seen.length)
        seen = seen.subarray(passed)
        next -= passed
      })
    }),
    (type) => counts.get(Type[type]) ?? 0
  )
}
