// The one place that knows cli-progress, which is loaded when the first bar is drawn, and the process's own terminal.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

// The part of a Node stream that is used.
export interface Output {
  readonly write: (text: string) => unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

export const stderr = (): Output => process.stderr

export interface State {
  readonly value: number
  readonly texts: Readonly<Record<string, string>>
}

// Draws a bar of `total` until the scope closes, which leaves the last state on the screen and gives the cursor back. The
// format is cli-progress's. MultiBar and not SingleBar, because the latter ends by moving the cursor to where it
// started: over whatever else was printed in the meantime.
export const open = (options: {
  readonly output: Output
  readonly total: number
  readonly width: number
  readonly format: string
  readonly initial: State
}): Effect.Effect<(state: State) => void, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.map(Effect.promise(() => import("cli-progress")), ({ default: { MultiBar } }) => {
        const bars = new MultiBar({
          // Its types ask for a whole Node stream; it uses what `Output` has.
          stream: options.output as unknown as NodeJS.WritableStream,
          format: options.format,
          barsize: options.width,
          barCompleteChar: "█",
          barIncompleteChar: "░",
          hideCursor: true,
          // Another writer may have cleared the line.
          forceRedraw: true,
          // The scope does that.
          gracefulExit: false
        })
        return { bars, bar: bars.create(options.total, options.initial.value, { ...options.initial.texts }) }
      }),
      ({ bars }) => Effect.sync(() => bars.stop())
    ),
    ({ bar }) => ({ texts, value }) => bar.update(value, { ...texts })
  )
