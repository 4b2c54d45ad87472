/** What the demo does with an exporter it does not know: it looks, and touches only what it was told to. */
import { DriverTree, ExporterConnection } from "@effect-jumpstarter/core"
import type { DriverClient } from "@effect-jumpstarter/core/DriverClient"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Demonstration from "./Demonstration.ts"
import * as DriverList from "./DriverList.ts"
import * as Failure from "./Failure.ts"
import { Screen, section } from "./Screen.ts"

/** Which drivers may be written to: those at these paths and below, or all. */
export type Writing = "nothing" | "everything" | ReadonlyArray<string>

class UnknownArgument extends Data.TaggedError("UnknownArgument")<{ readonly argument: string }> {
  override get message(): string {
    return `${this.argument} (there are --write and --write=PATH[,PATH])`
  }
}

/** Reads the command line. */
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
  // The log comes on its own way: what this driver caused is shown below it.
  yield* Effect.sleep("50 millis")
})

/** Shows an exporter and tries each driver it knows the interface of. */
export const run = (writing: Writing) =>
  Effect.gen(function*() {
    const { paint, print } = yield* Screen
    const connection = yield* ExporterConnection.ExporterConnection
    yield* section("The exporter of JUMPSTARTER_HOST")
    yield* DriverList.show(connection)
    // Fails with the paths there are.
    if (typeof writing !== "string") yield* Effect.forEach(writing, (path) => connection.driver(path))

    yield* section("What its drivers do")
    yield* print(
      writing === "nothing"
        ? "  Only reading. With `npm run demo -- --write` power is switched and storage is\n  overwritten; " +
          "--write=PATH[,PATH] allows that for some drivers only."
        : `  ${paint("note", "Writing")} to ${writing === "everything" ? "everything" : writing.join(", ")}: ` +
          "power is switched, storage is overwritten."
    )
    yield* connection.logStream()
    const seen = new Set<string>()
    let shown = 0
    for (const driver of DriverTree.nodes(connection.root)) {
      // A proxied driver is at several places.
      if (seen.has(driver.uuid)) continue
      seen.add(driver.uuid)
      if (Demonstration.of(driver, false) !== undefined) shown++
      yield* demonstrate(driver, writing)
    }
    yield* print(
      `\n${paint("good", "✓ Done")}: ${seen.size} drivers, ${shown} of them with an interface this demo knows.`
    )
  }).pipe(Effect.scoped)
