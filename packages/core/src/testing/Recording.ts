/**
 * Recordings of what passes between a program and an exporter, and their replay: a test that once ran against real
 * hardware runs again without it, in milliseconds, and fails when the program does something else than it did.
 *
 * A recording is a text file of JSON lines, to be read, compared and kept with the test. The first line names the format,
 * its version, and the address of the exporter, which its errors show. Every other line is an event of an RPC, with the number of the RPC and the milliseconds since the first
 * one:
 *
 * ```json
 * {"recording":"effect-jumpstarter","version":1,"address":"tcp:bench-3:8082"}
 * {"rpc":3,"at":41,"event":"begin","kind":"call","driver":"power","method":"set_voltage","args":[12]}
 * {"rpc":3,"at":44,"event":"received","value":null}
 * {"rpc":4,"at":45,"event":"begin","kind":"stream","driver":"serial","method":"connect"}
 * {"rpc":4,"at":47,"event":"opened","metadata":{}}
 * {"rpc":4,"at":50,"event":"sent","data":{"bytes":9,"text":"printenv\r"}}
 * ```
 *
 * Bytes are text where they are text and base64 otherwise. Of byte streams and transfers that are longer than `maxBytes`
 * the rest is kept as its hash, which is enough to check what a program sends, and not enough to replay what it
 * receives. What differs from run to run has names: drivers their paths (`power#2` when the exporter was restarted
 * meanwhile), resources and the exporter numbered uuids. A passphrase is never stored, nor is other request metadata,
 * nor the headers and the query of a presigned URL, nor, unless `scrub` says otherwise, a text below a key that looks like that
 * of a secret.
 *
 * A recording does without what a client does not look at, such as the uuids of answers and fields this version does not
 * know, without the causes of failures, and without RPCs of other services, which are refused. A message that is malformed, or
 * that JSON cannot say, such as one with a negative zero, is kept as it was, uuids included. Where there is something to hide
 * in it, it is kept as nearly as JSON can say it.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { memory } from "../grpc/memoryAddress.ts"
import type { ValuePath } from "../protocol/DriverError.ts"
import type { JsonValue } from "../protocol/ProtobufValue.ts"
import * as GrpcChannel from "../transport/GrpcChannel.ts"
import * as interruptible from "../util/interruptible.ts"
import type * as Faults from "./Faults.ts"
import * as format from "./recording/format.ts"
import * as replayRecording from "./recording/reader.ts"
import * as recorder from "./recording/recorder.ts"
import * as replayer from "./recording/replayer.ts"
import * as scrubbing from "./recording/scrub.ts"

/**
 * A recording that cannot be used. `line` is where, 0 for the whole file.
 *
 * - `File`: it cannot be written or read
 * - `Version`: another version of this library wrote it
 * - `Malformed`: a line is not what it has to be
 *
 * @since 0.1.0
 * @category errors
 */
export class RecordingError extends Schema.TaggedError<RecordingError>(
  "@effect-jumpstarter/core/testing/Recording/RecordingError"
)("RecordingError", {
  path: Schema.String,
  line: Schema.Number,
  reason: Schema.Literal("File", "Version", "Malformed"),
  details: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `recording ${this.path}${this.line === 0 ? "" : `, line ${this.line}`}: ${this.details}`
  }
}

/**
 * What a program did otherwise than it did when it was recorded.
 *
 * @since 0.1.0
 * @category errors
 */
export class ReplayError extends Schema.TaggedError<ReplayError>(
  "@effect-jumpstarter/core/testing/Recording/ReplayError"
)("ReplayError", { path: Schema.String, differences: Schema.Array(Schema.String) }) {
  override get message(): string {
    return `the program did not do what is in the recording ${this.path}:${
      this.differences.map((difference) => `\n- ${difference}`).join("")
    }`
  }
}

/**
 * Which RPC a value or bytes belong to. `driver` is a path.
 *
 * @since 0.1.0
 * @category models
 */
export interface Site {
  readonly kind: Faults.Kind
  readonly driver: string
  readonly method: string
}

