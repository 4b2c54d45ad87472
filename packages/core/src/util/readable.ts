// Reads a Node readable stream on demand.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Readable } from "node:stream"
import * as suspended from "./suspended.ts"

const events = ["readable", "end", "error", "close"] as const

// Returns a pull of everything that is buffered; it waits while the buffer is empty. A stream that is closed before its end
// fails with `closed`.
export const make = <E>(
  readable: Readable,
  failed: (cause: Error) => E,
  closed: () => E
): Effect.Effect<Effect.Effect<Uint8Array, Option.Option<E>>, never, Scope.Scope> => {
  let notify: (() => void) | undefined
  const wake = () => notify?.()
  const poll = (): Effect.Effect<Uint8Array, Option.Option<E>> | undefined => {
    const bytes: Uint8Array | null = readable.read()
    if (bytes !== null) return Effect.succeed(bytes)
    if (readable.errored) return Effect.fail(Option.some(failed(readable.errored)))
    if (readable.readableEnded) return Effect.fail(Option.none())
    return readable.destroyed ? Effect.fail(Option.some(closed())) : undefined
  }
  const next = suspended.until<Uint8Array, Option.Option<E>>((resume) => {
    notify = () => {
      const step = poll()
      if (step === undefined) return
      notify = undefined
      resume(step)
    }
    notify()
    return Effect.sync(() => {
      notify = undefined
    })
  })
  return Effect.as(
    Effect.acquireRelease(
      Effect.sync(() => events.forEach((event) => readable.on(event, wake))),
      () => Effect.sync(() => events.forEach((event) => readable.off(event, wake)))
    ),
    next
  )
}
