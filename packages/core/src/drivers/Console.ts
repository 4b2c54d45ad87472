/**
 * A conversation over a byte stream: text is sent, and text is waited for, as with pexpect.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as interruptible from "../internal/interruptible.ts"
import * as transcript from "../internal/transcript.ts"
import type { ByteStream } from "../RouterStream.ts"

/**
 * What was waited for did not come: within the timeout, or before the device ended the stream. `pending` is the end of
 * what came instead.
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
  timeout: Schema.optional(Schema.Duration)
}) {
  override get message(): string {
    const reason = this.timeout === undefined
      ? "before the device closed the console"
      : `within ${Duration.format(this.timeout)}`
    return `${this.pattern} did not come ${reason}, only ${JSON.stringify(this.pending)}`
  }
}

/**
 * What a pattern matched. `before` is what had come since the match before it, `groups` are the captures of a regular
 * expression, and `index` tells which of several patterns it was.
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
   * `/\d+/` does, should say what comes next: `/(\d+)\r?\n/`. A pattern in vain leaves the text for another.
   */
  readonly expect: (
    pattern: Pattern | readonly [Pattern, ...ReadonlyArray<Pattern>],
    options?: { readonly timeout?: Duration.DurationInput | undefined }
  ) => Effect.Effect<Match, E | ExpectError>
  /** What both sides have said so far, in order. */
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
  /** Told of all that the device says, piece by piece as it comes, to show it; what comes next waits for it. */
  readonly onText?: ((text: string) => Effect.Effect<void>) | undefined
}

type Found = Pick<Match, "match" | "groups"> & { readonly start: number }

const finder = (pattern: Pattern): (text: string) => Found | undefined => {
  if (typeof pattern === "string") {
    return (text) => {
      const start = text.indexOf(pattern)
      return start < 0 ? undefined : { start, match: pattern, groups: [] }
    }
  }
  // With these flags an expression remembers where it was last.
  const expression = new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, ""))
  return (text) => {
    const result = expression.exec(text)
    if (result === null) return undefined
    const [match, ...groups] = result
    return { start: result.index, match, groups }
  }
}

const isOne = (pattern: Patterns): pattern is Pattern => typeof pattern === "string" || pattern instanceof RegExp

const name = (pattern: Patterns): string =>
  isOne(pattern)
    ? typeof pattern === "string" ? JSON.stringify(pattern) : String(pattern)
    : pattern.map(name).join(" or ")

// As much of what came as a log line has room for.
const shown = 400

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
 * class Monitor extends Device.Tag("Monitor", Network.contract)<Monitor>() {}
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
    const arrival = yield* Effect.makeLatch(false)
    const turn = yield* Effect.makeSemaphore(1)
    const encoder = new TextEncoder()
    const decoder = new TextDecoder()
    let pending = ""
    let outcome: Exit.Exit<void, E> | undefined

    const receive = (text: string): Effect.Effect<void> => {
      said.add("device", text)
      pending = (pending + text).slice(-limit)
      arrival.unsafeOpen()
      return text === "" ? Effect.void : onText(text)
    }
    yield* stream.read.pipe(
      Stream.runForEach((bytes) => Effect.suspend(() => receive(decoder.decode(bytes, { stream: true })))),
      Effect.onExit((exit) =>
        Effect.suspend(() => {
          outcome = exit
          // A character that was cut off.
          return receive(decoder.decode())
        })
      ),
      interruptible.forkScoped
    )

    const failure = (pattern: Patterns, timeout?: Duration.DurationInput) =>
      new ExpectError({
        reason: timeout === undefined ? "Closed" : "Timeout",
        pattern: name(pattern),
        pending: pending.slice(-shown),
        timeout: timeout === undefined ? undefined : Duration.decode(timeout)
      })

    const take = (finders: ReadonlyArray<ReturnType<typeof finder>>): Match | undefined => {
      let first: Found & { readonly index: number } | undefined
      for (const [index, find] of finders.entries()) {
        const found = find(pending)
        if (found !== undefined && (first === undefined || found.start < first.start)) first = { ...found, index }
      }
      if (first === undefined) return undefined
      const { groups, index, match, start } = first
      const before = pending.slice(0, start)
      pending = pending.slice(start + match.length)
      return { before, match, groups, index }
    }

    const expect = (pattern: Patterns): Effect.Effect<Match, E | ExpectError> => {
      const finders = (isOne(pattern) ? [pattern] : pattern).map(finder)
      // Closing the latch and looking are one step, so that nothing arrives unseen in between.
      const next: Effect.Effect<Match, E | ExpectError> = Effect.suspend(() => {
        arrival.unsafeClose()
        const match = take(finders)
        if (match !== undefined) return Effect.succeed(match)
        if (outcome === undefined) return Effect.zipRight(arrival.await, next)
        return Effect.zipRight(outcome, Effect.fail(failure(pattern)))
      })
      return turn.withPermits(1)(next)
    }

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
