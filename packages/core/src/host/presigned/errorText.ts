// What a server says about a request that it refuses, short, and without what the request was signed with.
import * as Headers from "@effect/platform/Headers"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as interruptible from "../../util/interruptible.ts"
import type { Answer } from "./exchange.ts"

const maxBytes = 4_096
const maxCharacters = 300

const readable = /^\s*(text\/|application\/([\w.-]+\+)?(xml|json))/i

// Object stores answer with a code and a message, and beside them with what they have computed a signature from.
const plain = (text: string): string => {
  const [code, message] = ["Code", "Message"].map((name) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1])
  const shown = code === undefined
    ? text.replaceAll(/<(script|style)[^]*?<\/\1>|<[^>]*>/gi, " ")
    : `${code}${message === undefined ? "" : `: ${message}`}`
  return shown.replaceAll(/[\s\p{C}]+/gu, " ").trim()
}

// Short ones are no secrets, and would hide half of the text.
const without = (text: string, secrets: ReadonlyArray<string>): string =>
  secrets.flatMap((secret) => [secret, ...secret.split(/[?&=;,\s]/)])
    .flatMap((secret) => {
      try {
        return [secret, decodeURIComponent(secret)]
      } catch {
        return [secret]
      }
    })
    .filter(({ length }) => length >= 8)
    .sort((a, b) => b.length - a.length)
    .reduce((text, secret) => text.replaceAll(secret, "[REDACTED]"), text)

/** Nothing, if it says nothing that can be read. */
export const errorText = (answer: Answer, secrets: ReadonlyArray<string>): Effect.Effect<string> => {
  if (!readable.test(Option.getOrElse(Headers.get(answer.headers, "content-type"), () => ""))) return Effect.succeed("")
  let size = 0
  return answer.body.pipe(
    Stream.takeUntil(({ length }) => (size += length) >= maxBytes),
    // A page that breaks off says what came of it.
    Stream.catchAll(() => Stream.empty),
    Stream.runCollect,
    interruptible.timeoutOption("5 seconds"),
    Effect.map(Option.match({
      onNone: () => "",
      onSome: (chunks) => {
        const text = without(
          plain(Buffer.concat(Chunk.toReadonlyArray(chunks)).subarray(0, maxBytes).toString()),
          secrets
        )
        return text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text
      }
    }))
  )
}
