// The only module that uses cli-progress, which is loaded when the first bar is drawn, and the process's own terminal.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

// The used part of a Node stream.
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

// Draws a bar of `total` until the scope closes, which leaves the last state on the screen and restores the cursor. The
// format is cli-progress's. MultiBar and not SingleBar, because SingleBar ends by moving the cursor back to its start, over
// anything that was printed in the meantime.
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
          // Its types require a whole Node stream, but it uses only what `Output` has.
          stream: options.output as unknown as NodeJS.WritableStream,
          format: options.format,
          barsize: options.width,
          barCompleteChar: "█",
          barIncompleteChar: "░",
          hideCursor: true,
          // Another writer may have cleared the line.
          forceRedraw: true,
          // The scope does this.
          gracefulExit: false
        })
        return { bars, bar: bars.create(options.total, options.initial.value, { ...options.initial.texts }) }
      }),
      ({ bars }) => Effect.sync(() => bars.stop())
    ),
    ({ bar }) => ({ texts, value }) => bar.update(value, { ...texts })
  )
