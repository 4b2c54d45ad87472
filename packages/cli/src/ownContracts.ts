// Contracts that the user has written, from the modules that --contracts names.
import type * as DriverInterface from "@effect-jumpstarter/core/DriverInterface"
import * as DriverMethod from "@effect-jumpstarter/core/DriverMethod"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { existsSync } from "node:fs"
import { basename, extname, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import type { Entry, Method } from "./catalogue.ts"
import * as contracts from "./contracts.ts"
import { CommandError } from "./failure.ts"

const unusable = (file: string, reason: string) =>
  new CommandError({ kind: "local", message: `cannot use the contracts of ${file}: ${reason}` })

// Why Node has not loaded a module, and what to do.
const reasonOf = (file: string, error: unknown): string => {
  const message = error instanceof Error ? error.message : String(error)
  const code = Predicate.hasProperty(error, "code") ? error.code : undefined
  if (code === "ERR_UNKNOWN_FILE_EXTENSION" && /\.[cm]?ts$/.test(file)) {
    return `Node ${process.versions.node} does not load TypeScript; use Node 22.18 or later, or compile the module to JavaScript`
  }
  return code === "ERR_MODULE_NOT_FOUND" && message.includes("package")
    ? `${message}; install it where the module is`
    : message
}

const isMethod = (value: unknown): value is DriverMethod.Any =>
  Predicate.hasProperty(value, "_tag") && Predicate.hasProperty(value, "options") &&
  (value._tag === "Call" || value._tag === "StreamingCall" || value._tag === "Stream")

// The module has a copy of the library of its own, so a contract has no class to recognize it by.
const isContract = (value: unknown): value is DriverInterface.Any =>
  Predicate.hasProperty(value, "client") && typeof value.client === "string" &&
  Predicate.hasProperty(value, "alsoSpokenBy") && Array.isArray(value.alsoSpokenBy) &&
  Predicate.hasProperty(value, "methods") && Predicate.isRecord(value.methods) &&
  Object.values(value.methods).every(isMethod)

const methodOf = (method: DriverMethod.Any): Method => ({
  kind: method._tag,
  effect: DriverMethod.effectOf(method),
  arguments: method._tag === "Stream"
    ? []
    : (method.options.args ?? []).map((_, index) => contracts.argumentName(index))
})

const entryOf = (name: string, contract: DriverInterface.Any): Entry => ({
  name,
  load: () => Promise.resolve(contract),
  methods: Object.fromEntries(Object.entries(contract.methods).map(([name, method]) => [name, methodOf(method)]))
})

const exportsOf = (file: string): Effect.Effect<ReadonlyArray<readonly [string, DriverInterface.Any]>, CommandError> =>
  Effect.tryPromise({
    try: async (): Promise<object> => await import(/* @vite-ignore */ pathToFileURL(resolve(file)).href),
    // Node says of a file that it does not find that the command line imports it.
    catch: (error) => unusable(file, existsSync(file) ? reasonOf(file, error) : "there is no such file")
  }).pipe(Effect.flatMap((module) => {
    const found = Object.entries(module).flatMap(([name, value]: [string, unknown]) =>
      isContract(value)
        // These names say nothing.
        ? [[name === "default" || name === "contract" ? basename(file, extname(file)) : name, value] as const]
        : []
    )
    return found.length === 0
      ? unusable(
        file,
        "it exports no contract; export what DriverInterface.make returns, as in `export const Fan = DriverInterface.make(...)`"
      )
      : Effect.succeed(found)
  }))

/** Loads the contracts of modules. They take precedence over those of the library. */
export const load = (files: ReadonlyArray<string>): Effect.Effect<contracts.Known, CommandError> =>
  Effect.gen(function*() {
    if (files.length === 0) return contracts.published
    const entries = new Map<string, Entry>()
    const sources = new Map<Entry, string>()
    for (const file of files) {
      for (const [name, contract] of yield* exportsOf(file)) {
        const entry = entryOf(name, contract)
        sources.set(entry, file)
        for (const label of [contract.client, ...contract.alsoSpokenBy]) {
          const other = entries.get(label)
          if (other !== undefined) {
            return yield* unusable(
              file,
              `${name} is for ${label}, as is ${other.name} of ${sources.get(other) ?? file}; leave one out`
            )
          }
          entries.set(label, entry)
        }
      }
    }
    return {
      entryOf: (driver) => entries.get(contracts.labelOf(driver)) ?? contracts.published.entryOf(driver),
      sourceOf: (entry) => sources.get(entry) ?? contracts.published.sourceOf(entry)
    }
  })
