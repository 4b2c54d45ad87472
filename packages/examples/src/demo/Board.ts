/** The board the embedded exporter pretends to control: it knows when it was switched on. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"

export interface Board {
  readonly power: (on: boolean) => Effect.Effect<void>
  /** Whether it has power, now and at every change. */
  readonly powered: Stream.Stream<boolean>
  /** What a supply of 12 V measures. */
  readonly reading: Effect.Effect<{ readonly voltage: number; readonly current: number }>
}

const round = (value: number): number => Math.round(value * 1_000) / 1_000

// Inrush into the capacitors, a busy start, then nearly idle with some ripple.
const load = (seconds: number): number =>
  0.35 + 2.3 * Math.exp(-seconds / 0.09) + 0.9 * Math.exp(-(((seconds - 0.9) / 0.35) ** 2)) +
  0.05 * Math.sin(seconds * 23)

export const make: Effect.Effect<Board> = Effect.map(
  SubscriptionRef.make(Option.none<number>()),
  (onSince): Board => ({
    power: (on) =>
      on
        ? Effect.flatMap(
          Clock.currentTimeMillis,
          (now) => SubscriptionRef.update(onSince, (since) => Option.orElseSome(since, () => now))
        )
        : SubscriptionRef.set(onSince, Option.none()),
    powered: Stream.changes(Stream.map(onSince.changes, Option.isSome)),
    reading: Effect.gen(function*() {
      const since = yield* onSince.get
      if (Option.isNone(since)) return { voltage: 0, current: 0 }
      const current = load(((yield* Clock.currentTimeMillis) - since.value) / 1_000)
      // The cable has a resistance.
      return { voltage: round(12 - current * 0.08), current: round(current) }
    })
  })
)
