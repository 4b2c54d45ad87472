/**
 * A conversation over a byte stream: text is sent, and text is waited for, as with pexpect.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ByteStream } from "../protocol/ByteStream.ts"
import * as interruptible from "../util/interruptible.ts"
import { EscapeFilter } from "./console/escapeFilter.ts"
import { type Found, PatternSearch } from "./console/patternSearch.ts"
import * as transcript from "./console/transcript.ts"
import { UnreadText } from "./console/unreadText.ts"

/**
 * What was waited for did not come: within the timeout, or before the device ended the stream. `pending` is the end of
 * what came instead, as patterns see it, `console` the name of the console, and `hint` what may explain it.
 *
 * @since 0.1.0
 * @category errors
 */
export class ExpectError extends Schema.TaggedError<ExpectError>(
  "@effect-jumpstarter/core/drivers/Console/ExpectError"
)("ExpectError", {
  reason: Schema.Literal("Timeout", "Closed"),
  pattern: Schema.String,
  pending: Schema.String,
  timeout: Schema.optional(Schema.Duration),
  console: Schema.optional(Schema.String),
  hint: Schema.optional(Schema.String)
}) {
  override get message(): string {
    const console = this.console === undefined ? "the console" : `the console ${this.console || "(root)"}`
    const reason = this.timeout === undefined
      ? `before the device closed ${console}`
      : `within ${Duration.format(this.timeout)} on ${console}`
    const hint = this.hint === undefined ? "" : ` (${this.hint})`
    return `${this.pattern} did not come ${reason}, only ${JSON.stringify(this.pending)}${hint}`
  }
}

/**
 * What a pattern matched. `before` is what had come since the match before it, `groups` are the captures of a regular
 * expression, and `index` tells which of several patterns it was. All texts are as patterns see them, see
 * `ConsoleOptions.escapes`; `transcript` has what came.
 *
 * @since 0.1.0
 * @category models
 */
export interface Match {
  readonly before: string
  readonly match: string
  readonly groups: ReadonlyArray<string | undefined>
  readonly index: number
}

/**
 * Text as it is, or a regular expression.
 *
 * @since 0.1.0
 * @category models
 */
export type Pattern = string | RegExp

type Patterns = Pattern | readonly [Pattern, ...ReadonlyArray<Pattern>]

/**
 * Something that was said on a console, by either side.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  readonly from: "client" | "device"
  readonly text: string
}

/**
 * A console.
 *
 * @since 0.1.0
 * @category models
 */
