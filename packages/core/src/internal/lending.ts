// What conveniences do with the resources they are given on their way to a driver.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type * as Resource from "../Resource.ts"

// Answers what a target made of the bytes, which a call that takes it does not tell. The call succeeds only when the
// transfer did, so there is a value then.
export const received = <A, E, R, E2, R2>(
  target: Resource.Target<A, E, R>,
  call: (target: Resource.Target<void, E, R>) => Effect.Effect<unknown, E2, R2>
): Effect.Effect<A, E2, R2> =>
  Effect.suspend(() => {
    let result: Option.Option<A> = Option.none()
    const sink = Sink.map(target.sink, (value) => {
      result = Option.some(value)
    })
    return Effect.zipRight(call({ ...target, sink }), Effect.orDie(Effect.suspend(() => result)))
  })

// Bytes in order, and what to do with how far they have come.
export type Observe<R> = (progress: Stream.Stream<Resource.TransferProgress>) => Effect.Effect<void, never, R>

const interval = "100 millis"

// Runs a call beside an observer of its transfer's progress; `count` is told the size of every piece.
export const observed = <A, E, R, RO>(
  observe: Observe<RO> | undefined,
  total: Option.Option<number>,
  call: (count: (bytes: Uint8Array) => Effect.Effect<void>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | RO> => {
  if (observe === undefined) return call(() => Effect.void)
  return Effect.gen(function*() {
    const over = yield* Deferred.make<void>()
    let bytes = 0
    const snapshot = (done: boolean) => Effect.sync((): Resource.TransferProgress => ({ bytes, total, done }))
    const progress = Stream.concat(
      Stream.interruptWhen(
        Stream.repeatEffectWithSchedule(snapshot(false), Schedule.spaced(interval)),
        Deferred.await(over)
      ),
      Stream.fromEffect(snapshot(true))
    )
    const count = (chunk: Uint8Array) =>
      Effect.sync(() => {
        bytes += chunk.length
      })
    const [result] = yield* Effect.all([
      Effect.zipLeft(call(count), Deferred.succeed(over, undefined)),
      observe(progress)
    ], { concurrency: "unbounded" })
    return result
  })
}
