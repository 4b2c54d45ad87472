/**
 * The boot loader U-Boot on a serial console: `jumpstarter_driver_uboot` (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import * as interruptible from "../util/interruptible.ts"
import * as commands from "./commands.ts"
import * as Console from "./Console.ts"
import * as commandLine from "./console/commandLine.ts"
import type * as Power from "./Power.ts"
import type * as Serial from "./Serial.ts"

/**
 * The contract. The driver's children are `power` and `serial`, which implement `Power.contract` and `Serial.contract`.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Power, Serial, Uboot } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * const bootFromNetwork = Effect.gen(function*() {
 *   const board = yield* Device.connectAll({
 *     uboot: [Uboot.contract, "uboot"],
 *     power: [Power.contract, "uboot.power"],
 *     serial: [Serial.contract, "uboot.serial"]
 *   })
 *   const prompt = yield* Uboot.reboot(board)
 *   yield* prompt.dhcp()
 *   yield* prompt.setEnv("serverip", "10.0.0.1")
 *   yield* prompt.tftp("0x80200000", "zImage")
 *   yield* prompt.console.sendLine("bootz 0x80200000")
 *   yield* prompt.console.expect("Starting kernel", { timeout: "10 seconds" })
 * }).pipe(Effect.scoped)
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_uboot.client.UbootConsoleClient", {
  /** The prompt of the boot loader, such as =>, with the line break before it. */
  get_prompt: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "The prompt of the boot loader, such as =>, with the line break before it.",
    idempotent: true
  })
}, { driverType: "console" })

/**
 * The client of U-Boot.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * Why a command at the prompt failed.
 *
 * @since 0.1.0
 * @category errors
 */
export type PromptError = DriverCallError | Console.ExpectError | Console.InvalidCommand | Console.CommandFailed

/**
 * The addresses that U-Boot got by DHCP.
 *
 * @since 0.1.0
 * @category models
 */
export interface Dhcp {
  readonly address: string
  readonly gateway: string
  readonly netmask: string
  /** The number of bits of the netmask, such as 24. */
  readonly prefix: number
}

/**
 * @since 0.1.0
 * @category models
 */
