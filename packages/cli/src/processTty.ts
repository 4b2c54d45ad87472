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

export const layer: Layer.Layer<Tty> = Layer.sync(Tty, () => {
  // The reader has ended, as in `effect-jumpstarter logs | head`: end as with Ctrl-C.
  process.stdout.on("error", () => process.kill(process.pid, "SIGINT"))
  return {
    output: outputOf(process.stdout),
    errors: outputOf(process.stderr),
    input: { isTerminal: stdin.isTTY === true, bytes: NodeStream.stdin, raw: Effect.asVoid(raw) }
  }
})
