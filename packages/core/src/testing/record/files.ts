// The files of a record: its lines, which are written while they happen, and in the end a page that shows them.
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import * as interruptible from "../../util/interruptible.ts"
import { visibly } from "../../util/visibleLog.ts"
import { type Journal, textOf } from "./journal.ts"
import * as page from "./page.ts"

export const pathOf = (directory: string, name: string): string => join(directory, name)

// A process is killed in real time, whatever the program's clock says.
const pause = Effect.withClock(Effect.sleep("1 second"), Clock.make())

// The name of a file in the place of another one that is not complete yet.
const unfinished = (file: string): string => `${file}.part`

// Until it is complete, the file that was there before stays.
const replace = (
  files: FileSystem.FileSystem,
  file: string,
  text: string
): Effect.Effect<void, PlatformError> =>
  Effect.zipRight(files.writeFileString(unfinished(file), text), files.rename(unfinished(file), file))

export const writePage = (
  files: FileSystem.FileSystem,
  path: string,
  lines: ReadonlyArray<string>
): Effect.Effect<void, PlatformError> =>
  Effect.flatMap(page.render(lines), (html) => replace(files, `${path}.html`, html))

export class RecordFiles {
  private readonly turns = Effect.unsafeMakeSemaphore(1)
  private isSaving = false

  // `path` is without the extensions of the files.
  constructor(
    private readonly files: FileSystem.FileSystem,
    private readonly directory: string,
    private readonly path: string
  ) {}

  // Failing to write must not hide why a test failed, so it is logged.
  private reported<E extends { readonly message: string }>(write: Effect.Effect<void, E>): Effect.Effect<void> {
    return Effect.catchAll(
      write,
      (error) => visibly(Effect.logError(`cannot write the record ${this.path}: ${error.message}`))
    )
  }

  private inTurn<E>(write: Effect.Effect<void, E>): Effect.Effect<void, E> {
    return Effect.uninterruptible(this.turns.withPermits(1)(write))
  }

  private replaceLines(text: string): Effect.Effect<void, PlatformError> {
    return Effect.zipRight(
      this.files.makeDirectory(this.directory, { recursive: true }),
      replace(this.files, `${this.path}.jsonl`, text)
    )
  }

  // Writes the lines once a second until the scope closes, so that a process that is killed leaves them. `all` are those of a record
  // that has not ended.
  saving(journal: Journal, all: () => ReadonlyArray<string>): Effect.Effect<void, never, Scope.Scope> {
    this.isSaving = true
    const save = this.inTurn(Effect.suspend(() => {
      const step = this.isSaving ? journal.next(all) : undefined
      if (step === undefined) return Effect.void
      return step.replaces
        // The page of an earlier run would be taken for that of this one.
        ? Effect.zipRight(this.files.remove(`${this.path}.html`, { force: true }), this.replaceLines(step.text))
        : this.files.writeFileString(`${this.path}.jsonl`, step.text, { flag: "a" })
    }))
    return Effect.asVoid(interruptible.forkScoped(this.reported(Effect.forever(Effect.zipRight(pause, save)))))
  }

  // Writes the record of a run that has ended.
  write(lines: ReadonlyArray<string>): Effect.Effect<void> {
    const page = pathToFileURL(`${this.path}.html`).href
    return this.reported(this.inTurn(Effect.suspend(() => {
      this.isSaving = false
      return this.replaceLines(textOf(lines)).pipe(
        Effect.zipRight(writePage(this.files, this.path, lines)),
        Effect.zipRight(visibly(Effect.logInfo(`what happened on the bench: ${page}`)))
      )
    })))
  }

  remove(): Effect.Effect<void> {
    return this.reported(this.inTurn(Effect.suspend(() => {
      this.isSaving = false
      return Effect.forEach(
        [`${this.path}.jsonl`, `${this.path}.html`],
        (file) => this.files.remove(file, { force: true }),
        { discard: true }
      )
    })))
  }
}
