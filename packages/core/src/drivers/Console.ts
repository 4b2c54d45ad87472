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
 * expression.
 *
 * @since 0.1.0
 * @category models
 */
export interface Match {
  readonly before: string
  readonly match: string
  readonly groups: ReadonlyArray<string | undefined>
}

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
   * Waits until the device's text has the pattern, and keeps what follows it for the next time. Without a timeout it
   * waits for as long as the device keeps the stream open.
   *
   * A regular expression is tried whenever something arrives, so one that also matches a part of what it is for, as
   * `/\d+/` does, should say what comes next: `/(\d+)\r?\n/`. A pattern in vain leaves the text for another.
   */
  readonly expect: (
    pattern: string | RegExp,
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
}

const find = (text: string, pattern: string | RegExp): { readonly end: number; readonly found: Match } | undefined => {
  if (typeof pattern === "string") {
    const index = text.indexOf(pattern)
    return index < 0
      ? undefined
      : { end: index + pattern.length, found: { before: text.slice(0, index), match: pattern, groups: [] } }
  }
  const match = pattern.exec(text)
  if (match === null) return undefined
  const [whole, ...groups] = match
  return { end: match.index + whole.length, found: { before: text.slice(0, match.index), match: whole, groups } }
}

// With these flags an expression remembers where it was last.
const withoutMemory = (pattern: string | RegExp): string | RegExp =>
  typeof pattern === "string" ? pattern : new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, ""))

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
    const said = transcript.make(limit)
    const arrival = yield* Effect.makeLatch(false)
    const turn = yield* Effect.makeSemaphore(1)
    const encoder = new TextEncoder()
    const decoder = new TextDecoder()
    let pending = ""
    let outcome: Exit.Exit<void, E> | undefined

    const receive = (text: string) => {
      said.add("device", text)
      pending = (pending + text).slice(-limit)
      arrival.unsafeOpen()
    }
    yield* stream.read.pipe(
      Stream.runForEach((bytes) => Effect.sync(() => receive(decoder.decode(bytes, { stream: true })))),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          outcome = exit
          // A character that was cut off.
          receive(decoder.decode())
        })
      ),
      interruptible.forkScoped
    )

    const failure = (pattern: string | RegExp, timeout?: Duration.DurationInput) =>
      new ExpectError({
        reason: timeout === undefined ? "Closed" : "Timeout",
        pattern: typeof pattern === "string" ? JSON.stringify(pattern) : String(pattern),
        pending: pending.slice(-shown),
        timeout: timeout === undefined ? undefined : Duration.decode(timeout)
      })

    // Closing the latch and looking are one step, so that nothing arrives unseen in between.
    const next = (pattern: string | RegExp): Effect.Effect<Match, E | ExpectError> =>
      Effect.suspend(() => {
        arrival.unsafeClose()
        const result = find(pending, pattern)
        if (result !== undefined) {
          pending = pending.slice(result.end)
          return Effect.succeed(result.found)
        }
        if (outcome === undefined) return Effect.zipRight(arrival.await, next(pattern))
        return Effect.zipRight(outcome, Effect.fail(failure(pattern)))
      })

    const send = (text: string) =>
      Effect.zipRight(
        Effect.sync(() => said.add("client", text)),
        stream.write(encoder.encode(text))
      )

    return {
      send,
      sendLine: (line) => send(line + lineEnd),
      expect: (pattern, { timeout } = {}) => {
        const match = turn.withPermits(1)(next(withoutMemory(pattern)))
        return timeout === undefined
          ? match
          : interruptible.timeoutFail(match, { duration: timeout, onTimeout: () => failure(pattern, timeout) })
      },
      transcript: Effect.sync(said.entries)
    }
  })
