/** The demo for an unknown exporter: it reads, and writes only to the drivers that the command line names. */
import { DriverTree, ExporterConnection } from "@effect-jumpstarter/core"
import type { DriverClient } from "@effect-jumpstarter/core/DriverClient"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Demonstration from "./Demonstration.ts"
import * as DriverList from "./DriverList.ts"
import * as Failure from "./Failure.ts"
import { Screen, section } from "./Screen.ts"

/** The drivers that the demo may write to: none, all, or those at these paths and below. */
export type Writing = "nothing" | "everything" | ReadonlyArray<string>

class UnknownArgument extends Data.TaggedError("UnknownArgument")<{ readonly argument: string }> {
  override get message(): string {
    return `unknown argument ${this.argument}; use --write or --write=PATH[,PATH]`
  }
}

/** Parses the command line. */
export const parseArguments = (args: ReadonlyArray<string>): Effect.Effect<Writing, UnknownArgument> =>
  Effect.reduce(args, "nothing" as Writing, (_, argument) =>
    argument === "--write"
      ? Effect.succeed("everything" as const)
      : argument.startsWith("--write=")
      ? Effect.succeed(argument.slice("--write=".length).split(","))
      : new UnknownArgument({ argument }))

const mayWrite = (writing: Writing, path: string): boolean =>
  writing === "everything" ||
  writing !== "nothing" && writing.some((allowed) => path === allowed || path.startsWith(`${allowed}.`))

const demonstrate = Effect.fnUntraced(function*(driver: DriverClient, writing: Writing) {
  const { paint, print } = yield* Screen
  const path = DriverTree.formatPath(driver.path)
  const demonstration = Demonstration.of(driver, mayWrite(writing, path))
  if (demonstration === undefined) return
  yield* print(`\n  ${paint("bold", path)} ${paint("note", DriverList.interfaceName(driver))}`)
  yield* demonstration.pipe(
    Effect.scoped,
    Effect.timeout("10 seconds"),
    Effect.catchTag("TimeoutException", () => print(`  ${paint("bad", "✗")} not done within 10 s, cancelled`)),
    Effect.catchTag("ParseError", "SizeMismatch", (error) => print(`  ${paint("bad", "✗")} ${error.message}`)),
    Effect.catchAll(Failure.show)
  )
  // The log arrives separately: wait so that the driver's log lines appear below its output.
  yield* Effect.sleep("50 millis")
})

/** Shows an exporter, and tries each driver with a known interface. */
export const run = (writing: Writing) =>
  Effect.gen(function*() {
    const { paint, print } = yield* Screen
    const connection = yield* ExporterConnection.ExporterConnection
    yield* section("The exporter of JUMPSTARTER_HOST")
    yield* DriverList.show(connection)
    // Fails for an unknown path, and lists the existing paths.
    if (typeof writing !== "string") yield* Effect.forEach(writing, (path) => connection.driver(path))

    yield* section("What its drivers do")
    yield* print(
      writing === "nothing"
        ? "  Only reading. `npm run demo -- --write` also switches power and overwrites\n  storage; " +
          "--write=PATH[,PATH] does so for some drivers only."
        : writing === "everything"
        ? `  ${paint("note", "Writing")} to everything: switches power, overwrites storage.`
        : `  ${paint("note", "Writing")} to ${writing.join(", ")}, and only reading the other drivers.`
    )
    yield* connection.logStream()
    const seen = new Set<string>()
    let shown = 0
    for (const driver of DriverTree.nodes(connection.root)) {
      // A proxied driver has several paths.
      if (seen.has(driver.uuid)) continue
      seen.add(driver.uuid)
      if (Demonstration.of(driver, false) !== undefined) shown++
      yield* demonstrate(driver, writing)
    }
    yield* print(
      `\n${paint("good", "✓ Done")}: ${seen.size} drivers, ${shown} of them with an interface this demo knows.`
    )
  }).pipe(Effect.scoped)
