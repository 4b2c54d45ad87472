/**
 * Cameras and capture cards behind µStreamer: `jumpstarter_driver_ustreamer` (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as family from "./family/video.ts"

/**
 * The state of a µStreamer.
 *
 * @since 0.1.0
 * @category schemas
 */
export const State = Schema.Struct({
  ok: Schema.Boolean,
  result: Schema.Struct({
    /** The kind of the encoder, such as `CPU`, and its quality in percent. */
    encoder: Schema.Struct({ type: Schema.String, quality: Schema.Int }),
    source: Schema.Struct({
      online: Schema.Boolean,
      desired_fps: Schema.Int,
      captured_fps: Schema.Int,
      /** In pixels. */
      resolution: Schema.Struct({ width: Schema.Int, height: Schema.Int })
    })
  })
})

/**
 * @since 0.1.0
 * @category models
 */
export interface State extends Schema.Schema.Type<typeof State> {}

/**
 * The contract. `Video.frames` streams the pictures.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { UStreamer, Video } from "@effect-jumpstarter/core/drivers"
 * import { Effect, Stream } from "effect"
 *
 * class Screen extends Device.Tag("acme/Screen", UStreamer.contract)<Screen>() {}
 *
 * const film = Effect.gen(function*() {
 *   const screen = yield* Screen
 *   const { result } = yield* screen.state()
 *   return yield* Video.frames(screen).pipe(Stream.take(result.source.desired_fps), Stream.runCollect)
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_ustreamer.client.UStreamerClient", {
  ...family.watching,
  /** The state of the encoder and of the source. */
  state: DriverMethod.call({
    result: State,
    effect: "read",
    documentation: "The state of the encoder and of the source.",
    idempotent: true
  })
}, { driverType: "video" })

/**
 * The client of a µStreamer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}
