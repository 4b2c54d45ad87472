// Records of programs against the bench, and what is in them.
import { Driver, Exporter, ExporterConnection, GrpcChannel } from "@effect-jumpstarter/core"
import { BenchRecord } from "@effect-jumpstarter/core/testing"
import * as FileSystem from "@effect/platform/FileSystem"
import { Effect, Layer, Schedule, Schema } from "effect"
import { spawn } from "node:child_process"
import * as format from "../../src/testing/record/format.ts"
import * as program from "../support/program.ts"
import type * as programs from "../support/programs.ts"
import * as temporary from "../support/temporary.ts"
import * as bench from "./bench.ts"

type Program<A, E> = Effect.Effect<A, E, ExporterConnection.ExporterConnection>

/** A connection to a new bench. */
export const connection = (more: Record<string, Driver.Driver> = {}) =>
  Layer.unwrapScoped(Effect.gen(function*() {
    const { drivers } = yield* bench.make
    const exporter = yield* Exporter.make(Driver.composite({ ...drivers, ...more }), { localLogs: false })
    return Layer.provide(ExporterConnection.layerChannel(), GrpcChannel.layerMemory(exporter.handlers))
  }))

/** A directory for records, for the duration of a test. */
export const directory = Effect.map(temporary.directory, (path) => `${path}/records`)

export const run = <A, E>(
  options: BenchRecord.ProgramOptions,
  program: Program<A, E>,
  more?: Record<string, Driver.Driver>
) => Effect.provide(Effect.provide(program, connection(more)), BenchRecord.layer(options))

const strict = { onExcessProperty: "error" } as const

const decodeHeader = Schema.decode(Schema.parseJson(format.Header), strict)
const decodeEvent = Schema.decode(Schema.parseJson(format.Event), strict)

/** The lines of a record, each of which its schema allows. */
export const read = (path: string) =>
  Effect.gen(function*() {
    const text = yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(path))
    const [first = "", ...rest] = text.trimEnd().split("\n")
    return {
      text,
      header: yield* decodeHeader(first),
      events: yield* Effect.forEach(rest, (line) => decodeEvent(line))
    }
  })

export const files = (path: string) =>
  Effect.flatMap(
    FileSystem.FileSystem,
    (fileSystem) =>
      Effect.flatMap(fileSystem.exists(path), (exists) =>
        exists ? Effect.map(fileSystem.readDirectory(path), (names) => names.sort()) : Effect.succeed([]))
  )

/** Waits until a file has a text. */
export const untilWritten = (path: string, text: string) =>
  Effect.flatMap(FileSystem.FileSystem, (files) =>
    files.readFileString(path).pipe(
      Effect.orElseSucceed(() => ""),
      Effect.repeat({ until: (written) => written.includes(text), schedule: Schedule.spaced("20 millis") }),
      Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => new Error(`${path} has no ${text}`) })
    ))

/** Runs a program of test/support in a process of its own during an effect, and then kills it. */
export const whileRunning =
  (name: programs.Program, ...args: ReadonlyArray<string>) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => spawn(process.execPath, [program.path(name), ...args], { stdio: "inherit" })),
      () => effect,
      (child) =>
        Effect.async<void>((resume) => {
          child.once("close", () => resume(Effect.void))
          child.kill("SIGKILL")
        })
    )

/** Events without what differs between runs. */
export const shown = (events: ReadonlyArray<format.Event>): ReadonlyArray<unknown> => {
  const ids = new Map<number, number>()
  return events.map(({ at: _, ...event }) => {
    if (!("id" in event)) return event
    const id = ids.get(event.id) ?? ids.size
    ids.set(event.id, id)
    return { ...event, id }
  })
}

/** What Vitest passes to a test, and the ends of that test. */
export const testContext = (
  name: string,
  { id = name, retryCount = 0, suite }: {
    readonly id?: string
    readonly retryCount?: number
    readonly suite?: string
  } = {}
) => {
  const failed: Array<() => Promise<void>> = []
  const finished: Array<() => Promise<void>> = []
  const result: { state: string; retryCount: number; errors?: Array<{ message: string; stack?: string }> } = {
    state: "run",
    retryCount
  }
  const context: BenchRecord.TestContext = {
    task: {
      id,
      name,
      suite: suite === undefined ? undefined : { name: suite },
      file: { name: "test/board.test.ts" },
      result
    },
    onTestFailed: (handler) => void failed.push(handler),
    onTestFinished: (handler) => void finished.push(handler)
  }
  const run = (handlers: ReadonlyArray<() => Promise<void>>) =>
    Effect.forEach(handlers, (handler) => Effect.promise(handler), { discard: true })
  return {
    context,
    passes: Effect.suspend(() => {
      result.state = "pass"
      return run(finished)
    }),
    fails: (message: string) =>
      Effect.suspend(() => {
        result.state = "fail"
        result.errors = [{ message, stack: `Error: ${message}\n    at test (board.test.ts:3:1)` }]
        return Effect.zipRight(run(finished), run(failed))
      })
  }
}
