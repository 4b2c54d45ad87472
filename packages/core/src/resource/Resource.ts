/**
 * Client-side bytes lent to a driver: a source for it to read, or a sink for it to write (`protocol.md` 6).
 *
 * @since 0.1.0
 */
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Pipeable from "effect/Pipeable"
import * as Schema from "effect/Schema"
import type * as EffectSink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { PresignedRequest } from "../protocol/streamRequest.ts"
import * as interruptible from "../util/interruptible.ts"
import * as monotonicClock from "../util/monotonicClock.ts"
import type { ContentEncoding } from "./ContentEncoding.ts"
import * as declaredSize from "./declaredSize.ts"
import { SizeMismatch } from "./declaredSize.ts"
import {
  type Argument,
  type Arguments,
  type DriverResource,
  ResourceHandle,
  type TransferError,
  type TransferProgress,
  type Unready
} from "./handle.ts"
import * as localFile from "./localFile.ts"
import * as memory from "./memory.ts"
import { TransferTooLarge } from "./memory.ts"
import { presignedAsIs } from "./presignedAsIs.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface ResourceOptions {
  /**
   * The encoding of the bytes on this side; none unless given. A source is sent as it is and decoded by the exporter.
   * What a driver writes is encoded here, because exporters are known to lose the tail of what they encode
   * (`protocol.md` 6.3).
   *
   * Without an encoding, a warning is logged when the name of a file, or the first bytes of a source, suggest one.
   * `identity`, HTTP's name for no encoding, sends the bytes as they are without a warning.
   */
  readonly contentEncoding?: ContentEncoding | "identity" | undefined
  /** What warnings call the bytes, such as `image.raw.xz`; the path of a file unless given. */
  readonly name?: string | undefined
}

/**
 * Watches the transfers of a resource, see `withProgress`.
 *
 * @since 0.1.0
 * @category models
 */
export type ProgressObserver<E, R> = (progress: Stream.Stream<TransferProgress>) => Effect.Effect<void, E, R>

/**
 * Bytes to send, and their number if known.
 *
 * @since 0.1.0
 * @category models
 */
export interface Source<A, E, R> extends Pipeable.Pipeable {
  readonly _tag: "Source"
  readonly stream: Stream.Stream<Uint8Array, E, R>
  readonly contentEncoding: Option.Option<ContentEncoding>
  readonly name?: string | undefined
  /** Whether to send the bytes as they are, even if they look encoded. */
  readonly asIs?: boolean | undefined
  readonly size: Option.Option<number>
  /** The result of a completed transfer. */
  readonly result: A
  readonly observe: ProgressObserver<E, R>
}

/**
 * A place that receives bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sink<A, E, R> extends Pipeable.Pipeable {
  readonly _tag: "Sink"
  readonly sink: EffectSink.Sink<A, Uint8Array, unknown, E, R>
  readonly contentEncoding: Option.Option<ContentEncoding>
  readonly name?: string | undefined
  /** Whether to keep the bytes as they are, even if the name suggests an encoding. */
  readonly asIs?: boolean | undefined
  /** How many bytes the driver is expected to write, if known. */
  readonly size: Option.Option<number>
  /** Fails when this number of bytes is not the expected one, so far or at the end. */
  readonly expect: (bytes: number, ended: boolean) => Effect.Effect<void, E>
  readonly observe: ProgressObserver<E, R>
}

/**
 * @since 0.1.0
 * @category models
 */
export type Resource<A, E, R> = Source<A, E, R> | Sink<A, E, R>

export {
  type Argument,
  type Arguments,
  type DriverResource,
  ResourceHandle,
  SizeMismatch,
  type TransferError,
  type TransferProgress,
  TransferTooLarge,
  type Unready
}

/**
 * Returns whether a value is a resource that is not open yet: a source or a sink.
 *
 * @since 0.1.0
 * @category guards
 */
export const isResource = (u: unknown): u is Resource<unknown, unknown, unknown> =>
  typeof u === "object" && u !== null && "_tag" in u && "observe" in u && (u._tag === "Source" || u._tag === "Sink")

// What the options say about the form of the bytes.
const formOf = ({ contentEncoding, name }: ResourceOptions) => ({
  contentEncoding: contentEncoding === "identity" ? Option.none() : Option.fromNullable(contentEncoding),
  name,
  asIs: contentEncoding === "identity"
})

