/**
 * A fake serial console that replies to lines by a script.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Mailbox from "effect/Mailbox"
import type { Entry } from "../drivers/Console.ts"
import * as transcript from "../drivers/console/transcript.ts"
import * as Serial from "../drivers/Serial.ts"
import * as Driver from "../host/Driver.ts"

/**
 * A line that the device knows, and its reply. A string must equal the whole line; an expression may match a part.
 *
 * @since 0.1.0
 * @category models
 */
export interface Step {
  readonly expect: string | RegExp
  /** Sent unchanged, before the prompt. */
  readonly reply: string | ((line: string) => string)
  /** Whether the step applies once, so that a later step for the same line applies next. */
  readonly once?: boolean | undefined
}

/**
 * The driver, with the state that a test can observe and change.
 *
 * @since 0.1.0
 * @category testing
 */
export interface SerialTest {
  readonly driver: Driver.Driver
  /** The text that both sides have sent, in order. */
  readonly transcript: Effect.Effect<ReadonlyArray<Entry>>
  /** The lines without a step, in order. */
  readonly unexpected: Effect.Effect<ReadonlyArray<string>>
  /** The `once` steps that have not been used. */
  readonly remaining: Effect.Effect<ReadonlyArray<Step>>
  /** The state of the control lines; false until they are set. */
  readonly lines: Effect.Effect<{ readonly dtr: boolean; readonly rts: boolean }>
  /** The number of clients that hold the port open. */
  readonly connections: Effect.Effect<number>
  /** Sends text from the device, without a request, to every connected client. */
  readonly say: (text: string) => Effect.Effect<void>
  /** Boots the device: it drops an incomplete line, and sends its banner and its prompt. */
  readonly boot: Effect.Effect<void>
  /** Ends every open connection from the device's side. */
  readonly hangUp: Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category testing
 */
export interface SerialTestOptions {
  readonly script?: ReadonlyArray<Step> | undefined
  /** The text that the device sends when it boots, and when a client connects. */
  readonly banner?: string | undefined
  /** The text that the device sends when it is ready for a line: after the banner and after each reply. */
  readonly prompt?: string | undefined
  /** The reply to a line without a step, sent before the prompt; empty by default. */
  readonly otherwise?: ((line: string) => string) | undefined
  /** Whether the device echoes its input, as most consoles do; false by default. */
  readonly echo?: boolean | undefined
}

const listOf = (steps: ReadonlyArray<Step>): string =>
  steps.length === 0
    ? "the script has no steps left"
    : `the steps left are ${
      steps.map(({ expect }) => typeof expect === "string" ? JSON.stringify(expect) : String(expect)).join(", ")
    }`

const matches = ({ expect }: Step, line: string): boolean =>
  typeof expect === "string" ? expect === line : line.search(expect) >= 0

// A test keeps the whole transcript.
const limit = Number.MAX_SAFE_INTEGER

/**
 * Makes a serial console that replies by a script. A line ends with a carriage return, a line feed, or both. To an
 * empty line without a step, the device only repeats its prompt.
 *
 * A line without a step, where there is no `otherwise`, leaves a warning with the steps left in the exporter's log: a test
 * that waits for a reply would otherwise only hang. `logStream` of the connection writes it into the test's logger, and
 * `unexpected` has the line.
 *
 * @since 0.1.0
 * @category testing
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Serial } from "@effect-jumpstarter/core/drivers"
 * import { ExporterTest, SerialTest } from "@effect-jumpstarter/core/testing"
 * import { Effect } from "effect"
 *
 * class BoardConsole extends Device.Tag("acme/BoardConsole", Serial.contract)<BoardConsole>() {}
 *
 * const test = Effect.gen(function*() {
 *   const board = yield* SerialTest.make({
 *     banner: "U-Boot 2026.01\r\n",
 *     prompt: "=> ",
 *     script: [{ expect: /^printenv (\w+)$/, reply: (line) => `${line.slice(9)}=ttyS0\r\n` }]
 *   })
 *   yield* Effect.gen(function*() {
 *     const console = yield* Serial.console(yield* BoardConsole)
 *     yield* console.expect("=> ")
 *     yield* console.sendLine("printenv console")
 *     return yield* console.expect(/console=(.*)\r\n/) // groups: ["ttyS0"]
 *   }).pipe(
 *     Effect.scoped,
 *     Effect.provide(BoardConsole.layer("serial")),
 *     Effect.provide(ExporterTest.layer({ serial: board.driver }))
 *   )
 *   return yield* board.unexpected // []
 * })
 * ```
 */
export const make = (options: SerialTestOptions = {}): Effect.Effect<SerialTest> =>
  Effect.sync(() => {
    const said = transcript.make(limit)
    const steps = [...options.script ?? []]
    const unexpected: Array<string> = []
    const lines = { dtr: false, rts: false }
    const connections = new Set<Mailbox.Mailbox<Uint8Array>>()
    const encoder = new TextEncoder()
    const greeting = (options.banner ?? "") + (options.prompt ?? "")
    // The line in progress, and whether a line feed would belong to the carriage return before it.
    let line = ""
    let returned = false

    const sayTo = (listeners: Iterable<Mailbox.Mailbox<Uint8Array>>, text: string) => {
      if (text === "") return
      said.add("device", text)
      for (const listener of listeners) listener.unsafeOffer(encoder.encode(text))
    }
    const answer = (received: string, warnings: Array<string>): string => {
      const step = steps.find((step) => matches(step, received))
      if (step === undefined) {
        if (received === "") return ""
        unexpected.push(received)
        if (options.otherwise !== undefined) return options.otherwise(received)
        warnings.push(`SerialTest has no step for the line ${JSON.stringify(received)}; ${listOf(steps)}`)
        return ""
      }
      if (step.once === true) steps.splice(steps.indexOf(step), 1)
      return typeof step.reply === "string" ? step.reply : step.reply(received)
    }
    const hear = (text: string): ReadonlyArray<string> => {
      const warnings: Array<string> = []
      said.add("client", text)
      for (const character of text) {
        const ends = character === "\r" || character === "\n" && !returned
        if (options.echo === true) sayTo(connections, character)
        if (ends) {
          const received = line
          line = ""
          sayTo(connections, answer(received, warnings) + (options.prompt ?? ""))
        } else if (character !== "\n") line += character
        returned = character === "\r"
      }
      return warnings
    }
    const hangUp = Effect.suspend(() => Effect.forEach(connections, (connection) => connection.end, { discard: true }))

    const connect = Effect.gen(function*() {
      const connection = yield* Effect.acquireRelease(
        Effect.tap(Mailbox.make<Uint8Array>(), (connection) => Effect.sync(() => connections.add(connection))),
        (connection) => Effect.sync(() => connections.delete(connection))
      )
      const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
      sayTo([connection], greeting)
      return {
        read: Mailbox.toStream(connection),
        write: (bytes: Uint8Array) =>
          Effect.suspend(() =>
            Effect.forEach(hear(decoder.decode(bytes, { stream: true })), (warning) => Effect.logWarning(warning), {
              discard: true
            })
          ),
        end: Effect.void
      }
    })

    return {
      driver: Driver.fromInterface(Serial.contract, {
        connect,
        close: () => hangUp,
        set_dtr: (on) =>
          Effect.sync(() => {
            lines.dtr = on
          }),
        set_rts: (on) =>
          Effect.sync(() => {
            lines.rts = on
          })
      }),
      transcript: Effect.sync(said.entries),
      unexpected: Effect.sync(() => [...unexpected]),
      remaining: Effect.sync(() => steps.filter(({ once }) => once === true)),
      lines: Effect.sync(() => ({ ...lines })),
      connections: Effect.sync(() => connections.size),
      say: (text) => Effect.sync(() => sayTo(connections, text)),
      boot: Effect.sync(() => {
        line = ""
        sayTo(connections, greeting)
      }),
      hangUp
    }
  })
