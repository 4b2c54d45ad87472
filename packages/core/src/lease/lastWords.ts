// Logs what is left behind when a second Ctrl-C kills a program while it releases a lease.
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"

const signals = ["SIGINT", "SIGTERM"] as const

type Signal = (typeof signals)[number]

/** Each logs one lease that is left behind. */
const words = new Set<() => void>()

// The first signal has a listener of the program, which interrupts it. The second one would end the process without a word.
const isDeadly = (signal: Signal): boolean => process.listenerCount(signal) === 1

const listeners = signals.map((signal) =>
  [signal, () => {
    if (!isDeadly(signal)) return
    for (const say of words) say()
    unlisten()
    process.kill(process.pid, signal)
  }] as const
)

const unlisten = () => {
  for (const [signal, listener] of listeners) process.removeListener(signal, listener)
}

/** Runs a release that, when a signal ends the process before it is over, leaves a last line in the log. */
export const during = <A, E, R>(release: Effect.Effect<A, E, R>, line: string): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.map(Effect.runtime<never>(), (runtime) => {
      const say = () => Runtime.runSync(runtime, Effect.logWarning(line))
      // Before the program's own listener, which removes itself.
      if (words.size === 0) { for (const [signal, listener] of listeners) process.prependListener(signal, listener) }
      words.add(say)
      return say
    }),
    () => release,
    (say) =>
      Effect.sync(() => {
        words.delete(say)
        if (words.size === 0) unlisten()
      })
  )
