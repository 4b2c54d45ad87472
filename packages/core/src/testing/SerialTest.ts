/**
 * A serial console to test with: a script says what it answers to which line.
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
 * A line the device knows, and what it says to it. A string has to be the whole line; an expression may match a part.
 *
 * @since 0.1.0
 * @category models
 */
export interface Step {
  readonly expect: string | RegExp
  /** Sent as it is, before the prompt. */
  readonly reply: string | ((line: string) => string)
  /** Whether the step is used up when it has been taken, so that a later one for the same line comes next. */
  readonly once?: boolean | undefined
}

/**
 * The driver, and what a test sees and steers of it.
 *
 * @since 0.1.0
 * @category testing
 */
export interface SerialTest {
  readonly driver: Driver.Driver
  /** What both sides have said, in order. */
  readonly transcript: Effect.Effect<ReadonlyArray<Entry>>
  /** The lines for which there was no step, in order. */
  readonly unexpected: Effect.Effect<ReadonlyArray<string>>
  /** The steps for `once` that have not been taken. */
  readonly remaining: Effect.Effect<ReadonlyArray<Step>>
  /** The state of the control lines; false until they are set. */
  readonly lines: Effect.Effect<{ readonly dtr: boolean; readonly rts: boolean }>
  /** How many clients hold the port open. */
  readonly connections: Effect.Effect<number>
  /** Lets the device say something of its own accord, to everybody who is connected. */
  readonly say: (text: string) => Effect.Effect<void>
  /** Lets the device boot: it forgets the line it was being sent, and says its banner and its prompt. */
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
  /** What the device says when it boots, and when a client connects. */
  readonly banner?: string | undefined
  /** What the device says when it is ready for a line: after the banner and after each reply. */
  readonly prompt?: string | undefined
  /** What it says to a line there is no step for, before the prompt; nothing unless given. */
  readonly otherwise?: ((line: string) => string) | undefined
  /** Whether it sends back what it is sent, as most consoles do; false unless given. */
  readonly echo?: boolean | undefined
}

const matches = ({ expect }: Step, line: string): boolean =>
  typeof expect === "string" ? expect === line : line.search(expect) >= 0

// A test keeps its whole conversation.
const limit = Number.MAX_SAFE_INTEGER

/**
 * A serial console that answers by a script. A line ends with a carriage return, a line feed, or both; an empty one only
 * makes the device repeat its prompt unless the script has a step for it.
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
    // The line that is being received; whether a line feed would belong to the carriage return before it.
    let line = ""
    let returned = false

    const sayTo = (listeners: Iterable<Mailbox.Mailbox<Uint8Array>>, text: string) => {
      if (text === "") return
      said.add("device", text)
      for (const listener of listeners) listener.unsafeOffer(encoder.encode(text))
    }
    const answer = (received: string): string => {
      const step = steps.find((step) => matches(step, received))
      if (step === undefined) {
        if (received === "") return ""
        unexpected.push(received)
        return options.otherwise?.(received) ?? ""
      }
      if (step.once === true) steps.splice(steps.indexOf(step), 1)
      return typeof step.reply === "string" ? step.reply : step.reply(received)
    }
    const hear = (text: string) => {
      said.add("client", text)
      for (const character of text) {
        const ends = character === "\r" || character === "\n" && !returned
        if (options.echo === true) sayTo(connections, character)
        if (ends) {
          const received = line
          line = ""
          sayTo(connections, answer(received) + (options.prompt ?? ""))
        } else if (character !== "\n") line += character
        returned = character === "\r"
      }
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
        write: (bytes: Uint8Array) => Effect.sync(() => hear(decoder.decode(bytes, { stream: true }))),
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
