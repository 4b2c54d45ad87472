/**
 * A fake board with U-Boot on its serial console, and a system that U-Boot starts.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Mailbox from "effect/Mailbox"
import type * as Scope from "effect/Scope"
import * as Serial from "../drivers/Serial.ts"
import * as Uboot from "../drivers/Uboot.ts"
import * as Driver from "../host/Driver.ts"
import * as interruptible from "../util/interruptible.ts"
import * as PowerTest from "./PowerTest.ts"
import * as ubootShell from "./uboot/ubootShell.ts"

/**
 * What a command prints, and its exit code; a text alone is the output of a command that succeeds.
 *
 * @since 0.1.0
 * @category models
 */
export type Reply = string | { readonly output: string; readonly code: number }

/**
 * What U-Boot is doing. In `system`, the system that it started has the console.
 *
 * @since 0.1.0
 * @category models
 */
export type State = "off" | "countdown" | "prompt" | "system"

/**
 * The driver, with the state that a test can observe and change.
 *
 * @since 0.1.0
 * @category testing
 */
export interface UbootTest {
  /** A driver of `Uboot.contract`, with the children `power` and `serial`. */
  readonly driver: Driver.Driver
  /** The children alone, for a tree that has them somewhere else as well. */
  readonly power: Driver.Driver
  readonly serial: Driver.Driver
  readonly state: Effect.Effect<State>
  /** The variables of the environment. */
  readonly environment: Effect.Effect<ReadonlyMap<string, string>>
  /** The commands that U-Boot and the system have run, in order. */
  readonly commands: Effect.Effect<ReadonlyArray<string>>
  /** The number of clients that hold the console open. */
  readonly connections: Effect.Effect<number>
}

/**
 * @since 0.1.0
 * @category testing
 */
export interface UbootTestOptions {
  /** The prompt; `=> ` by default. */
  readonly prompt?: string | undefined
  /** The first line after the board was switched on. */
  readonly banner?: string | undefined
  /** How long U-Boot waits for a key before it runs `bootcmd`; 2 seconds by default. */
  readonly countdown?: Duration.DurationInput | undefined
  /** The variables that the environment has at each start. */
  readonly environment?: Readonly<Record<string, string>> | undefined
  /** Commands besides `echo`, `printenv`, `setenv`, `dhcp`, `tftpboot`, `version`, `reset` and those that boot, by their first word. */
  readonly commands?: Readonly<Record<string, (line: string) => Reply>> | undefined
  /** The addresses that `dhcp` gets. Without them, it fails. */
  readonly dhcp?:
    | { readonly address: string; readonly gateway: string; readonly netmask?: string | undefined }
    | undefined
  /** The files that `tftpboot` finds, and their sizes in bytes. */
  readonly files?: Readonly<Record<string, number>> | undefined
  /** The system that the commands `boot`, `bootm`, `booti`, `bootz`, `bootefi` and `run bootcmd` start. */
  readonly system?: {
    /** What it prints up to its first prompt, such as `Starting kernel ...` and more lines. */
    readonly greeting: string
    readonly prompt: string
    /** The name and the password that it asks for before its first prompt. */
    readonly login?: { readonly name: string; readonly password: string } | undefined
    /** A command of its shell. `echo`, `stty echo`, `stty -echo` and the exit code of the last command are known already. */
    readonly run: (command: string) => Reply
  } | undefined
}

// What a system asks at its login.
const asked = { name: "login: ", password: "Password: " }

/**
 * Makes a board that is off. Its countdown follows Effect's clock, and any character on the console stops it. The board belongs to
 * the scope.
 *
 * @since 0.1.0
 * @category testing
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Power, Serial, Uboot } from "@effect-jumpstarter/core/drivers"
 * import { ExporterTest, UbootTest } from "@effect-jumpstarter/core/testing"
 * import { Effect } from "effect"
 *
 * const test = Effect.gen(function*() {
 *   const fake = yield* UbootTest.make({ environment: { bootdelay: "2" } })
 *   return yield* Effect.gen(function*() {
 *     const board = yield* Device.connectAll({
 *       uboot: [Uboot.contract, "uboot"],
 *       power: [Power.contract, "uboot.power"],
 *       serial: [Serial.contract, "uboot.serial"]
 *     })
 *     const prompt = yield* Uboot.reboot(board, { wait: 0 })
 *     return yield* prompt.getEnv("bootdelay") // "2"
 *   }).pipe(Effect.provide(ExporterTest.layer({ uboot: fake.driver })))
 * }).pipe(Effect.scoped)
 * ```
 */
