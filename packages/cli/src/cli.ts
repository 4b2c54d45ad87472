// The command line: from its words to an exit code.
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { arrange } from "./commandLine.ts"
import { call } from "./commands/call.ts"
import { console } from "./commands/console.ts"
import { contract } from "./commands/contract.ts"
import { doctor } from "./commands/doctor.ts"
import { dump } from "./commands/dump.ts"
import { flash } from "./commands/flash.ts"
import { forward } from "./commands/forward.ts"
import { exporters, leases } from "./commands/lab.ts"
import { lease } from "./commands/lease.ts"
import { logs } from "./commands/logs.ts"
import { mcp } from "./commands/mcp.ts"
import { page } from "./commands/page.ts"
import { record, replay } from "./commands/record.ts"
import { status } from "./commands/status.ts"
import { tree } from "./commands/tree.ts"
import { watch } from "./commands/watch.ts"
import * as completions from "./completions.ts"
import * as failure from "./failure.ts"
import * as help from "./help.ts"
import * as output from "./output.ts"
import { Tty } from "./Tty.ts"
import { version } from "./version.ts"
import * as visible from "./visible.ts"

const name = "effect-jumpstarter"

const described = [
  tree,
  status,
  call,
  watch,
  console,
  logs,
  flash,
  dump,
  forward,
  exporters,
  leases,
  lease,
  record,
  replay,
  page,
  contract,
  mcp,
  doctor
] as const

const root = Command.make(name).pipe(
  Command.withSubcommands([
    tree.command,
    status.command,
    call.command,
    watch.command,
    console.command,
    logs.command,
    flash.command,
    dump.command,
    forward.command,
    exporters.command,
    leases.command,
    lease.command,
    record.command,
    replay.command,
    page.command,
    contract.command,
    mcp.command,
    doctor.command
  ])
)

// The parser's own overview has all options of all commands.
const overview = (): ReadonlyArray<string> => [
  `${name} ${version}: look at a Jumpstarter exporter, call its drivers, talk to its consoles, flash images, lease boards`,
  "",
  `Usage: ${name} COMMAND [OPTIONS] [ARGUMENTS]`,
  "",
  ...output.table(described.map(({ name, summary }) => [`  ${name}`, summary])),
  "",
  `The exporter is the one of --host ADDRESS, or of JUMPSTARTER_HOST, which \`jmp shell\` sets.`,
  `\`${name} COMMAND --help\` explains a command, with an example. \`${name} --completions bash\` (or zsh, fish) prints completions.`
]

// What the program logs, such as why a lease waits, is for people, and standard output belongs to the results.
const logger = Layer.unwrapEffect(Effect.map(Tty, ({ errors }) =>
  Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ logLevel, message }) => {
      const text = (Array.isArray(message) ? message : [message]).map(String).join(" ")
      errors.unsafeWrite(`${logLevel.label.toLowerCase()}: ${visible.line(text)}\n`)
    })
  )))

// Help and completions of the parser are results. Its errors are printed as ours are.
const withParserConsole = (path: string) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Tty> =>
  Effect.flatMap(Tty, ({ output }) =>
    Console.consoleWith((console) =>
      Console.withConsole(effect, {
        ...console,
        error: () => Effect.void,
        log: (...values) => {
          const text = values.map(String).join(" ").trimEnd()
          const shown = text.includes("USAGE")
            ? help.compact(path, text, output.isTerminal)
            : completions.repaired(name, text)
          return output.write(`${shown}\n`)
        }
      })
    ))

const parse = Command.run(root, { name, version, executable: name })

const wordsOf = (error: ValidationError.ValidationError): string =>
  help.plain(HelpDoc.toAnsiText(error.error)).replaceAll(/\s+/g, " ").trim()

// A path and a method with a dot in between, as messages write them.
const inTwoWords = (words: ReadonlyArray<string>): string => {
  const [, path, method] = /^(.+)\.([^.]+)$/.exec(words.at(-1) ?? "") ?? []
  return method === undefined ? "" : `; write the method as a word of its own: ${path} ${method}`
}

const isOverview = (words: ReadonlyArray<string>): boolean =>
  words.length === 0 || words.length === 1 && (words[0] === "--help" || words[0] === "-h")

const program = (words: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const arranged = yield* arrange(described, words)
    if (isOverview(arranged)) return yield* output.print(...overview())
    // A word that is no command is an argument, which follows the options.
    const end = arranged[0]?.startsWith("-") === true ? arranged.indexOf("--") : -1
    if (end !== -1) {
      return yield* failure.usage(`there is no command ${arranged[end + 1] ?? "--"}; \`${name} --help\` lists them`)
    }
    const path = arranged.slice(0, arranged.findIndex((word) => word.startsWith("-")))
    yield* parse(["node", name, ...arranged]).pipe(
      withParserConsole([name, ...path.slice(0, -1)].join(" ")),
      Effect.catchIf(ValidationError.isValidationError, (error) =>
        failure.usage(
          `${wordsOf(error)}${ValidationError.isMissingValue(error) ? inTwoWords(arranged) : ""}; ` +
            `see \`${[name, ...arranged.slice(0, 1)].join(" ")} --help\``
        ))
    )
  })

// Whether the results are JSON. A wrong command line may not have been understood, so its words decide.
const isJson = (words: ReadonlyArray<string>): boolean => {
  const end = words.indexOf("--")
  return (end === -1 ? words : words.slice(0, end)).includes("--json")
}

const report = (words: ReadonlyArray<string>, { code, kind, line, tag }: failure.Failure) =>
  line === undefined
    ? Effect.void
    : output.note(isJson(words) ? output.compact({ error: { code, kind, tag, message: line } }) : `${name}: ${line}`)

/** Runs a command line, prints why it failed, and returns its exit code. */
export const run = (words: ReadonlyArray<string>) =>
  program(words).pipe(
    Effect.provide(logger),
    Effect.provide(CliConfig.layer({ showBuiltIns: false, showTypes: false })),
    Effect.matchCauseEffect({
      onSuccess: () => Effect.succeed(0),
      onFailure: (cause) => {
        const failed = failure.of(cause)
        return Effect.as(report(words, failed), failed.code)
      }
    })
  )
