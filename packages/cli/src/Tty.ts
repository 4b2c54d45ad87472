/** Standard input, output and error output, as a service that tests replace. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"

export interface Output {
  readonly isTerminal: boolean
  /** The width of the terminal; 80 for everything else. */
  readonly columns: Effect.Effect<number>
  /** Writes at once, and waits while the reader does not read. */
  readonly write: (data: string | Uint8Array) => Effect.Effect<void>
  /** Writes at once, for programs that are not effects. */
  readonly unsafeWrite: (text: string) => void
}

export class Tty extends Context.Tag("@effect-jumpstarter/cli/Tty")<Tty, {
  readonly output: Output
  readonly errors: Output
  readonly input: {
    readonly isTerminal: boolean
    /** What is typed or piped, until its end. */
    readonly bytes: Stream.Stream<Uint8Array>
    /** Passes each key on at once, without an echo, until the scope closes. */
    readonly raw: Effect.Effect<void, never, Scope.Scope>
    /** Leaves Ctrl-C to another program at this terminal until the scope closes. */
    readonly lent: Effect.Effect<void, never, Scope.Scope>
  }
}>() {}
