// Streams from drivers that can only be asked for one message, and wait for it on the exporter.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

// A driver in Python waits in a thread that no interruption ends, and keeps the message that arrives meanwhile. So each question
// is short.
const patience = 0.5

// Asks again and again, each time with the number of seconds the driver may wait.
export const polling = <A, E, R>(
  ask: (seconds: number) => Effect.Effect<Option.Option<A>, E, R>
): Stream.Stream<A, E, R> => Stream.filterMap(Stream.repeatEffect(ask(patience)), (answer) => answer)

// The same for drivers that fail with a timeout when nothing has come.
export const polled = <A, E extends { readonly _tag: string; readonly code: string }, R>(
  ask: (seconds: number) => Effect.Effect<A, E, R>
): Stream.Stream<A, E, R> =>
  polling((seconds) =>
    ask(seconds).pipe(
      Effect.asSome,
      Effect.catchIf(
        (error) => error._tag === "DriverError" && error.code === "DEADLINE_EXCEEDED",
        () => Effect.succeed(Option.none<A>())
      )
    )
  )