/**
 * Keeps secrets out of a recording. Give the same to the replay: it compares what the program sends after scrubbing it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ScrubOptions {
  /**
   * Answers what is to be recorded in place of a value: of the arguments of a call, of a result, of a line of the log, of
   * the details of a failure, and of everything in them, from the outside in; `path` leads to it. Unless given, texts are
   * hidden whose keys look like those of secrets, such as `password`, `authToken` and `api_key`.
   */
  readonly scrub?: ((value: JsonValue, at: Site & { readonly path: ValuePath }) => JsonValue) | undefined
  /**
   * The same for bytes of byte streams and resources, a piece at a time as it was written or read. The length should
   * stay: where a program cuts its pieces may differ from run to run.
   */
  readonly scrubBytes?: ((bytes: Uint8Array, at: Site) => Uint8Array) | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface RecordOptions extends ScrubOptions {
  /** How many bytes of a byte stream or a transfer are kept each way; 1 MiB unless given. The rest is hashed. */
  readonly maxBytes?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ReplayOptions extends ScrubOptions {
  /**
   * Calls that the program makes by the clock, and so another number of times in each run, besides those for the
   * exporter's status. They get the recorded answers in order, as far as the program has come, and the latest again when
   * there is no other; none of them is missed.
   */
  readonly polled?: ReadonlyArray<Omit<Faults.Match, "occurrence">> | undefined
  /**
   * How long the replay waits for a program to do what it had done before something that it waits for, or to end a call or
   * stream that it had ended, in real time and on top of the time it had taken; 3 seconds unless given. Then the program
   * has changed.
   */
  readonly patience?: Duration.DurationInput | undefined
  /** Whether the exporter takes the time it took, by Effect's clock; it answers at once unless `recorded`. */
  readonly timing?: "immediate" | "recorded" | undefined
}

const scrubOf = ({ scrub, scrubBytes }: ScrubOptions) => ({
  values: scrub ?? scrubbing.values,
  bytes: scrubBytes ?? ((bytes: Uint8Array) => bytes)
})

const unusable = (path: string) => (cause: { readonly message: string }) =>
  new RecordingError({ path, line: 0, reason: "File", details: cause.message, cause })

// Where to record: beside a recording that there may be, until the run has come to a good end. What failed is worth more
// than nothing, but not more than what it would replace.
const openBeside = (fileSystem: FileSystem.FileSystem, path: string) =>
  Effect.gen(function*() {
    const isOther = yield* Effect.match(fileSystem.stat(path), {
      onFailure: () => false,
      onSuccess: ({ type }) => type !== "File"
    })
    let isWhole = false
    const beside = isOther ? path : `${path}.partial`
    yield* Effect.addFinalizer((exit) =>
      Effect.gen(function*() {
        if (isOther || !isWhole || Exit.isFailure(exit) && (yield* fileSystem.exists(path))) return
        yield* fileSystem.rename(beside, path)
      }).pipe(Effect.mapError(unusable(path)), Effect.orDie)
    )
    const file = yield* fileSystem.open(beside, { flag: "w" })
    return {
      file,
      whole: Effect.sync(() => {
        isWhole = true
      })
    }
  }).pipe(Effect.mapError(unusable(path)))

// Writes lines in the background, all of them before the scope has closed. A file that could not be written to the end is
// no recording, and there is nobody else to tell.
const openWriter = (path: string): Effect.Effect<
  (line: string) => void,
  RecordingError,
  FileSystem.FileSystem | Scope.Scope
> =>
  Effect.gen(function*() {
    const fileSystem = yield* FileSystem.FileSystem
    const { file, whole } = yield* openBeside(fileSystem, path)
    const lines = yield* Mailbox.make<string>()
    const encoder = new TextEncoder()
    const write = Effect.gen(function*() {
      for (;;) {
        const [waiting, done] = yield* lines.takeAll
        let text = ""
        for (const line of waiting) text += `${line}\n`
        if (text !== "") yield* file.writeAll(encoder.encode(text))
        if (done) return
      }
    }).pipe(Effect.mapError(unusable(path)), Effect.onError(() => lines.shutdown))
    yield* Effect.acquireRelease(
      interruptible.forkDaemon(write),
      (writing) => lines.end.pipe(Effect.zipRight(Effect.orDie(Fiber.join(writing))), Effect.zipRight(whole))
    )
    return (line) => void lines.unsafeOffer(line)
  })

/**
 * A channel that records what passes through it into a file, until the scope closes. The file is written beside the one that
 * there may be, as `.partial`, and takes its place unless the scope closes with a failure. What the program is told does not
 * change. Only the RPCs of exporters can be recorded; others are refused.
 *
 * @since 0.1.0
 * @category constructors
 */
export const record = (
  channel: GrpcChannel.Channel,
  path: string,
  options: RecordOptions = {}
): Effect.Effect<GrpcChannel.Channel, RecordingError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function*() {
    const write = yield* openWriter(path)
    write(format.header(channel.target === memory ? undefined : channel.target))
    const { flush, transport } = recorder.make(channel, {
      scrub: scrubOf(options),
      maxBytes: options.maxBytes ?? 1024 * 1024,
      write
    })
    yield* Effect.addFinalizer(() => flush)
    return GrpcChannel.make(transport)
  })

