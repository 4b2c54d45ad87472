// A short text of what a server says about a refused request, without the secrets that signed it.
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as interruptible from "../../util/interruptible.ts"
import type { Answer } from "./exchange.ts"

const maxBytes = 4_096
const maxCharacters = 300

const readable = /^\s*(text\/|application\/([\w.-]+\+)?(xml|json))/i

// Object stores answer with a code and a message, next to the input from which they computed a signature.
const plain = (text: string): string => {
  const [code, message] = ["Code", "Message"].map((name) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1])
  const shown = code === undefined
    ? text.replaceAll(/<(script|style)[^]*?<\/\1>|<[^>]*>/gi, " ")
    : `${code}${message === undefined ? "" : `: ${message}`}`
  return shown.replaceAll(/[\s\p{C}]+/gu, " ").trim()
}

// Every form in which a page may repeat a secret. Short ones are not secrets, and would hide half of the text.
const spellings = (secrets: ReadonlyArray<string>): ReadonlyArray<string> =>
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

const without = (text: string, secrets: ReadonlyArray<string>): string =>
  secrets.reduce((text, secret) => text.replaceAll(secret, "[REDACTED]"), text)

// A page that is cut may end with the beginning of a secret, which does not match the whole secret.
const withoutBeginning = (text: string, secrets: ReadonlyArray<string>): string => {
  const begun = secrets.map((secret) => {
    let length = Math.min(secret.length - 1, text.length)
    while (!text.endsWith(secret.slice(0, length))) length -= 1
    return length
  })
  return text.slice(0, text.length - Math.max(0, ...begun))
}

/** The text is empty if the page has nothing readable. */
export const errorText = (answer: Answer, signed: ReadonlyArray<string>): Effect.Effect<string> => {
  if (!readable.test(answer.headers["content-type"] ?? "")) return Effect.succeed("")
  const secrets = spellings(signed)
  let size = 0
  let brokenOff = false
  return answer.body.pipe(
    Stream.takeUntil(({ length }) => (size += length) >= maxBytes),
    // If a page breaks off, use what has arrived.
    Stream.catchAll(() => {
      brokenOff = true
      return Stream.empty
    }),
    Stream.runCollect,
    interruptible.timeoutOption("5 seconds"),
    Effect.map(Option.match({
      onNone: () => "",
      onSome: (chunks) => {
        const cut = brokenOff || size >= maxBytes
        const bytes = Buffer.concat(Chunk.toReadonlyArray(chunks)).subarray(0, maxBytes)
        const page = new TextDecoder().decode(bytes, { stream: cut })
        const text = without(plain(cut ? withoutBeginning(page, secrets) : page), secrets)
        return text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text
      }
    }))
  )
}
