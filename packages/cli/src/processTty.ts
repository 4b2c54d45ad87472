// The terminal, or the pipes, of this process.
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Output, Tty } from "./Tty.ts"

const outputOf = (stream: NodeJS.WriteStream): Output => ({
  isTerminal: stream.isTTY === true,
  columns: Effect.sync(() => stream.columns ?? 80),
  write: (data) =>
    Effect.async((resume) => {
      if (stream.write(data)) return resume(Effect.void)
      const go = () => resume(Effect.void)
      stream.once("drain", go)
      return Effect.sync(() => stream.off("drain", go))
    }),
  unsafeWrite: (text) => stream.write(text)
})

const { stdin } = process

const raw = Effect.acquireRelease(
  Effect.sync(() => stdin.setRawMode(true)),
  () => Effect.sync(() => stdin.setRawMode(false))
)

// The terminal sends these signals to all programs in its foreground, of which this process is one.
const keys = ["SIGINT", "SIGQUIT"] as const

const ignore = (): void => {}

const lent = Effect.acquireRelease(
  Effect.sync(() =>
    keys.map((signal) => {
      const own = process.listeners(signal)
      process.removeAllListeners(signal)
      process.on(signal, ignore)
      return { signal, own }
    })
  ),
  (signals) =>
    Effect.sync(() => {
      for (const { own, signal } of signals) {
        for (const listener of own) process.on(signal, listener)
        process.off(signal, ignore)
      }
    })
)

let isHungUp = false

/** Ends this process. One whose terminal was closed ends by its signal: Node aborts when it cannot restore the terminal. */
export const exit = (code: number): void => {
  if (!isHungUp) process.exit(code)
  process.removeAllListeners("SIGHUP")
  process.kill(process.pid, "SIGHUP")
}

export const layer: Layer.Layer<Tty> = Layer.sync(Tty, () => {
  // Ends as Ctrl-C does. A process that is ending already has no listener any more, and the signal would cut its end short, such as the
  // release of a lease.
  const end = (): void => {
    if (process.listenerCount("SIGTERM") > 0) process.kill(process.pid, "SIGTERM")
  }
  // The reader has ended, as in `effect-jumpstarter logs | head`.
  process.stdout.on("error", end)
  // Nobody reads notes.
  process.stderr.on("error", ignore)
  if (stdin.isTTY === true) {
    process.on("SIGHUP", () => {
      isHungUp = true
      end()
    })
  }
  return {
    output: outputOf(process.stdout),
    errors: outputOf(process.stderr),
    input: {
      isTerminal: stdin.isTTY === true,
      bytes: NodeStream.stdin,
      raw: Effect.asVoid(raw),
      lent: Effect.asVoid(lent)
    }
  }
})
