/** Talking to a console over a byte stream: send a line, expect a prompt. */
import type { DriverCallError } from "@effect-jumpstarter/core/DriverError"
import type { ByteStream } from "@effect-jumpstarter/core/RouterStream"
import * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** The prompt did not come. */
export class NoPrompt extends Data.TaggedError("NoPrompt")<{ readonly prompt: string; readonly heard: string }> {
  override get message(): string {
    return `waited for ${JSON.stringify(this.prompt)} and heard ${JSON.stringify(this.heard)}`
  }
}

export interface Dialogue {
  readonly send: (line: string) => Effect.Effect<void, DriverCallError>
  /** What was said up to and including the prompt. */
  readonly expect: (prompt: string) => Effect.Effect<string, NoPrompt | DriverCallError>
}

export const make = (
  stream: ByteStream<DriverCallError>
): Effect.Effect<Dialogue, never, Scope.Scope> =>
  Effect.map(Stream.toPull(Stream.decodeText(stream.read)), (pull) => {
    let heard = ""

    const hear = (prompt: string): Effect.Effect<string, NoPrompt | DriverCallError> =>
      Effect.suspend(() => {
        const found = heard.indexOf(prompt)
        if (found >= 0) {
          const text = heard.slice(0, found + prompt.length)
          heard = heard.slice(found + prompt.length)
          return Effect.succeed(text)
        }
        return pull.pipe(
          Effect.mapError(Option.getOrElse(() => new NoPrompt({ prompt, heard }))),
          Effect.flatMap((chunk) => {
            heard += Chunk.join(chunk, "")
            return hear(prompt)
          })
        )
      })

    return {
      send: (line) => stream.write(new TextEncoder().encode(`${line}\n`)),
      expect: (prompt) =>
        Effect.timeoutFail(hear(prompt), {
          duration: "5 seconds",
          onTimeout: () => new NoPrompt({ prompt, heard })
        })
    }
  })
