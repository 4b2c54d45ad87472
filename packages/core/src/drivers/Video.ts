/**
 * Cameras that serve JPEGs over HTTP: `jumpstarter_driver_video` (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import * as family from "./family/video.ts"
import * as httpGet from "./video/httpGet.ts"
import * as parts from "./video/parts.ts"

/**
 * The state of a source. Width and height are in pixels; what the source does not say is missing or null.
 *
 * @since 0.1.0
 * @category schemas
 */
export const State = Schema.Struct({
  online: Schema.Boolean,
  width: Schema.optional(Schema.NullOr(Schema.Int)),
  height: Schema.optional(Schema.NullOr(Schema.Int)),
  fps: Schema.optional(Schema.NullOr(Schema.Number))
})

/**
 * @since 0.1.0
 * @category models
 */
export interface State extends Schema.Schema.Type<typeof State> {}

/**
 * The contract. `frames` streams the pictures.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { Video } from "@effect-jumpstarter/core/drivers"
 * import { Effect, Stream } from "effect"
 *
 * class Camera extends Device.Tag("acme/Camera", Video.contract)<Camera>() {}
 *
 * // The size of each of the next ten pictures.
 * const sizes = Effect.gen(function*() {
 *   const frames = Video.frames(yield* Camera)
 *   return yield* frames.pipe(Stream.take(10), Stream.map((jpeg) => jpeg.length), Stream.runCollect)
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_video.client.VideoClient", {
  ...family.watching,
  /** Whether the source delivers pictures, and their size. */
  state: DriverMethod.call({
    result: State,
    effect: "read",
    documentation: "Whether the source delivers pictures, and their size.",
    idempotent: true
  })
}, { driverType: "video" })

/**
 * The client of a source of video.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * The HTTP server of a source did not answer with a stream of pictures, or the stream broke off.
 *
 * @since 0.1.0
 * @category errors
 */
export class VideoError extends Schema.TaggedError<VideoError>("@effect-jumpstarter/core/drivers/Video/VideoError")(
  "VideoError",
  {
    /** The path of the stream on the HTTP server. */
    path: Schema.String,
    /** The status of the HTTP response, if there was one. */
    status: Schema.optional(Schema.Number),
    reason: Schema.String
  }
) {
  override get message(): string {
    return `no pictures from the stream ${this.path}: ${this.reason}`
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export interface FramesOptions {
  /** The path of the stream on the HTTP server. By default the driver is asked; drivers that do not say have `/stream`. */
  readonly path?: string | undefined
}

/**
 * Streams the pictures of a source, each as the bytes of a JPEG, at the rate of the source. The stream does not end by itself:
 * take as many pictures as are needed. A source whose pictures are not read waits, or drops pictures.
 *
 * @since 0.1.0
 * @category combinators
 */
export const frames = (
  video: Pick<Client, "connect" | "stream_path">,
  options: FramesOptions = {}
): Stream.Stream<Uint8Array, DriverCallError | VideoError> => {
  const caller = callers.of()
  const failed = (path: string, reason: string, status?: number) =>
    callers.blame(new VideoError({ path, reason, status }), { caller })
  const pathOf = options.path === undefined
    ? Effect.catchTag(
      Effect.suspend(() => callers.on(caller, () => video.stream_path())),
      "MethodNotImplemented",
      () => Effect.succeed("/stream")
    )
    : Effect.succeed(options.path)
  return Stream.unwrapScoped(Effect.gen(function*() {
    const path = yield* pathOf
    const stream = yield* callers.on(caller, () => video.connect())
    const onError = (error: DriverCallError | httpGet.HttpFailure) =>
      error._tag === "HttpFailure" ? failed(path, error.message) : error
    const response = yield* Effect.mapError(httpGet.get(stream, path), onError)
    const { contentType, status } = response
    if (status !== 200) return yield* failed(path, `the HTTP server answered with status ${status}`, status)
    const boundary = parts.boundaryOf(contentType)
    if (boundary === undefined) {
      return yield* failed(
        path,
        `the HTTP server answered with ${contentType || "no content type"}, not with a stream`,
        status
      )
    }
    const split = new parts.Parts(boundary)
    return response.body.pipe(
      Stream.mapError(onError),
      Stream.mapConcatEffect((bytes) => {
        const complete = split.push(bytes)
        return typeof complete === "string" ? failed(path, complete, status) : Effect.succeed(complete)
      }),
      Stream.concat(Stream.fail(failed(path, "the HTTP server ended the stream", status)))
    )
  }))
}
