/**
 * The record of a run: what happened on the bench while a program or a test ran, for people who look at evidence before they look at
 * a stack.
 *
 * A record is a page that opens from the file system, without a network, and the same as JSON Lines, which `docs/records.md`
 * describes. On one time axis it has the calls with their arguments and outcomes, the console's text, the exporter's log, readings as
 * charts, transfers with their progress, losses of the connection, leases, the program's spans and the program's log.
 *
 * Its lines are written about once a second while they happen, so that a process that is killed leaves them too. It is scrubbed as a
 * `Recording` is, and bounded: of too many lines of one kind, those in the middle are left out, and it says so.
 * Without a record, none of this costs anything: a connection looks for one once, when it is made.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as witness from "../telemetry/witness.ts"
import { Bench } from "./record/bench.ts"
import * as recordFiles from "./record/files.ts"
import * as messages from "./record/messages.ts"
import * as names from "./record/names.ts"
import * as reader from "./record/reader.ts"
import { Recorder } from "./record/recorder.ts"
import * as steps from "./record/steps.ts"
import type { ScrubOptions } from "./Recording.ts"
import * as scrubbing from "./recording/scrub.ts"

/**
 * `scrub` and `scrubBytes` keep secrets out, as in a `Recording`.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordOptions extends ScrubOptions {
  /** Where the files are written. It is created when it does not exist. */
  readonly directory: string
  /** The size of the lines that are kept, in characters; 8 MiB by default. */
  readonly maxSize?: number | undefined
  /** Whether to keep the record of a run that succeeds. */
  readonly keep?: "always" | "failed" | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ProgramOptions extends RecordOptions {
  /** The title, and the name of the files; by default the time. A later run with the same name replaces the files. */
  readonly name?: string | undefined
}

/**
 * What a record needs of the context that Vitest passes to a test.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestContext {
  readonly task: names.Task & {
    readonly result?: {
      readonly state: string
      readonly retryCount?: number | undefined
      readonly errors?: ReadonlyArray<{ readonly message: string; readonly stack?: string | undefined }> | undefined
    } | undefined
  }
  readonly onTestFailed: (handler: () => Promise<void>) => void
  readonly onTestFinished: (handler: () => Promise<void>) => void
}

const defaultSize = 8 * 1024 * 1024

// Records what happens below until the scope closes.
const install = (options: RecordOptions): Effect.Effect<Recorder, never, Scope.Scope> =>
  Effect.gen(function*() {
    const recorder = new Recorder(yield* Effect.clock, {
      scrub: scrubbing.of(options),
      maxSize: options.maxSize ?? defaultSize
    })
    const above = yield* FiberRef.get(witness.current)
    const bench = new Bench(recorder, above instanceof Bench ? above : undefined)
    yield* Effect.acquireRelease(Effect.sync(() => bench.attach()), () => Effect.sync(() => bench.detach()))
    yield* Effect.locallyScoped(witness.current, bench)
    yield* Effect.locallyScopedWith(FiberRef.currentLoggers, HashSet.add(messages.logger(recorder)))
    yield* Effect.withTracerScoped(steps.tracer(yield* Effect.tracer, recorder))
    return recorder
  })

/**
 * Records a program, and writes the files when the layer's scope closes. Connections and leases that are made below the layer are
 * recorded. `keep` is `always` unless given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Endpoint, ExporterConnection } from "@effect-jumpstarter/core"
 * import { BenchRecord } from "@effect-jumpstarter/core/testing"
 * import { NodeFileSystem } from "@effect/platform-node"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const power = yield* ExporterConnection.driver("power")
 *   yield* power.call("on")
 * })
 *
 * program.pipe(
 *   Effect.provide(ExporterConnection.layer(Endpoint.unix("/run/jumpstarter.sock"))),
 *   Effect.provide(Layer.provide(BenchRecord.layer({ directory: "records" }), NodeFileSystem.layer))
 * )
 * ```
 */
export const layer = (options: ProgramOptions): Layer.Layer<never, never, FileSystem.FileSystem> =>
  Layer.scopedDiscard(Effect.gen(function*() {
    const fileSystem = yield* FileSystem.FileSystem
    const name = options.name ?? DateTime.formatIso(yield* DateTime.now)
    const owner = {}
    const path = yield* Effect.acquireRelease(
      Effect.sync(() => names.claim(recordFiles.pathOf(options.directory, names.fileName(name)), owner)),
      (path) => Effect.sync(() => names.release(path))
    )
    const files = new recordFiles.RecordFiles(fileSystem, options.directory, path)
    const recorder = yield* install(options)
    yield* Effect.addFinalizer((exit) =>
      Effect.suspend(() => {
        recorder.end(exit)
        return options.keep === "failed" && Exit.isSuccess(exit)
          ? files.remove()
          : files.write(recorder.lines({ name }))
      })
    )
    yield* files.saving(recorder.journal, () => recorder.lines({ name }, { outcome: "unfinished" }))
  }))

