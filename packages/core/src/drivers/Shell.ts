/**
 * Commands that an exporter offers to run (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import { ProcessOutput } from "./family/processOutput.ts"

export {
  /**
   * A piece of a command's output, `[stdout, stderr, code]`. The last piece has the exit code, which is 199 when the
   * driver stopped the command at its time limit.
   *
   * @since 0.1.0
   * @category schemas
   */
  ProcessOutput as Output
} from "./family/processOutput.ts"

/**
 * The contract.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Shell } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class Bench extends Device.Tag("acme/Bench", Shell.contract)<Bench>() {}
 *
 * const isMounted = Effect.gen(function*() {
 *   const { code } = yield* Shell.run(yield* Bench, "mountpoint", { args: ["-q", "/mnt/board"] })
 *   return code === 0
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_shell.client.ShellClient", {
  /** The names of the commands. */
  get_methods: DriverMethod.call({
    result: Schema.Array(Schema.String),
    effect: "read",
    documentation: "The names of the commands.",
    idempotent: true
  }),
  /** Runs a command with environment variables and arguments, and streams its output. */
  call_method: DriverMethod.streamingCall({
    args: DriverMethod.named((
      command = Schema.String,
      environment = Schema.Record({ key: Schema.String, value: Schema.String })
    ) => [command, environment]),
    rest: Schema.String,
    item: ProcessOutput,
    documentation: "Runs a command with environment variables and arguments, and streams its output."
  })
}, { driverType: "shell" })

/**
 * The client of a shell driver.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface RunOptions {
  /** The arguments of the command. */
  readonly args?: ReadonlyArray<string> | undefined
  /** Environment variables. Exporters refuse some, such as `PATH` and `LD_PRELOAD`. */
  readonly env?: Readonly<Record<string, string>> | undefined
}

/**
 * The output and exit code of a command. `code` is null when the driver's stream ended without an exit code.
 *
 * @since 0.1.0
 * @category models
 */
export interface CommandResult {
  readonly stdout: string
  readonly stderr: string
  readonly code: number | null
}

/**
 * Runs a command and collects its output. A nonzero exit code is a result, not a failure. An unknown command fails with
 * `InvalidArgument`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const run = (
  shell: Pick<Client, "call_method">,
  command: string,
  options: RunOptions = {}
): Effect.Effect<CommandResult, DriverCallError> =>
  Stream.runFold(
    callers.on(callers.of(), () => shell.call_method(command, options.env ?? {}, ...options.args ?? [])),
    { stdout: "", stderr: "", code: null },
    (result: CommandResult, [stdout, stderr, code]) => ({
      stdout: result.stdout + stdout,
      stderr: result.stderr + stderr,
      code: code ?? result.code
    })
  )
