/**
 * Client-side bytes lent to a driver: a source it reads from, or a sink it writes to (`protocol.md` 6).
 *
 * @since 0.1.0
 */
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as EffectSink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { DriverCallError } from "../protocol/DriverError.ts"
import type { DriverFailure } from "../protocol/DriverFailure.ts"
import type { JsonValue } from "../protocol/ProtobufValue.ts"
import type { PresignedRequest } from "../protocol/streamRequest.ts"
import * as interruptible from "../util/interruptible.ts"
import * as monotonicClock from "../util/monotonicClock.ts"
import type { ContentEncoding } from "./ContentEncoding.ts"
import * as declaredSize from "./declaredSize.ts"
import { SizeMismatch } from "./declaredSize.ts"
import * as localFile from "./localFile.ts"
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
   * Without an encoding, a warning is logged when the name of a file or the first bytes of a source say that there is one.
   * `identity`, HTTP's name for none, says that the bytes are meant as they are, and nothing is logged.
   */
  readonly contentEncoding?: ContentEncoding | "identity" | undefined
  /** What the bytes are called in a warning, such as `image.raw.xz`; the path of a file unless given. */
  readonly name?: string | undefined
}

/**
 * How far a transfer has come. `bytes` counts what was received, or given to the transport, whose buffers a source may be
 * ahead of the wire by; `total` is the size of the source if known.
 *
 * @since 0.1.0
 * @category models
 */
export interface TransferProgress {
  readonly bytes: number
  readonly total: Option.Option<number>
  readonly done: boolean
}

/**
 * What watches the transfers of a resource, see `withProgress`.
 *
 * @since 0.1.0
 * @category models
 */
export type ProgressObserver<E, R> = (progress: Stream.Stream<TransferProgress>) => Effect.Effect<void, E, R>

/**
 * Bytes to send, and how many there are when that is known.
 *
 * @since 0.1.0
 * @category models
 */
export interface Source<A, E, R> {
  readonly _tag: "Source"
  readonly stream: Stream.Stream<Uint8Array, E, R>
  readonly contentEncoding: Option.Option<ContentEncoding>
  readonly name?: string | undefined
  /** Whether the bytes are meant as they are, also when they look encoded. */
  readonly asIs?: boolean | undefined
  readonly size: Option.Option<number>
  /** What the transfer results in when it is done. */
  readonly result: A
  readonly observe: ProgressObserver<E, R>
}

/**
 * A place for bytes to be received.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sink<A, E, R> {
  readonly _tag: "Sink"
  readonly sink: EffectSink.Sink<A, Uint8Array, unknown, E, R>
  readonly contentEncoding: Option.Option<ContentEncoding>
  readonly name?: string | undefined
  /** Whether the bytes are meant as they are, also when the name says otherwise. */
  readonly asIs?: boolean | undefined
  /** How many bytes the driver is expected to write, if that is known. */
  readonly size: Option.Option<number>
  /** Fails when that many bytes, and then the end or more of them, are not what is expected. */
  readonly expect: (bytes: number, ended: boolean) => Effect.Effect<void, E>
  readonly observe: ProgressObserver<E, R>
}

/**
 * @since 0.1.0
 * @category models
 */
export type Resource<A, E, R> = Source<A, E, R> | Sink<A, E, R>

export { SizeMismatch }

// What the options say about the form of the bytes.
const formOf = ({ contentEncoding, name }: ResourceOptions) => ({
  contentEncoding: contentEncoding === "identity" ? Option.none() : Option.fromNullable(contentEncoding),
  name,
  asIs: contentEncoding === "identity"
})

