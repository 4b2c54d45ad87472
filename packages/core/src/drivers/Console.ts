/**
 * Consoles over byte streams: send text and wait for text, as with pexpect.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ByteStream } from "../protocol/ByteStream.ts"
import * as callers from "../protocol/callerFrame.ts"
import * as interruptible from "../util/interruptible.ts"
import * as commandLine from "./console/commandLine.ts"
import { EscapeFilter } from "./console/escapeFilter.ts"
import { type Found, PatternSearch } from "./console/patternSearch.ts"
import * as transcript from "./console/transcript.ts"
import { UnreadText } from "./console/unreadText.ts"

/**
 * No text matched the pattern within the timeout, or before the device ended the stream. `pending` is the end of the
 * unread text as patterns see it, `console` is the name of the console, and `hint` is a likely explanation.
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
    const console = this.console === undefined
      ? "the console"
      : `the console ${this.console === "" ? "(root)" : JSON.stringify(this.console)}`
    const reason = this.timeout === undefined
      ? `before the device closed ${console}`
      : `within ${Duration.format(this.timeout)} on ${console}`
    const hint = this.hint === undefined ? "" : ` (${this.hint})`
    return `no match for ${this.pattern} ${reason}; unread text: ${JSON.stringify(this.pending)}${hint}`
  }
}

/**
 * A match of a pattern. `before` is the text between the previous match and this one, `groups` are the captures of a
 * regular expression, and `index` is the position of the matching pattern among several. All texts are as patterns see
 * them (see `ConsoleOptions.escapes`); `transcript` has the original text.
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
 * Literal text or a regular expression.
 *
 * @since 0.1.0
 * @category models
 */
export type Pattern = string | RegExp

type Patterns = Pattern | readonly [Pattern, ...ReadonlyArray<Pattern>]

/**
 * A piece of text that one side of a console sent.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  readonly from: "client" | "device"
  readonly text: string
}

/**
 * A console: sends text to a device and waits for text from the device.
 *
 * @since 0.1.0
 * @category models
 */
