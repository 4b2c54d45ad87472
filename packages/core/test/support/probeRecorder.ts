// Records the events of the probe's calls, streams and resources, as interop/probe.py does.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as DriverFailure from "../../src/protocol/DriverFailure.ts"

export interface Recorder {
  readonly events: Array<string>
  readonly bytes: Map<string, number>
  readonly openCount: () => number
  readonly record: (event: string) => Effect.Effect<void>
  readonly count: (name: string, bytes: number) => void
  /** Records `NAME:open` now, and `NAME:closed` with the scope, after the reason if the scope did not close with success. */
  readonly track: (name: string) => Effect.Effect<void, never, Scope.Scope>
}

const outcome = (exit: Exit.Exit<unknown, unknown>): string | undefined =>
  Exit.isSuccess(exit)
    ? undefined
    : Cause.isInterruptedOnly(exit.cause)
    ? "cancelled"
    : `error:${
      Option.match(Cause.failureOption(exit.cause), {
        onNone: () => "defect",
        onSome: (error) => error instanceof DriverFailure.DriverFailure ? error.reason : String(error)
      })
    }`

export const make = (): Recorder => {
  const events: Array<string> = []
  const bytes = new Map<string, number>()
  let open = 0
  const record = (event: string) =>
    Effect.sync(() => {
      events.push(event)
    })
  return {
    events,
    bytes,
    openCount: () => open,
    record,
    count: (name, size) => {
      bytes.set(name, (bytes.get(name) ?? 0) + size)
    },
    track: (name) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          open += 1
          events.push(`${name}:open`)
        }),
        (_, exit) =>
          Effect.sync(() => {
            open -= 1
            const why = outcome(exit)
            if (why !== undefined) events.push(`${name}:${why}`)
            events.push(`${name}:closed`)
          })
      )
  }
}