/**
 * Records a test of Vitest. When the test fails, for whatever reason, the files are written and the address of the page is printed.
 * A test that passes leaves nothing, unless `keep` is `always`. The files are named after the test. A retried test has a record for
 * each attempt that failed.
 *
 * Tests that share a connection have records of their own if the connection was made below `BenchRecord.layer`: what a test does goes
 * into its own record, and what the exporter logs, and consoles that were opened for all tests, go into the record of every test that
 * runs.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Endpoint, ExporterConnection } from "@effect-jumpstarter/core"
 * import { BenchRecord } from "@effect-jumpstarter/core/testing"
 * import { NodeFileSystem } from "@effect/platform-node"
 * import { it } from "@effect/vitest"
 * import { Effect, Layer } from "effect"
 *
 * const recorded = (context: BenchRecord.TestContext) =>
 *   Layer.provide(BenchRecord.forTest(context, { directory: "records" }), NodeFileSystem.layer)
 *
 * it.live("switches the power on", (context) =>
 *   Effect.gen(function*() {
 *     const power = yield* ExporterConnection.driver("power")
 *     yield* power.call("on")
 *   }).pipe(
 *     Effect.provide(ExporterConnection.layer(Endpoint.unix("/run/jumpstarter.sock"))),
 *     Effect.provide(recorded(context))
 *   ))
 * ```
 */
export const forTest = (
  context: TestContext,
  options: RecordOptions
): Layer.Layer<never, never, FileSystem.FileSystem> =>
  Layer.scopedDiscard(Effect.gen(function*() {
    const fileSystem = yield* FileSystem.FileSystem
    const { task } = context
    const tries = task.result?.retryCount ?? 0
    const name = tries === 0 ? names.ofTest(task) : `${names.ofTest(task)}-retry-${tries}`
    const path = names.claim(recordFiles.pathOf(options.directory, name), task.id)
    const files = new recordFiles.RecordFiles(fileSystem, options.directory, path)
    // The files of an earlier run would be taken for those of this one.
    yield* files.remove()
    const recorder = yield* install(options)
    yield* Effect.addFinalizer((exit) => Effect.sync(() => recorder.end(exit)))
    const run = { name: names.fullName(task), file: task.file.name }
    yield* files.saving(recorder.journal, () => recorder.lines(run, { outcome: "unfinished" }))
    const write = (outcome: "passed" | "failed") =>
      Effect.suspend(() => {
        const errors = task.result?.errors ?? []
        return files.write(recorder.lines(run, { outcome, ...(errors.length === 0 ? {} : { errors }) }))
      })
    // A test can fail after its scope has closed, and one that takes too long is interrupted before these handlers run.
    const promised = Runtime.runPromise(yield* Effect.runtime())
    context.onTestFailed(() => promised(write("failed")))
    context.onTestFinished(() =>
      task.result?.state === "fail"
        ? Promise.resolve()
        : promised(options.keep === "always" ? write("passed") : files.remove())
    )
  }))

/**
 * A file is not the record of a run, or cannot be read. `line` is the line of the problem, or 0 for the whole file.
 *
 * @since 0.1.0
 * @category errors
 */
export class RecordError extends Schema.TaggedError<RecordError>(
  "@effect-jumpstarter/core/testing/BenchRecord/RecordError"
)("RecordError", {
  path: Schema.String,
  line: Schema.Number,
  details: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `record ${this.path}${this.line === 0 ? "" : `, line ${this.line}`}: ${this.details}`
  }
}

/**
 * Makes the page of a record from its lines, beside them, and returns the path of the page. A run writes its page at its end, so this is
 * for the lines of a process that was killed, or that somebody has sent.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { BenchRecord } from "@effect-jumpstarter/core/testing"
 * import { NodeContext, NodeRuntime } from "@effect/platform-node"
 * import { Console, Effect } from "effect"
 *
 * BenchRecord.writePage("records/nightly.jsonl").pipe(
 *   Effect.flatMap(Console.log), // records/nightly.html
 *   Effect.provide(NodeContext.layer),
 *   NodeRuntime.runMain
 * )
 * ```
 */
export const writePage = (path: string): Effect.Effect<string, RecordError, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const ofFile = (doing: string) => (cause: Error) =>
      new RecordError({ path, line: 0, details: `cannot ${doing}: ${cause.message}`, cause })
    const text = yield* Effect.mapError(files.readFileString(path), ofFile("read it"))
    const lines = yield* Effect.mapError(
      reader.read(text),
      ({ details, line }) => new RecordError({ path, line, details })
    )
    const stem = path.replace(/\.jsonl$/, "")
    yield* Effect.mapError(recordFiles.writePage(files, stem, lines), ofFile("write its page"))
    return `${stem}.html`
  })