export interface Console<E> {
  /**
   * Sends text unchanged. The transcript has `<redacted>` in place of a redacted text. A device that is not asking for a password
   * echoes what is typed, so turn its echo off before.
   */
  readonly send: (text: string | Redacted.Redacted) => Effect.Effect<void, E>
  /** Sends text, followed by the console's line end. */
  readonly sendLine: (line: string | Redacted.Redacted) => Effect.Effect<void, E>
  /**
   * Waits until the device's text matches the pattern. The text after the match stays for the next `expect`. Of several
   * patterns, the one that matches first in the text wins. Without a timeout, `expect` waits as long as the device
   * keeps the stream open.
   *
   * The timeout passes by Effect's clock. In a test with a `TestClock`, such as `it.effect`, it ends only when the test
   * adjusts the clock, so text that never comes hangs the test; `it.live` has the real clock.
   *
   * A regular expression is tried whenever text arrives. An expression such as `/\d+/` can match before all digits have
   * arrived, so include what comes next: `/(\d+)\r?\n/`. A match longer than 4,096 characters may be found only after
   * the device has paused for 100 ms. A pattern that does not match leaves the text unread.
   */
  readonly expect: (
    pattern: Pattern | readonly [Pattern, ...ReadonlyArray<Pattern>],
    options?: { readonly timeout?: Duration.DurationInput | undefined }
  ) => Effect.Effect<Match, E | ExpectError>
  /** The text that both sides have sent so far, in order, with escape sequences and the byte order mark. */
  readonly transcript: Effect.Effect<ReadonlyArray<Entry>>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ConsoleOptions {
  /** The end of each line that `sendLine` sends; a line feed by default. Some boot loaders expect a carriage return. */
  readonly lineEnd?: string | undefined
  /**
   * The number of characters to keep in the transcript, and of the unread text. Older characters are dropped. 1,000,000
   * by default.
   */
  readonly limit?: number | undefined
  /**
   * Whether patterns see the escape sequences with which a device controls a terminal: colors, cursor moves, modes such
   * as bracketed paste, titles. By default they are `hidden`, because shells send them where users do not see them: a
   * modern Bash starts the line of its prompt with `\x1b[?2004h`, so that `/^root@board:~# /m` would not match. A byte
   * order mark at the start of the stream is hidden as well. Choose `visible` to wait for an escape sequence, such as a
   * query for the cursor's position.
   */
  readonly escapes?: "hidden" | "visible" | undefined
  /** The name of the console in errors; by default the path of the driver whose client opened the stream. */
  readonly name?: string | undefined
  /**
   * Called with each piece of text from the device, unchanged, for example to print it. The next piece waits until the
   * effect ends.
   */
  readonly onText?: ((text: string) => Effect.Effect<void>) | undefined
}

const isOne = (pattern: Patterns): pattern is Pattern => typeof pattern === "string" || pattern instanceof RegExp

const name = (pattern: Patterns): string =>
  isOne(pattern)
    ? typeof pattern === "string" ? JSON.stringify(pattern) : String(pattern)
    : pattern.map(name).join(" or ")

// The part of the unread text that fits into a log line.
const shown = 400

// After a silence of this length, the device's output counts as complete.
const pause = "100 millis"

// The ways to write the escape character in a pattern, after JSON has quoted the pattern.
const escapeCharacter = /\\(x1b|u001b|u\{0*1b\}|c\[)/i

/**
 * Makes a console from a byte stream. The console reads at once, and stops when the scope closes.
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
    // At the end, an incomplete character becomes U+FFFD.
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
          // When the program closes the console, the device has not cut a character off.
          if (!Exit.isInterrupted(exit)) cutOff = hearEnd()
          arrival.unsafeOpen()
        })
      ),
      Effect.exit,
      Effect.zipRight(Effect.suspend(() => show(cutOff))),
      interruptible.forkScoped
    )

    const failure = (pattern: Patterns, caller: callers.Caller | undefined, timeout?: Duration.DurationInput) => {
      const shownPattern = name(pattern)
      const error = new ExpectError({
        reason: timeout === undefined ? "Closed" : "Timeout",
        pattern: shownPattern,
        pending: unread.slice(Math.max(unread.start, unread.end - shown), unread.end),
        timeout: timeout === undefined ? undefined : Duration.decode(timeout),
        console: options.name ?? stream.name,
        hint: escapes !== undefined && escapeCharacter.test(JSON.stringify(shownPattern))
          ? "the pattern has an escape character; patterns see escape sequences only with the option `escapes: \"visible\"`"
          : undefined
      })
      return callers.blame(error, { caller })
    }

    const take = ({ end, groups, index, match, start }: Found): Match => {
      const before = unread.slice(unread.start, start)
      unread.drop(end)
      return { before, match, groups, index }
    }

    const expect = (pattern: Patterns, caller: callers.Caller | undefined): Effect.Effect<Match, E | ExpectError> =>
      turn.withPermits(1)(Effect.suspend(() => {
        const search = new PatternSearch(isOne(pattern) ? [pattern] : pattern, unread)
        const heard = Effect.as(arrival.await, false)
        const paused = Effect.delay(Effect.succeed(true), pause)
        // The latch is closed and the text searched in one step, so that no text arrives unseen in between.
        const next = (isThorough: boolean): Effect.Effect<Match, E | ExpectError> =>
          Effect.suspend(() => {
            arrival.unsafeClose()
            const isLast = isThorough || outcome !== undefined
            const found = search.next() ?? (isLast && !search.isComplete ? search.whole() : undefined)
            if (found !== undefined) return Effect.succeed(take(found))
            if (outcome !== undefined) return Effect.zipRight(outcome, Effect.fail(failure(pattern, caller)))
            return Effect.flatMap(search.isComplete ? heard : interruptible.raceFirst(heard, paused), next)
          })
        return next(false)
      }))

    const type = (text: commandLine.Typed, end: string) =>
      Effect.zipRight(
        Effect.sync(() => said.add("client", commandLine.shown(text) + end)),
        stream.write(encoder.encode(commandLine.plain(text) + end))
      )

    return {
      send: (text) => type(text, ""),
      sendLine: (line) => type(line, lineEnd),
      expect: (pattern, { timeout } = {}) => {
        const caller = callers.of()
        return timeout === undefined
          ? expect(pattern, caller)
          : interruptible.timeoutFail(expect(pattern, caller), {
            duration: timeout,
            onTimeout: () => failure(pattern, caller, timeout)
          })
      },
      transcript: Effect.sync(said.entries)
    }
  })

/**
 * A command cannot be sent as one line to a prompt.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidCommand extends Schema.TaggedError<InvalidCommand>(
  "@effect-jumpstarter/core/drivers/Console/InvalidCommand"
)("InvalidCommand", { command: Schema.String, reason: Schema.String }) {
  override get message(): string {
    return `cannot send the command ${JSON.stringify(this.command)}: ${this.reason}`
  }
}

/**
 * A command at a prompt failed: its exit code was not 0, or it did not print what was expected of it. `run` returns any exit
 * code; the boot loaders and flashers that build on it fail with this.
 *
 * @since 0.1.0
 * @category errors
 */
export class CommandFailed extends Schema.TaggedError<CommandFailed>(
  "@effect-jumpstarter/core/drivers/Console/CommandFailed"
)("CommandFailed", {
  command: Schema.String,
  code: Schema.Number,
  /** The lines that the command printed. */
  output: Schema.Array(Schema.String),
  reason: Schema.String
}) {
  override get message(): string {
    const output = this.output.length === 0
      ? "it printed nothing"
      : `it printed ${JSON.stringify(this.output.join("\n").slice(-shown))}`
    return `the command ${JSON.stringify(this.command)} on the device ${this.reason}; ${output}`
  }
}

/**
 * What a command printed, line by line, and its exit code.
 *
 * @since 0.1.0
 * @category models
 */
export interface CommandResult {
  readonly lines: ReadonlyArray<string>
  readonly code: number
}

/**
 * @since 0.1.0
 * @category models
 */
export interface RunOptions {
  /** The prompt of the shell or boot loader, which `run` waits for after the command. */
  readonly prompt: Pattern
  /** The time that the command may take; one minute by default. */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * Runs a command at the prompt of a shell or of a boot loader, and returns its output and its exit code. A code other than 0
 * is a result, not a failure.
 *
 * The command is sent as one line, followed by an `echo` of its exit code, so it must be something that `; echo` can follow: no
 * `&` at its end, and no comment. Text that was unread before is dropped when the device echoes the line, and comes first otherwise. An
 * echo of the line is not part of the output. Errors show `<redacted>` in place of a redacted command.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Console, Serial } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class BoardConsole extends Device.Tag("acme/BoardConsole", Serial.contract)<BoardConsole>() {}
 *
 * const isMounted = Effect.gen(function*() {
 *   const console = yield* Serial.console(yield* BoardConsole)
 *   yield* console.sendLine("")
 *   yield* console.expect("# ")
 *   const { code } = yield* Console.run(console, "mountpoint -q /data", { prompt: "# " })
 *   return code === 0
 * }).pipe(Effect.scoped)
 * ```
 */
export const run = <E>(
  console: Console<E>,
  command: string | Redacted.Redacted,
  options: RunOptions
): Effect.Effect<CommandResult, E | ExpectError | InvalidCommand> => {
  const caller = callers.of()
  return Effect.gen(function*() {
    const text = commandLine.plain(command)
    const problem = commandLine.problem(text)
    if (problem !== undefined) {
      const error = new InvalidCommand({ command: commandLine.shown(command), reason: problem })
      return yield* callers.blame(error, { caller })
    }
    const { line, pattern, result } = commandLine.make(text, yield* Random.nextIntBetween(100_000, 1_000_000))
    const { prompt, timeout = "1 minute" } = options
    yield* console.sendLine(typeof command === "string" ? line : Redacted.make(line))
    const { before, groups } = yield* callers.on(caller, () => console.expect(pattern, { timeout }))
    yield* callers.on(caller, () => console.expect(prompt, { timeout }))
    return result(before, groups)
  })
}
