// Records and replays programs against the bench, in temporary files.
import { Driver, Exporter, ExporterConnection, GrpcChannel } from "@effect-jumpstarter/core"
import { Recording } from "@effect-jumpstarter/core/testing"
import * as FileSystem from "@effect/platform/FileSystem"
import { Cause, Effect, Exit, Layer, Schema } from "effect"
import * as temporary from "../support/temporary.ts"
import * as bench from "./bench.ts"

type Program<A, E> = Effect.Effect<A, E, ExporterConnection.ExporterConnection>

const connected = <E, R>(channel: Layer.Layer<GrpcChannel.GrpcChannel, E, R>) =>
  Layer.provide(ExporterConnection.layerChannel(), channel)

/** Runs a program against a new bench, and records it. */
export const record = <A, E>(file: string, program: Program<A, E>, options?: Recording.RecordOptions) =>
  Effect.gen(function*() {
    const { drivers } = yield* bench.make
    const exporter = yield* Exporter.make(Driver.composite(drivers), { localLogs: false })
    const channel = Recording.layerRecord(file, options).pipe(Layer.provide(GrpcChannel.layerMemory(exporter.handlers)))
    return yield* Effect.provide(program, connected(channel))
  }).pipe(Effect.scoped)

/** Runs a program against a recording. */
export const replay = <A, E>(file: string, program: Program<A, E>, options?: Recording.ReplayOptions) =>
  Effect.provide(program, connected(Recording.layerReplay(file, options)))

/** The path of a recording, for the duration of a test. */
export const file = Effect.map(temporary.directory, (directory) => `${directory}/run.jsonl`)

/** The lines of a recording. */
export const lines = (file: string) =>
  Effect.flatMap(
    FileSystem.FileSystem,
    (fileSystem) => Effect.map(fileSystem.readFileString(file), (text) => text.trimEnd().split("\n"))
  )

const Event = Schema.parseJson(Schema.Struct({
  event: Schema.String,
  kind: Schema.optional(Schema.String),
  driver: Schema.optional(Schema.String)
}))

/** The events of a recording. */
export const events = (file: string) =>
  Effect.flatMap(lines(file), ([, ...rest]) => Effect.forEach(rest, (line) => Schema.decode(Event)(line)))

/** The outcome of a program, as readable text. */
export const outcome = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(
    Effect.exit(effect),
    Exit.match({
      onSuccess: (value): unknown => value,
      onFailure: (cause) => {
        const error = Cause.squash(cause)
        return error instanceof Error ? error.message : String(error)
      }
    })
  )