/**
 * A stream for a driver to read, such as an image to flash. `size`, in bytes, gives progress a total, and is a promise: a
 * stream with another number of bytes fails the transfer with `SizeMismatch`. What the stream has given must not be changed
 * afterwards: it may still be on its way.
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
    _tag: "Source",
    stream: options.size === undefined ? stream : declaredSize.counted(stream, options.size),
    ...formOf(options),
    size: Option.fromNullable(options.size),
    result: undefined,
    observe: () => Effect.void
  }
}

/**
 * A sink for a driver to write to, such as the dump of a partition. `size` says how many bytes the driver is expected to write,
 * before they are encoded: it gives progress a total, and another number of bytes fails the transfer with `SizeMismatch`.
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
    _tag: "Sink",
    sink,
    ...formOf(options),
    size: Option.fromNullable(options.size),
    expect: options.size === undefined ? () => Effect.void : declaredSize.keepSize("driver", options.size),
    observe: () => Effect.void
  }
}

/**
 * A local file for a driver to read: a regular one, a pipe such as a FIFO or `/dev/stdin`, or a device. Fails when the file
 * cannot be examined, or is a directory.
 *
 * The size of a regular file is a promise, as that of `source` is: one that is cut or grows until it is read fails the
 * transfer. Pipes, devices and the files of `/proc` have no size. A pipe can be read once, and is read until nobody has it
 * open for writing any more; the transfer waits for somebody who does.
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
 * A local file for a driver to write to: a regular one, a pipe such as a FIFO or `/dev/stdout`, or a device. A regular file is
 * created, or emptied, when the transfer begins. A transfer that fails or is interrupted leaves what had arrived, so the file
 * is whole only when the call has succeeded. A transfer into a FIFO waits until somebody reads from it, and fails when
 * nobody does any more.
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
 * A request for the exporter to make. The URL is absolute, and says all there is to say about who may do this, as one
 * presigned by an object store does: a `GET` unless given, for a driver to read, or a `PUT` for it to write. Exporters in
 * Python hang on a `PUT`, and follow no relative redirects (`protocol.md` 6.4).
 *
 * A `Content-Length` among the headers of a `PUT` declares how many bytes the driver will write; some object stores require
 * it. Headers about a connection, such as `Connection` and `Transfer-Encoding`, are left out.
 *
 * The bytes stay as they are: an exporter neither decodes nor encodes them. A call with a request whose path ends like that of
 * a compressed file, such as `.xz`, logs a warning; `contentEncoding: "identity"` says that this is meant.
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
 * Has every transfer of a resource watched: the observer runs beside it and gets its progress, sampled every 100 ms, which
 * ends with the transfer. A call that succeeds waits for it, one that fails or is interrupted interrupts it, and when it
 * fails so does the transfer.
 * `ProgressBar.show` shows the progress on the terminal.
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
 *   const logged = Resource.withProgress(image, Stream.runForEach(({ bytes }) => Effect.logDebug(`${bytes} bytes`)))
 *   yield* flasher.flash(logged, "root")
 * })
 * ```
 */