/**
 * Makes a source from a stream, such as an image to flash. `size`, in bytes, gives progress a total, and is a promise: a
 * stream with another number of bytes fails the transfer with `SizeMismatch`. Do not change chunks after the stream has
 * emitted them: they may still be on their way.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { ExporterConnection, Resource } from "@effect-jumpstarter/core"
 * import { FileSystem } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const flash = Effect.gen(function*() {
 *   const fileSystem = yield* FileSystem.FileSystem
 *   const flasher = yield* ExporterConnection.driver("flasher")
 *   const image = Resource.source(fileSystem.stream("image.img.gz"), { contentEncoding: "gzip" })
 *   yield* flasher.call("flash", yield* flasher.resource(image))
 * }).pipe(Effect.scoped)
 * ```
 */
export function source<E, R>(
  stream: Stream.Stream<Uint8Array, E, R>,
  options?: ResourceOptions & { readonly size?: undefined }
): Source<void, E, R>
export function source<E, R>(
  stream: Stream.Stream<Uint8Array, E, R>,
  options: ResourceOptions & { readonly size?: number | undefined }
): Source<void, E | SizeMismatch, R>
export function source<E, R>(
  stream: Stream.Stream<Uint8Array, E, R>,
  options: ResourceOptions & { readonly size?: number | undefined } = {}
): Source<void, E | SizeMismatch, R> {
  return {
    ...Pipeable.Prototype,
    _tag: "Source",
    stream: options.size === undefined ? stream : declaredSize.counted(stream, options.size),
    ...formOf(options),
    size: Option.fromNullable(options.size),
    result: undefined,
    observe: () => Effect.void
  }
}

/**
 * Makes a sink for a driver to write to, such as the dump of a partition. `size` is the number of bytes that the driver is
 * expected to write, before they are encoded. It gives progress a total, and another number of bytes fails the transfer
 * with `SizeMismatch`.
 *
 * @since 0.1.0
 * @category constructors
 */
export function sink<A, E, R>(
  sink: EffectSink.Sink<A, Uint8Array, unknown, E, R>,
  options?: ResourceOptions & { readonly size?: undefined }
): Sink<A, E, R>
export function sink<A, E, R>(
  sink: EffectSink.Sink<A, Uint8Array, unknown, E, R>,
  options: ResourceOptions & { readonly size?: number | undefined }
): Sink<A, E | SizeMismatch, R>
export function sink<A, E, R>(
  sink: EffectSink.Sink<A, Uint8Array, unknown, E, R>,
  options: ResourceOptions & { readonly size?: number | undefined } = {}
): Sink<A, E | SizeMismatch, R> {
  return {
    ...Pipeable.Prototype,
    _tag: "Sink",
    sink,
    ...formOf(options),
    size: Option.fromNullable(options.size),
    expect: options.size === undefined ? () => Effect.void : declaredSize.keepSize("driver", options.size),
    observe: () => Effect.void
  }
}

/**
 * Makes a source from bytes in memory. Do not change them before the transfer is over.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { Flasher } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class BoardFlasher extends Device.Tag("acme/BoardFlasher", Flasher.contract)<BoardFlasher>() {}
 *
 * const configure = Effect.gen(function*() {
 *   const flasher = yield* BoardFlasher
 *   yield* flasher.flash(Resource.fromString("console=ttyS0\n"), "config")
 *   const written = yield* flasher.dump(Resource.toBytes(), "config")
 *   yield* flasher.flash(Resource.fromBytes(written), "backup")
 * })
 * ```
 */
export const fromBytes = (bytes: Uint8Array, options?: ResourceOptions): Source<void, never, never> => ({
  ...source(Stream.fromChunk(Chunk.of(bytes)), options),
  size: Option.some(bytes.length)
})

/**
 * Makes a source from text, as UTF-8. A lone surrogate, which UTF-8 does not have, becomes U+FFFD.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromString = (text: string, options?: ResourceOptions): Source<void, never, never> =>
  fromBytes(new TextEncoder().encode(text), options)

/**
 * Collects in memory what a driver writes; the call returns the bytes. `limit` is their maximum number, 64 MiB unless
 * given. More bytes fail the transfer with `TransferTooLarge` as soon as they arrive. For larger dumps, use `toFile`.
 *
 * @since 0.1.0
 * @category constructors
 */
export function toBytes(
  options?: ResourceOptions & { readonly limit?: number | undefined; readonly size?: undefined }
): Sink<Uint8Array, TransferTooLarge, never>
export function toBytes(
  options: ResourceOptions & { readonly limit?: number | undefined; readonly size?: number | undefined }
): Sink<Uint8Array, TransferTooLarge | SizeMismatch, never>
export function toBytes(
  options: ResourceOptions & { readonly limit?: number | undefined; readonly size?: number | undefined } = {}
): Sink<Uint8Array, TransferTooLarge | SizeMismatch, never> {
  return sink(memory.collect(options.limit ?? 64 * 1024 * 1024), options)
}