/**
 * A channel that answers from a recording.
 *
 * @since 0.1.0
 * @category models
 */
export interface Replay {
  readonly channel: GrpcChannel.Channel
  /** What the program has done otherwise so far, and what of the recording it has not done. */
  readonly differences: Effect.Effect<ReadonlyArray<string>>
}

/**
 * Replays a recording; nothing is connected to.
 *
 * Calls are matched by driver, method and arguments, streams by driver, method and order, and bytes that are sent by
 * their content. Nothing the exporter said comes before the program has done all that it had done before, so that a
 * console speaks when the power is switched on. A call that does not match fails with `InvalidArgument`, which tells what
 * was expected and where the difference is:
 *
 * ```text
 * call flasher.flash(<resource>, "boot") is not in the recording board.jsonl
 *   expected next: call flasher.flash(<resource>, "root") (line 21)
 *   arguments[1]: "root" was recorded, "boot" came
 * ```
 *
 * A scope that closes after a success dies of a `ReplayError` when there were differences, so that a program cannot swallow
 * them, or when something recorded was not done. After a failure, which may be a consequence of what was swallowed, they are
 * logged.
 *
 * @since 0.1.0
 * @category constructors
 */
export const replay = (
  path: string,
  options: ReplayOptions = {}
): Effect.Effect<Replay, RecordingError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function*() {
    const fileSystem = yield* FileSystem.FileSystem
    const text = yield* Effect.mapError(fileSystem.readFileString(path), unusable(path))
    const recording = yield* Either.mapLeft(
      replayRecording.parse(text),
      ({ details, line, reason }) => new RecordingError({ path, line, reason, details })
    )
    const { differences, refusals, transport } = replayer.make(recording, {
      path,
      scrub: scrubOf(options),
      polled: options.polled ?? [],
      patience: Duration.decode(options.patience ?? "3 seconds"),
      recordedTiming: options.timing === "recorded"
    })
    yield* Effect.addFinalizer((exit) =>
      Exit.isFailure(exit)
        ? Effect.flatMap(
          refusals,
          (differences) =>
            differences.length === 0 ? Effect.void : Effect.logError(new ReplayError({ path, differences }).message)
        )
        : Effect.flatMap(
          differences,
          (differences) => differences.length === 0 ? Effect.void : Effect.die(new ReplayError({ path, differences }))
        )
    )
    return { channel: GrpcChannel.make(transport), differences }
  })

/**
 * Records what passes through a channel into a file; see `record`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Config, Effect, Layer } from "effect"
 * import { Endpoint, ExporterConnection, GrpcChannel } from "@effect-jumpstarter/core"
 * import { Recording } from "@effect-jumpstarter/core/testing"
 * import { NodeFileSystem } from "@effect/platform-node"
 *
 * const test = Effect.gen(function*() {
 *   const power = yield* ExporterConnection.driver("power")
 *   yield* power.call("on")
 * })
 *
 * // What is typed at a login prompt is not for the repository.
 * const scrub: Recording.ScrubOptions = {
 *   scrub: (value, { path }) => path.at(-1) === "password" ? "***" : value
 * }
 *
 * const recorded = Layer.provide(
 *   Recording.layerRecord("boot.jsonl", scrub),
 *   GrpcChannel.layer(Endpoint.unix("/run/jumpstarter.sock"))
 * )
 *
 * const channel = Layer.unwrapEffect(Effect.map(
 *   Config.withDefault(Config.boolean("RECORD"), false),
 *   (record) => record ? recorded : Recording.layerReplay("boot.jsonl", scrub)
 * ))
 *
 * test.pipe(
 *   Effect.provide(Layer.provide(ExporterConnection.layerChannel(), channel)),
 *   Effect.provide(NodeFileSystem.layer)
 * )
 * ```
 */
export const layerRecord = (
  path: string,
  options?: RecordOptions
): Layer.Layer<GrpcChannel.GrpcChannel, RecordingError, GrpcChannel.GrpcChannel | FileSystem.FileSystem> =>
  Layer.scoped(
    GrpcChannel.GrpcChannel,
    Effect.flatMap(GrpcChannel.GrpcChannel, (channel) => record(channel, path, options))
  )

/**
 * Answers from a recording; see `replay`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerReplay = (
  path: string,
  options?: ReplayOptions
): Layer.Layer<GrpcChannel.GrpcChannel, RecordingError, FileSystem.FileSystem> =>
  Layer.scoped(GrpcChannel.GrpcChannel, Effect.map(replay(path, options), ({ channel }) => channel))
