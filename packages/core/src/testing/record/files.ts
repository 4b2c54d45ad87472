// Writes a record as lines, and as a page that shows them.
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { visibly } from "../../util/visibleLog.ts"
import * as page from "./page.ts"

export const pathOf = (directory: string, name: string): string => join(directory, name)

// Failing to write must not hide why a test failed, so it is logged.
const reported = (path: string) => <E extends { readonly message: string }>(write: Effect.Effect<void, E>) =>
  Effect.catchAll(
    write,
    (error) => visibly(Effect.logError(`cannot write the record ${path}: ${error.message}`))
  )

export const write = (
  files: FileSystem.FileSystem,
  directory: string,
  path: string,
  lines: ReadonlyArray<string>
): Effect.Effect<void> =>
  Effect.gen(function*() {
    yield* files.makeDirectory(directory, { recursive: true })
    yield* files.writeFileString(`${path}.jsonl`, `${lines.join("\n")}\n`)
    yield* files.writeFileString(`${path}.html`, yield* page.render(lines))
    yield* visibly(Effect.logInfo(`what happened on the bench: ${pathToFileURL(`${path}.html`).href}`))
  }).pipe(reported(path))

export const remove = (files: FileSystem.FileSystem, path: string): Effect.Effect<void> =>
  Effect.forEach(
    [`${path}.jsonl`, `${path}.html`],
    (file) => files.remove(file, { force: true }),
    { discard: true }
  ).pipe(reported(path))