/**
 * Opens a local file for a driver to read: a regular one, a pipe such as a FIFO or `/dev/stdin`, or a device. Fails when
 * the file cannot be examined, or is a directory.
 *
 * The size of a regular file is a promise, like that of `source`: a file that is cut or grows before it has been read fails
 * the transfer. Pipes, devices and the files of `/proc` have no size. A pipe can be read once. The transfer waits for a
 * process that writes to the pipe, and ends when none has it open for writing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromFile = (
  path: string,
  options: ResourceOptions = {}
): Effect.Effect<
  Source<void, PlatformError.PlatformError | SizeMismatch, never>,
  PlatformError.PlatformError,
  FileSystem.FileSystem
> =>
  Effect.gen(function*() {
    const fileSystem = yield* FileSystem.FileSystem
    const { size, stream } = yield* localFile.open(fileSystem, path)
    return source(stream, { ...options, name: options.name ?? path, size })
  })

/**
 * A local file for a driver to write to: a regular one, a pipe such as a FIFO or `/dev/stdout`, or a device. A regular file
 * is created, or emptied, when the transfer begins. A transfer that fails or is interrupted leaves the bytes that had
 * arrived, so the file is complete only when the call has succeeded. A transfer into a FIFO waits until a process reads
 * from it, and fails when the reader leaves.
 *
 * @since 0.1.0
 * @category constructors
 */
export function toFile(
  path: string,
  options?: ResourceOptions & { readonly size?: undefined }
): Effect.Effect<Sink<void, PlatformError.PlatformError, never>, never, FileSystem.FileSystem>
export function toFile(
  path: string,
  options: ResourceOptions & { readonly size?: number | undefined }
): Effect.Effect<Sink<void, PlatformError.PlatformError | SizeMismatch, never>, never, FileSystem.FileSystem>
export function toFile(
  path: string,
  options: ResourceOptions & { readonly size?: number | undefined } = {}
): Effect.Effect<Sink<void, PlatformError.PlatformError | SizeMismatch, never>, never, FileSystem.FileSystem> {
  return Effect.map(
    FileSystem.FileSystem,
    (fileSystem) => sink(localFile.sink(fileSystem, path), { ...options, name: options.name ?? path })
  )
}

export type { PresignedRequest }

/**
 * A request for the exporter to make. The URL is absolute and carries its own authorization, like one presigned by an
 * object store: a `GET` unless given, for a driver to read, or a `PUT` for it to write. Python exporters hang on a `PUT`,
 * and do not follow relative redirects (`protocol.md` 6.4).
 *
 * A `Content-Length` in the headers of a `PUT` declares how many bytes the driver will write; some object stores require
 * it. Headers about a connection, such as `Connection` and `Transfer-Encoding`, are left out.
 *
 * The bytes stay as they are: an exporter neither decodes nor encodes them. A call logs a warning when the path of the
 * request ends like that of a compressed file, such as `.xz`; `contentEncoding: "identity"` turns it off.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { ExporterConnection, Resource } from "@effect-jumpstarter/core"
 * import { Effect } from "effect"
 *
 * const flash = Effect.gen(function*() {
 *   const flasher = yield* ExporterConnection.driver("flasher")
 *   yield* flasher.call("flash", Resource.presigned("https://images.example/board.img?signature=..."))
 * })
 * ```
 */
export const presigned = (
  url: string,
  options: {
    readonly method?: PresignedRequest["method"] | undefined
    readonly headers?: PresignedRequest["headers"] | undefined
    readonly contentEncoding?: "identity" | undefined
  } = {}
): PresignedRequest => {
  const request: PresignedRequest = {
    kind: "presigned_request",
    url,
    method: options.method ?? "GET",
    headers: options.headers ?? {}
  }
  if (options.contentEncoding === "identity") presignedAsIs.add(request)
  return request
}

/**
 * The resource with another observer, whose errors and requirements become those of the transfer.
 *
 * @since 0.1.0
 * @category models
 */
export type Observed<Self, E2, R2> = Self extends Source<infer A, infer E, infer R> ? Source<A, E | E2, R | R2>
  : Self extends Sink<infer A, infer E, infer R> ? Sink<A, E | E2, R | R2>
  : never