export function withProgress<A, E, R, E2, R2>(
  resource: Source<A, E, R>,
  observe: ProgressObserver<E2, R2>
): Source<A, E | E2, R | R2>
export function withProgress<A, E, R, E2, R2>(
  resource: Sink<A, E, R>,
  observe: ProgressObserver<E2, R2>
): Sink<A, E | E2, R | R2>
export function withProgress<A, E, R, E2, R2>(
  resource: Resource<A, E, R>,
  observe: ProgressObserver<E2, R2>
): Resource<A, E | E2, R | R2>
export function withProgress<A, E, R, E2, R2>(
  resource: Resource<A, E, R>,
  observe: ProgressObserver<E2, R2>
): Resource<A, E | E2, R | R2> {
  return {
    ...resource,
    observe: (progress) => interruptible.both(resource.observe(progress), observe(progress))
  }
}

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
  /** How many there are in all, if that is known. */
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
 * Fails every transfer of a resource, and with it the call, when no byte has moved for the given time, whatever the
 * cause: a driver that does not read or write, a source that gives nothing, or a sink that takes nothing. Without this, a
 * transfer may stall indefinitely.
 *
 * The time runs from when the resource is opened until the transfer is complete. So what the driver does before its first
 * and after its last byte, such as erasing and syncing, has to be quicker than that too. It is measured to 100 ms.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { Flasher } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class BoardFlasher extends Device.Tag("acme/BoardFlasher", Flasher.contract)<BoardFlasher>() {}
 *
 * const install = Effect.gen(function*() {
 *   const flasher = yield* BoardFlasher
 *   const image = yield* Resource.fromFile("rootfs.img")
 *   yield* flasher.flash(Resource.withIdleTimeout(image, "1 minute"), "root")
 * }).pipe(
 *   Effect.catchTag("TransferStalled", ({ bytes }) => Effect.logError(`the board hangs after ${bytes} bytes`))
 * )
 * ```
 */
export function withIdleTimeout<A, E, R>(
  resource: Source<A, E, R>,
  duration: Duration.DurationInput
): Source<A, E | TransferStalled, R>
export function withIdleTimeout<A, E, R>(
  resource: Sink<A, E, R>,
  duration: Duration.DurationInput
): Sink<A, E | TransferStalled, R>
export function withIdleTimeout<A, E, R>(
  resource: Resource<A, E, R>,
  duration: Duration.DurationInput
): Resource<A, E | TransferStalled, R> {
  return withProgress<A, E, R, TransferStalled, never>(resource, failWhenIdle(Duration.decode(duration)))
}

/**
 * A resource that is open for a driver. Pass it to a call of the same driver as an argument; that call succeeds only
 * when the transfer did. It can be used once.
 *
 * @since 0.1.0
 * @category models
 */
export class ResourceHandle<out A, out E> {
  constructor(
    /** What travels in its place as an argument. */
    readonly handle: JsonValue,
    /** Progress, sampled at an interval (100 ms unless given); ends with the transfer. */
    readonly progress: (options?: {
      readonly interval?: Duration.DurationInput | undefined
    }) => Stream.Stream<TransferProgress>,
    /** The outcome of the transfer: what a sink made of the bytes, nothing for a source. */
    readonly result: Effect.Effect<A, E | DriverCallError>,
    /**
     * What a call that has been answered still has to wait for.
     *
     * @internal
     */
    readonly settle: Effect.Effect<void, E | DriverCallError>
  ) {}
}

/**
 * What can be an argument of a driver call.
 *
 * @since 0.1.0
 * @category models
 */
export type Argument = JsonValue | ResourceHandle<unknown, unknown>

/**
 * A resource that is not open, or an effect that has not run: what cannot be an argument, and is easily taken for one.
 *
 * @since 0.1.0
 * @category models
 */
export type Unready =
  | { readonly _tag: "Source" | "Sink"; readonly observe: unknown }
  | { readonly [Effect.EffectTypeId]: unknown }

type Passed<Arg> = Arg extends { readonly _tag: "Source" | "Sink"; readonly observe: unknown }
  ? "open it first: pass the handle that `yield* client.resource(...)` gives"
  : Arg extends { readonly [Effect.EffectTypeId]: unknown } ? "run it first: pass what `yield*` makes of it"
  : Arg

/**
 * The arguments of a call by name, with advice as the type of those that are not ready.
 *
 * @since 0.1.0
 * @category models
 */
export type Arguments<Args extends ReadonlyArray<unknown>> = { readonly [Index in keyof Args]: Passed<Args[Index]> }

/**
 * What the transfers among some arguments can fail with.
 *
 * @since 0.1.0
 * @category models
 */
export type TransferError<Args extends ReadonlyArray<unknown>> = Args[number] extends infer Arg
  ? Arg extends ResourceHandle<infer _A, infer E> ? E : never
  : never

/**
 * A client's resource while a driver uses it (`protocol.md` 6): a stream of the client, whose bytes are decoded and
 * encoded as the client asked, or a request that the client has presigned. Of a request there is one side only, and it
 * can be used once.
 *
 * @since 0.1.0
 * @category models
 */
export interface DriverResource {
  /** The client's bytes. Fails when they were cut off before their end, or when they do not decode. */
  readonly read: Stream.Stream<Uint8Array, DriverFailure>
  /** Sends bytes to the client, all of them to the last; for a request, until the server has confirmed them. */
  readonly write: (bytes: Stream.Stream<Uint8Array, DriverFailure>) => Effect.Effect<void, DriverFailure>
}
