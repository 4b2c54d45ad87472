/**
 * A fake shell driver whose commands are functions.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Shell from "../drivers/Shell.ts"
import * as Driver from "../host/Driver.ts"
import * as DriverFailure from "../protocol/DriverFailure.ts"

/**
 * How a command was called.
 *
 * @since 0.1.0
 * @category models
 */
export interface Invocation {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

/**
 * What a command prints, and its exit code, which is 0 by default. A text alone is the standard output of a command that succeeds; a
 * stream is output as it comes, whose last piece has the code.
 *
 * @since 0.1.0
 * @category models
 */
export type Reply =
  | string
  | { readonly stdout?: string | undefined; readonly stderr?: string | undefined; readonly code?: number | undefined }
  | Stream.Stream<Shell.Output, DriverFailure.DriverFailure>

/**
 * The driver, with the calls that a test can observe.
 *
 * @since 0.1.0
 * @category testing
 */
export interface ShellTest {
  readonly driver: Driver.Driver
  /** The commands that were run, in order. */
  readonly invocations: Effect.Effect<ReadonlyArray<Invocation>>
}

// Python's `str.isidentifier`.
const identifier = /^[\p{XID_Start}_]\p{XID_Continue}*$/u

// What a driver in Python refuses, so that a client cannot take over the exporter.
const refused = /^(LD_.*|BASH_FUNC_.*|PATH|PYTHONPATH|BASH_ENV|KUBECONFIG|HOME)$/

const stream = (reply: Reply): Stream.Stream<Shell.Output, DriverFailure.DriverFailure> => {
  if (typeof reply === "string") return Stream.make([reply, "", null] as const, ["", "", 0] as const)
  if (!("stdout" in reply || "stderr" in reply || "code" in reply)) return reply as Stream.Stream<Shell.Output>
  return Stream.make([reply.stdout ?? "", reply.stderr ?? "", null] as const, ["", "", reply.code ?? 0] as const)
}

/**
 * Makes a shell driver with the given commands. Like the driver in Python, it refuses commands that it does not have,
 * environment variables such as `PATH`, and names that are no identifiers of Python.
 *
 * @since 0.1.0
 * @category testing
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Shell } from "@effect-jumpstarter/core/drivers"
 * import { ExporterTest, ShellTest } from "@effect-jumpstarter/core/testing"
 * import { Effect } from "effect"
 *
 * class Bench extends Device.Tag("acme/Bench", Shell.contract)<Bench>() {}
 *
 * const test = Effect.gen(function*() {
 *   const bench = yield* ShellTest.make({
 *     mountpoint: ({ args }) => ({ code: args.includes("/mnt/board") ? 0 : 1 })
 *   })
 *   yield* Effect.flatMap(Bench, (shell) => Shell.run(shell, "mountpoint", { args: ["/mnt/board"] })).pipe(
 *     Effect.provide(Bench.layer("shell")),
 *     Effect.provide(ExporterTest.layer({ shell: bench.driver }))
 *   )
 *   return yield* bench.invocations
 * })
 * ```
 */
export const make = (
  commands: Readonly<Record<string, (invocation: Invocation) => Reply>>
): Effect.Effect<ShellTest> =>
  Effect.sync(() => {
    const invocations: Array<Invocation> = []
    return {
      driver: Driver.fromInterface(Shell.contract, {
        get_methods: () => Effect.sync(() => Object.keys(commands)),
        call_method: (command, env, ...args) =>
          Stream.suspend(() => {
            const run = Object.hasOwn(commands, command) ? commands[command] : undefined
            const names = Object.keys(commands).join("', '")
            if (run === undefined) {
              return Stream.fail(
                DriverFailure.make(
                  "InvalidArgument",
                  `Method '${command}' not found in available methods: ['${names}']`
                )
              )
            }
            const variable = Object.keys(env).find((name) => !identifier.test(name) || refused.test(name))
            if (variable !== undefined) {
              const reason = identifier.test(variable)
                ? `Environment variable '${variable}' is blocked for security reasons`
                : `Invalid environment variable name: ${variable}`
              return Stream.fail(DriverFailure.make("InvalidArgument", reason))
            }
            const invocation = { command, args, env }
            invocations.push(invocation)
            return stream(run(invocation))
          })
      }),
      invocations: Effect.sync(() => [...invocations])
    }
  })