/**
 * Watches every transfer of a resource. The observer runs next to the transfer and gets its progress, sampled every 100 ms,
 * until the transfer ends. A call that succeeds waits for the observer, and a call that fails or is interrupted interrupts
 * it. When the observer fails, so does the transfer. `ProgressBar.show` shows the progress on the terminal.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { Flasher } from "@effect-jumpstarter/core/drivers"
 * import { Effect, Stream } from "effect"
 *
 * class BoardFlasher extends Device.Tag("acme/BoardFlasher", Flasher.contract)<BoardFlasher>() {}
 *
 * const install = Effect.gen(function*() {
 *   const flasher = yield* BoardFlasher
 *   const image = yield* Resource.fromFile("rootfs.img")
 *   const logged = image.pipe(Resource.withProgress(Stream.runForEach(({ bytes }) => Effect.logDebug(`${bytes} bytes`))))
 *   yield* flasher.flash(logged, "root")
 * })
 * ```
 */
export const withProgress: {
  <E2, R2>(
    observe: ProgressObserver<E2, R2>
  ): <Self extends Resource<unknown, unknown, unknown>>(resource: Self) => Observed<Self, E2, R2>
  <Self extends Resource<unknown, unknown, unknown>, E2, R2>(
    resource: Self,
    observe: ProgressObserver<E2, R2>
  ): Observed<Self, E2, R2>
} = dual(
  2,
  <A, E, R, E2, R2>(resource: Resource<A, E, R>, observe: ProgressObserver<E2, R2>): Resource<A, E | E2, R | R2> => ({
    ...resource,
    observe: (progress) => interruptible.both(resource.observe(progress), observe(progress))
  })
)

/**
 * No byte of a transfer moved for as long as its `withIdleTimeout` allows.
 *
 * @since 0.1.0
 * @category errors
 */
export class TransferStalled extends Schema.TaggedError<TransferStalled>(
  "@effect-jumpstarter/core/Resource/TransferStalled"
)("TransferStalled", {
  idleTimeout: Schema.DurationFromMillis,
  /** How many bytes had moved, counted as in `TransferProgress`. */
  bytes: Schema.Number,
  /** The total number of bytes, if known. */
  total: Schema.Option(Schema.Number)
}) {
  override get message(): string {
    const total = Option.match(this.total, { onNone: () => "", onSome: (total) => ` of ${total}` })
    const duration = Duration.format(this.idleTimeout)
    return `the transfer stalled after ${this.bytes}${total} bytes: no byte moved for ${duration} (Resource.withIdleTimeout)`
  }
}

const failWhenIdle = (idleTimeout: Duration.Duration): ProgressObserver<TransferStalled, never> => (progress) =>
  Effect.flatMap(
    monotonicClock.currentMillis,
    (opened) =>
      Stream.runFoldEffect(
        progress,
        { bytes: 0, since: opened },
        (last, { bytes, done, total }) =>
          Effect.flatMap(monotonicClock.currentMillis, (now) => {
            if (done) {
              return Effect.succeed(last)
            }
            if (bytes > last.bytes) return Effect.succeed({ bytes, since: now })
            return now - last.since < Duration.toMillis(idleTimeout)
              ? Effect.succeed(last)
              : new TransferStalled({ idleTimeout, bytes, total })
          })
      )
  )

/**
 * Fails every transfer of a resource, and its call, when no byte has moved for the given time, for any reason: a driver
 * that does not read or write, a source that emits nothing, or a sink that accepts nothing. Without this, a transfer may
 * stall indefinitely.
 *
 * The time starts when the resource is opened, and runs until the transfer is complete. So the driver's work before the
 * first byte and after the last one, such as erasing and syncing, must also be quicker. The time is measured to 100 ms.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Device, ProgressBar, Resource } from "@effect-jumpstarter/core"
 * import { Flasher } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class BoardFlasher extends Device.Tag("acme/BoardFlasher", Flasher.contract)<BoardFlasher>() {}
 *
 * const install = Effect.gen(function*() {
 *   const flasher = yield* BoardFlasher
 *   const image = yield* Resource.fromFile("rootfs.img")
 *   yield* flasher.flash(image.pipe(ProgressBar.show({ label: "root" }), Resource.withIdleTimeout("1 minute")), "root")
 * }).pipe(
 *   Effect.catchTag("TransferStalled", ({ bytes }) => Effect.logError(`the board hangs after ${bytes} bytes`))
 * )
 * ```
 */
export const withIdleTimeout: {
  (
    duration: Duration.DurationInput
  ): <Self extends Resource<unknown, unknown, unknown>>(resource: Self) => Observed<Self, TransferStalled, never>
  <Self extends Resource<unknown, unknown, unknown>>(
    resource: Self,
    duration: Duration.DurationInput
  ): Observed<Self, TransferStalled, never>
} = dual(
  2,
  <Self extends Resource<unknown, unknown, unknown>>(resource: Self, duration: Duration.DurationInput) =>
    withProgress(resource, failWhenIdle(Duration.decode(duration)))
)