export interface CommandOptions {
  /** The time that the command may take; one minute by default. */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * U-Boot, waiting for commands.
 *
 * @since 0.1.0
 * @category models
 */
export interface Prompt {
  /** The console, for commands that do not return to the prompt, such as `boot`. */
  readonly console: Console.Console<DriverCallError>
  /** Runs a command, and returns the lines that it prints. Fails with `CommandFailed` for an exit code other than 0. */
  readonly run: (command: string, options?: CommandOptions) => Effect.Effect<ReadonlyArray<string>, PromptError>
  /** Returns a variable of the environment; undefined if it is not set. */
  readonly getEnv: (name: string) => Effect.Effect<string | undefined, PromptError>
  /** Sets a variable of the environment, or removes it. U-Boot forgets it with the next reset, unless `saveenv` runs. */
  readonly setEnv: (name: string, value: string | undefined) => Effect.Effect<void, PromptError>
  /** Sets and removes several variables, in their order. */
  readonly setEnvs: (variables: Readonly<Record<string, string | undefined>>) => Effect.Effect<void, PromptError>
  /** Requests addresses by DHCP, up to three times, without loading a file. */
  readonly dhcp: (options?: CommandOptions) => Effect.Effect<Dhcp, PromptError>
  /** Loads a file of the server `serverip` to an address in memory, such as `0x80200000`; within two minutes by default. */
  readonly tftp: (address: string, file: string, options?: CommandOptions) => Effect.Effect<void, PromptError>
}

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")

// Each bit of the netmask that is 1.
const prefixOf = (netmask: string): number =>
  netmask.split(".").reduce((bits, part) => bits + Number(part).toString(2).replaceAll("0", "").length, 0)

const makePrompt = (console: Console.Console<DriverCallError>, prompt: RegExp): Prompt => {
  const run: Prompt["run"] = (command, { timeout } = {}) =>
    callers.on(callers.of(), () => commands.run(console, command, { prompt, timeout }))
  const getEnv: Prompt["getEnv"] = (name) => {
    const caller = callers.of()
    const command = `printenv ${name}`
    return Effect.flatMap(callers.on(caller, () => Console.run(console, command, { prompt })), (result) => {
      const text = result.lines.join("\n")
      if (text.startsWith(`${name}=`)) return Effect.succeed(text.slice(name.length + 1))
      return /^## Error: .*not defined/.test(text)
        ? Effect.succeed(undefined)
        : commands.failed(command, result, caller, "did not print the variable")
    })
  }
  // Without the quotes, U-Boot would take `;` and `$` in the value for its own.
  const setEnv: Prompt["setEnv"] = (name, value) =>
    Effect.asVoid(
      callers.on(callers.of(), () =>
        run(value === undefined ? `setenv ${name}` : `setenv ${name} ${commandLine.quote(value)}`))
    )
  return {
    console,
    run,
    getEnv,
    setEnv,
    setEnvs: (variables) => {
      const caller = callers.of()
      return Effect.forEach(
        Object.entries(variables),
        ([name, value]) => callers.on(caller, () => setEnv(name, value)),
        { discard: true }
      )
    },
    dhcp: (options) => {
      const caller = callers.of()
      const on = <A>(effect: () => A): A => callers.on(caller, effect)
      return Effect.gen(function*() {
        const autoload = yield* on(() => getEnv("autoload"))
        yield* on(() => setEnv("autoload", "no"))
        const lines = yield* on(() => run("dhcp", options)).pipe(
          Effect.retry({
            schedule: Schedule.spaced("2 seconds"),
            times: 2,
            while: ({ _tag }) => _tag === "CommandFailed"
          })
        )
        yield* on(() => setEnv("autoload", autoload))
        const address = yield* on(() => getEnv("ipaddr"))
        const gateway = yield* on(() => getEnv("gatewayip"))
        const netmask = (yield* on(() => getEnv("netmask"))) ?? "255.255.255.0"
        if (address === undefined || gateway === undefined) {
          const missing = address === undefined ? "ipaddr" : "gatewayip"
          return yield* commands.failed("dhcp", { lines, code: 0 }, caller, `did not set ${missing}`)
        }
        return { address, gateway, netmask, prefix: prefixOf(netmask) }
      })
    },
    tftp: (address, file, { timeout = "2 minutes" } = {}) =>
      Effect.asVoid(callers.on(callers.of(), () => run(`tftpboot ${address} ${file}`, { timeout })))
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export interface RebootOptions {
  /** How long to wait for the prompt; one minute by default. */
  readonly timeout?: Duration.DurationInput | undefined
  /** How long the board stays off; 2 seconds by default. */
  readonly wait?: Duration.DurationInput | undefined
  readonly console?: Console.ConsoleOptions | undefined
}

// Interrupts the countdown of U-Boot.
const escapeKey = "\u001b"

/**
 * Switches a board off and on, stops U-Boot's countdown, and waits for its prompt. The console is open until the scope closes.
 * Until the prompt appears, ten escape characters a second are sent.
 *
 * @since 0.1.0
 * @category constructors
 */
export const reboot = (
  board: {
    readonly uboot: Client
    readonly power: Pick<Power.Client, "on" | "off">
    readonly serial: Pick<Serial.Client, "connect">
  },
  { console: consoleOptions, timeout = "1 minute", wait = "2 seconds" }: RebootOptions = {}
): Effect.Effect<Prompt, DriverCallError | Console.ExpectError, Scope.Scope> => {
  const caller = callers.of()
  return Effect.gen(function*() {
    const text = yield* callers.on(caller, () => board.uboot.get_prompt())
    const prompt = new RegExp(`^${escaped(text.replace(/^[\r\n]+/, ""))}`, "m")
    yield* callers.on(caller, () => board.power.off())
    yield* Effect.delay(callers.on(caller, () => board.power.on()), wait)
    // The serial port of a virtual machine is there only while it runs.
    const console = yield* Console.make(yield* callers.on(caller, () => board.serial.connect()), consoleOptions)
    yield* interruptible.raceFirst(
      callers.on(caller, () => console.expect(prompt, { timeout })),
      Effect.repeat(console.send(escapeKey), Schedule.spaced("100 millis"))
    )
    // The escape characters that U-Boot has read since would be part of the first command. A comment does nothing, while an empty
    // line would repeat a command.
    yield* console.sendLine("#")
    yield* callers.on(caller, () => console.expect(prompt, { timeout }))
    return makePrompt(console, prompt)
  })
}
