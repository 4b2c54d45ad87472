/**
 * Records the traffic between a program and an exporter, and replays it: a test that once ran against real hardware
 * runs again without the hardware, in milliseconds, and fails when the program behaves differently.
 *
 * A recording is a text file of JSON lines, made to be read, compared and kept with the test. The first line names the
 * format, its version, and the address of the exporter for error messages. Every other line is an event of an RPC, with
 * the number of the RPC and the milliseconds since the first event:
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
 * Readable bytes are stored as text, other bytes as base64. Of byte streams and transfers longer than `maxBytes`, only
 * a hash of the rest is kept. The hash is enough to check the bytes that a program sends, but not to replay the bytes
 * that it receives. Identifiers that differ between runs are replaced: drivers have their paths (`power#2` after a
 * restart of the exporter), resources and the exporter have numbered uuids.
 *
 * A recording never stores a passphrase, other request metadata, or the headers and the query of a presigned URL.
 * Unless `scrub` is given, it also hides texts below a key that looks like the name of a secret, and those of methods
 * of the published drivers that take or return one.
 *
 * A recording omits data that a client ignores, such as the uuids of results and unknown fields, and the causes of
 * failures. RPCs of other services are refused. A message that is malformed, or that JSON cannot express, such as one
 * with a negative zero, is kept as raw bytes, uuids included. If such a message contains secrets, it is kept as the
 * closest JSON value instead.
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
 * A recording cannot be used. `line` is the line of the problem, or 0 for the whole file.
 *
 * - `File`: the file cannot be written or read
 * - `Version`: another version of this library wrote the file
 * - `Malformed`: a line is invalid
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
 * The program behaved differently from its recording.
 *
 * @since 0.1.0
 * @category errors
 */
export class ReplayError extends Schema.TaggedError<ReplayError>(
  "@effect-jumpstarter/core/testing/Recording/ReplayError"
)("ReplayError", { path: Schema.String, differences: Schema.Array(Schema.String) }) {
  override get message(): string {
    return `the program differs from the recording ${this.path}:${
      this.differences.map((difference) => `\n- ${difference}`).join("")
    }`
  }
}

/**
 * The RPC that a value or bytes belong to. `driver` is a path.
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
 * Keeps secrets out of a recording. Pass the same options to the replay, which scrubs the program's data before
 * comparing.
 *
 * @since 0.1.0
 * @category models
 */
export interface ScrubOptions {
  /**
   * Returns the value to record in place of a value. Called for the arguments of a call, a result, a log line and the
   * details of a failure, and for every value inside them, from the outside in; `path` leads to the value. By default,
   * texts are hidden whose keys look like names of secrets, such as `password`, `authToken` and `api_key`.
   */
  readonly scrub?: ((value: JsonValue, at: Site & { readonly path: ValuePath }) => JsonValue) | undefined
  /**
   * Returns the bytes to record in place of bytes of byte streams and resources. Called for each piece that is written
   * or read. Keep the length: the boundaries between pieces may differ from run to run.
   */
  readonly scrubBytes?: ((bytes: Uint8Array, at: Site) => Uint8Array) | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface RecordOptions extends ScrubOptions {
  /** The number of bytes of a byte stream or a transfer to keep in each direction; 1 MiB by default. The rest is hashed. */
  readonly maxBytes?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ReplayOptions extends ScrubOptions {
  /**
   * Calls that the program makes on a timer, so that their number varies between runs. Calls for the exporter's status
   * always count as polled. Polled calls return the results that were recorded up to the program's current step, in
   * order, and then the last one again. The replay does not report a missing polled call.
   */
  readonly polled?: ReadonlyArray<Omit<Faults.Match, "occurrence">> | undefined
  /**
   * How long the replay waits for the program's next recorded step, in real time and in addition to the recorded time;
   * 3 seconds by default. A step is a call, data or the end of a call or stream. Afterwards the replay fails, because
   * the program has changed.
   */
  readonly patience?: Duration.DurationInput | undefined
  /** `recorded` makes the exporter respond after the recorded time, on Effect's clock; by default it responds at once. */
  readonly timing?: "immediate" | "recorded" | undefined
}

const unusable = (path: string) => (cause: { readonly message: string }) =>
  new RecordingError({ path, line: 0, reason: "File", details: cause.message, cause })

// Opens a file beside an existing recording, and replaces that recording after a successful run. A recording of a
// failed run is better than none, but does not replace an existing one.
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

// Writes lines in the background, all of them before the scope has closed. Dies when the file cannot be written
// completely, because an incomplete file is not a recording and no caller could receive the failure.
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
 * Returns a channel that records its traffic into a file until the scope closes. The file is written with the suffix
 * `.partial`, and replaces an existing recording unless the scope closes with a failure. The program sees no
 * difference. Only RPCs of exporters can be recorded; other RPCs are refused.
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
      scrub: scrubbing.of(options),
      maxBytes: options.maxBytes ?? 1024 * 1024,
      write
    })
    yield* Effect.addFinalizer(() => flush)
    return GrpcChannel.make(transport)
  })

/**
 * A channel that replays a recording.
 *
 * @since 0.1.0
 * @category models
 */
export interface Replay {
  readonly channel: GrpcChannel.Channel
  /** The differences so far, and the steps of the recording that the program has not made. */
  readonly differences: Effect.Effect<ReadonlyArray<string>>
}

/**
 * Replays a recording without a connection.
 *
 * Calls are matched by driver, method and arguments; streams by driver, method and order; sent bytes by their content.
 * Data from the exporter arrives only after the program has made all steps that were recorded before it, so that a
 * console sends text when the power is switched on. A call that does not match fails with `InvalidArgument`, and its
 * message names the expected call and the difference:
 *
 * ```text
 * call flasher.flash(<resource>, "boot") is not in the recording board.jsonl
 *   expected next: call flasher.flash(<resource>, "root") (line 21)
 *   arguments[1]: recorded "root", got "boot"
 * ```
 *
 * When the scope closes after a success, it dies with a `ReplayError` if there were differences, even if the program
 * swallowed them, or if the program omitted a recorded step. After a failure, the differences are logged, because they
 * may be its cause.
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
      scrub: scrubbing.of(options),
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
 * Records the traffic of a channel into a file; see `record`.
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
 * // Keep passwords out of the repository.
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
 * Replays a recording; see `replay`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerReplay = (
  path: string,
  options?: ReplayOptions
): Layer.Layer<GrpcChannel.GrpcChannel, RecordingError, FileSystem.FileSystem> =>
  Layer.scoped(GrpcChannel.GrpcChannel, Effect.map(replay(path, options), ({ channel }) => channel))