export const make = (options: UbootTestOptions = {}): Effect.Effect<UbootTest, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { banner = "U-Boot 2026.01", countdown = "2 seconds", prompt = "=> ", system } = options
    const scope = yield* Effect.scope
    const connections = new Set<Mailbox.Mailbox<Uint8Array>>()
    const encoder = new TextEncoder()
    const commands: Array<string> = []
    const shell = ubootShell.make(options)
    let state: State = "off"
    let line = ""
    let returned = false
    let echoes = true
    let timer: Fiber.RuntimeFiber<void> | undefined
    // What was typed at the login so far; undefined afterwards.
    let given: Array<string> | undefined

    const say = (text: string) => {
      const bytes = encoder.encode(text)
      if (text !== "") { for (const connection of connections) connection.unsafeOffer(bytes) }
    }
    const start = () => {
      if (system === undefined) {
        state = "prompt"
        return say(`Bad Linux image\r\n${prompt}`)
      }
      state = "system"
      given = system.login === undefined ? undefined : []
      say(system.greeting + (given === undefined ? system.prompt : asked.name))
    }
    const wake = () => {
      shell.reset()
      echoes = true
      line = ""
      state = "countdown"
      say(`\r\n${banner}\r\n\r\nHit any key to stop autoboot:  ${Math.ceil(Duration.toSeconds(countdown))} `)
    }
    const stopTimer = Effect.suspend(() => {
      const running = timer
      timer = undefined
      return running === undefined ? Effect.void : Effect.asVoid(Fiber.interruptFork(running))
    })
    const beginCountdown = Effect.suspend(() => {
      wake()
      const expired = Effect.sync(() => {
        if (state !== "countdown") return
        say("\r\n")
        start()
      })
      return Effect.map(interruptible.forkIn(Effect.delay(expired, countdown), scope), (fiber) => {
        timer = fiber
      })
    })
    const logIn = (to: NonNullable<UbootTestOptions["system"]>, typed: Array<string>, text: string) =>
      Effect.sync(() => {
        typed.push(text)
        if (typed.length === 1) return say(asked.password)
        const isRight = typed[0] === to.login?.name && typed[1] === to.login?.password
        given = isRight ? undefined : []
        say(isRight ? to.prompt : `Login incorrect\r\n${asked.name}`)
      })
    // A line of U-Boot's prompt, or of the system's.
    const obey = (text: string): Effect.Effect<void> => {
      if (state === "system" && system !== undefined && given !== undefined) return logIn(system, given, text)
      if (text.trim() !== "" && text.trim() !== "#") commands.push(text.trim())
      if (state === "system" && system !== undefined) {
        const { action, output } = shell.run(text, (command) => {
          const [, off] = /^stty (-?)echo$/.exec(command) ?? []
          if (off === undefined) return system.run(command)
          echoes = off === ""
          return ""
        })
        if (action === "reset" || /^reboot\b/.test(text.trim())) return beginCountdown
        return Effect.sync(() => say(output + system.prompt))
      }
      const { action, output } = shell.run(text)
      if (action === "reset") return beginCountdown
      return Effect.sync(() => {
        if (action === "boot") {
          say(output)
          return start()
        }
        say(output + prompt)
      })
    }
    const hear = (text: string) =>
      Effect.forEach(text, (character) =>
        Effect.suspend(() => {
          const ends = character === "\r" || character === "\n" && !returned
          returned = character === "\r"
          if (state === "off") return Effect.void
          if (state === "countdown") {
            state = "prompt"
            say(`\b\b\b 0 \r\n${prompt}`)
            return stopTimer
          }
          if (ends) {
            if (echoes) say("\r\n")
            const complete = line
            line = ""
            return obey(complete)
          }
          if (character === "\n") return Effect.void
          line += character
          // Neither the escape character that begins a sequence nor a password has an echo.
          if (echoes && character !== "\u001b" && given?.length !== 1) say(character)
          return Effect.void
        }), { discard: true })

    const connect = Effect.gen(function*() {
      const connection = yield* Effect.acquireRelease(
        Effect.tap(Mailbox.make<Uint8Array>(), (connection) => Effect.sync(() => connections.add(connection))),
        (connection) => Effect.sync(() => connections.delete(connection))
      )
      const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
      return {
        read: Mailbox.toStream(connection),
        write: (bytes: Uint8Array) => Effect.suspend(() => hear(decoder.decode(bytes, { stream: true }))),
        end: Effect.asVoid(connection.end)
      }
    })

    const supply = yield* PowerTest.make({
      onSwitch: (on) =>
        on ? beginCountdown : Effect.zipRight(
          stopTimer,
          Effect.sync(() => {
            state = "off"
          })
        )
    })
    const serial = Driver.fromInterface(Serial.contract, { connect })
    return {
      driver: Driver.fromInterface(Uboot.contract, { get_prompt: () => Effect.succeed(`\n${prompt.trimEnd()}`) }, {
        children: { power: supply.driver, serial }
      }),
      power: supply.driver,
      serial,
      state: Effect.sync(() => state),
      environment: Effect.sync(() => new Map(shell.environment)),
      commands: Effect.sync(() => [...commands]),
      connections: Effect.sync(() => connections.size)
    }
  })
