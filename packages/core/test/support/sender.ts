// A sender that continues until it has to wait, because nobody reads.
import { Effect, Stream } from "effect"
import * as Probe from "./probe.ts"

const large = new Uint8Array(65_536)

export interface Sender {
  /** The bytes to send, without an end. */
  readonly bytes: Stream.Stream<Uint8Array>
  /** Waits until the sender waits: until it sends nothing more during several round trips of another call. */
  readonly waits: <E, R>(otherCall: Effect.Effect<unknown, E, R>) => Effect.Effect<void, E, R>
  /** Waits until the sender has ended, and returns how often its finalizer has run. */
  readonly ended: Effect.Effect<number>
}

export const make: Effect.Effect<Sender> = Effect.map(Probe.make, (probe) => {
  let taken = 0
  const next = Effect.sync(() => {
    taken++
    return large
  })
  return {
    bytes: Stream.ensuring(Stream.repeatEffect(next), probe.watch(Effect.void)),
    waits: (otherCall) =>
      Effect.gen(function*() {
        let seen = 0
        let still = 0
        while (still < 50) {
          yield* otherCall
          still = taken > 0 && taken === seen ? still + 1 : 0
          seen = taken
        }
      }),
    ended: Effect.zipRight(probe.finalized, probe.finalizations)
  }
})