export interface Console<E> {
  /** Sends text as it is. */
  readonly send: (text: string) => Effect.Effect<void, E>
  /** Sends text and the console's line end. */
  readonly sendLine: (line: string) => Effect.Effect<void, E>
  /**
   * Waits until the device's text has the pattern, and keeps what follows it for the next time. Of several patterns it is
   * the one that is found first in the text. Without a timeout it waits for as long as the device keeps the stream open.
   *
   * A regular expression is tried whenever something arrives, so one that also matches a part of what it is for, as
   * `/\d+/` does, should say what comes next: `/(\d+)\r?\n/`. A match that is longer than 4,096 characters may be found
   * only after the device has paused for 100 ms. A pattern that does not match leaves the text for another.
   */
  readonly expect: (
    pattern: Pattern | readonly [Pattern, ...ReadonlyArray<Pattern>],
    options?: { readonly timeout?: Duration.DurationInput | undefined }
  ) => Effect.Effect<Match, E | ExpectError>
  /** What both sides have said so far, in order, as it came: with its escape sequences and its byte order mark. */
  readonly transcript: Effect.Effect<ReadonlyArray<Entry>>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ConsoleOptions {
  /** What ends a line that is sent; a line feed unless given. Some boot loaders want a carriage return. */
  readonly lineEnd?: string | undefined
  /**
   * How many characters are kept: of the transcript, and of what nobody has waited for yet. The oldest ones beyond are
   * forgotten. A million unless given.
   */
  readonly limit?: number | undefined
  /**
   * Whether patterns see the escape sequences by which a device steers a terminal: colours, cursor moves, modes such as
   * bracketed paste, titles. They are `hidden` from patterns unless given, because shells send them where nobody sees
   * them: with a modern Bash the line of a prompt begins with `\x1b[?2004h`, and `/^root@board:~# /m` would not match.
   * A byte order mark at the start of the stream is hidden with them. Choose `visible` to wait for a sequence itself,
   * such as a question for the cursor's position.
   */
  readonly escapes?: "hidden" | "visible" | undefined
  /** What errors call the console; the driver's path unless given, for a stream that a driver's client has opened. */
  readonly name?: string | undefined
  /**
   * Called with all that the device says, as it came, piece by piece, to show it; what comes next waits for it.
   */
  readonly onText?: ((text: string) => Effect.Effect<void>) | undefined
}

const isOne = (pattern: Patterns): pattern is Pattern => typeof pattern === "string" || pattern instanceof RegExp

const name = (pattern: Patterns): string =>
  isOne(pattern)
    ? typeof pattern === "string" ? JSON.stringify(pattern) : String(pattern)
    : pattern.map(name).join(" or ")

// As much of what came as a log line has room for.
const shown = 400

// A device that has been silent for so long has said what it had to say.
const pause = "100 millis"

// The escape character, as it is written in patterns that JSON has quoted.
const escapeCharacter = /\\(x1b|u001b|u\{0*1b\}|c\[)/i

/**
 * Makes a console of a byte stream. It reads from then on, and stops when the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Console, Network } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class Monitor extends Device.Tag("acme/Monitor", Network.contract)<Monitor>() {}
 *
 * const cpuState = Effect.gen(function*() {
 *   const monitor = yield* Monitor
 *   const console = yield* Console.make(yield* monitor.connect(), { lineEnd: "\r\n" })
 *   yield* console.expect("> ", { timeout: "5 seconds" })
 *   yield* console.sendLine("cpu")
 *   const { before } = yield* console.expect("> ")
 *   return before
 * }).pipe(Effect.scoped)
 * ```
 */
export const make = <E>(
  stream: ByteStream<E>,
  options: ConsoleOptions = {}
): Effect.Effect<Console<E>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const limit = options.limit ?? 1_000_000
    const lineEnd = options.lineEnd ?? "\n"
    const onText = options.onText ?? (() => Effect.void)
    const said = transcript.make(limit)
    const unread = new UnreadText(limit)
    const arrival = yield* Effect.makeLatch(false)
    const turn = yield* Effect.makeSemaphore(1)
    const encoder = new TextEncoder()
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
    const escapes = options.escapes === "visible" ? undefined : new EscapeFilter()
    const visibleDecoder = new TextDecoder()
    let outcome: Exit.Exit<void, E> | undefined

    const hear = (text: string, visible: string): string => {
      said.add("device", text)
      unread.add(visible)
      arrival.unsafeOpen()
      return text
    }
    const hearBytes = (bytes: Uint8Array): string => {
      const text = decoder.decode(bytes, { stream: true })
      return hear(
        text,
        escapes === undefined ? text : visibleDecoder.decode(escapes.push(bytes), { stream: true })
      )
    }
    // A character that was cut off.
    const hearEnd = (): string => {
      const text = decoder.decode()
      return hear(text, escapes === undefined ? text : visibleDecoder.decode(escapes.end()))
    }
    const show = (text: string): Effect.Effect<void> => text === "" ? Effect.void : onText(text)

    let cutOff = ""
    yield* stream.read.pipe(
      Stream.runForEach((bytes) => Effect.suspend(() => show(hearBytes(bytes)))),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          outcome = exit
          // Who closes the console cuts nothing off.
          if (!Exit.isInterrupted(exit)) cutOff = hearEnd()
          arrival.unsafeOpen()
        })
      ),
      Effect.exit,
      Effect.zipRight(Effect.suspend(() => show(cutOff))),
      interruptible.forkScoped
    )

    const failure = (pattern: Patterns, timeout?: Duration.DurationInput) => {
      const shownPattern = name(pattern)
      return new ExpectError({
        reason: timeout === undefined ? "Closed" : "Timeout",
        pattern: shownPattern,
        pending: unread.slice(Math.max(unread.start, unread.end - shown), unread.end),
        timeout: timeout === undefined ? undefined : Duration.decode(timeout),
        console: options.name ?? stream.name,
        hint: escapes !== undefined && escapeCharacter.test(JSON.stringify(shownPattern))
          ? "the pattern has an escape, which patterns do not see unless the option `escapes` is `visible`"
          : undefined
      })
    }

    const take = ({ end, groups, index, match, start }: Found): Match => {
      const before = unread.slice(unread.start, start)
      unread.drop(end)
      return { before, match, groups, index }
    }

    const expect = (pattern: Patterns): Effect.Effect<Match, E | ExpectError> =>
      turn.withPermits(1)(Effect.suspend(() => {
        const search = new PatternSearch(isOne(pattern) ? [pattern] : pattern, unread)
        const heard = Effect.as(arrival.await, false)
        const paused = Effect.delay(Effect.succeed(true), pause)
        // Closing the latch and looking are one step, so that nothing arrives unseen in between.
        const next = (isThorough: boolean): Effect.Effect<Match, E | ExpectError> =>
          Effect.suspend(() => {
            arrival.unsafeClose()
            const isLast = isThorough || outcome !== undefined
            const found = search.next() ?? (isLast && !search.isComplete ? search.whole() : undefined)
            if (found !== undefined) return Effect.succeed(take(found))
            if (outcome !== undefined) return Effect.zipRight(outcome, Effect.fail(failure(pattern)))
            return Effect.flatMap(search.isComplete ? heard : interruptible.raceFirst(heard, paused), next)
          })
        return next(false)
      }))

    const send = (text: string) =>
      Effect.zipRight(
        Effect.sync(() => said.add("client", text)),
        stream.write(encoder.encode(text))
      )

    return {
      send,
      sendLine: (line) => send(line + lineEnd),
      expect: (pattern, { timeout } = {}) =>
        timeout === undefined
          ? expect(pattern)
          : interruptible.timeoutFail(expect(pattern), {
            duration: timeout,
            onTimeout: () => failure(pattern, timeout)
          }),
      transcript: Effect.sync(said.entries)
    }
  })
