/**
 * A fake camera whose pictures come from the test.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Video from "../drivers/Video.ts"
import * as Bytes from "../grpc/Bytes.ts"
import * as Driver from "../host/Driver.ts"
import * as ByteStream from "../protocol/ByteStream.ts"
import * as DriverFailure from "../protocol/DriverFailure.ts"

/**
 * The driver, with the state that a test can observe and change.
 *
 * @since 0.1.0
 * @category testing
 */
export interface VideoTest {
  /** A driver of `Video.contract`. */
  readonly driver: Driver.Driver
  /** Shows a picture, the bytes of a JPEG. Every viewer gets it. */
  readonly show: (jpeg: Uint8Array) => Effect.Effect<void>
  /** Sets whether the camera delivers pictures; one that does not refuses snapshots and connections. */
  readonly setOnline: (online: boolean) => Effect.Effect<void>
  /** The number of viewers of the stream. */
  readonly viewers: Effect.Effect<number>
}

/**
 * @since 0.1.0
 * @category testing
 */
export interface VideoTestOptions {
  /** The first picture; by default, two bytes that begin a JPEG and two that end it. */
  readonly jpeg?: Uint8Array | undefined
  /** The size that the camera claims, in pixels; 640 by 480 by default. */
  readonly width?: number | undefined
  readonly height?: number | undefined
  /** The path of the stream; `/stream` by default. Other paths are answered with the status 404. */
  readonly path?: string | undefined
}

const empty = Uint8Array.of(0xff, 0xd8, 0xff, 0xd9)

const boundary = "videotest"

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

const partOf = (jpeg: Uint8Array): Uint8Array =>
  Bytes.join([
    encode([`--${boundary}`, "Content-Type:image/jpeg", `Content-Length: ${jpeg.length}`, "", ""].join("\r\n")),
    jpeg,
    encode("\r\n")
  ])

/**
 * Makes a camera. A viewer of its stream gets the current picture at once, and then each one that is shown.
 *
 * @since 0.1.0
 * @category testing
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Video } from "@effect-jumpstarter/core/drivers"
 * import { ExporterTest, VideoTest } from "@effect-jumpstarter/core/testing"
 * import { Effect } from "effect"
 *
 * class Camera extends Device.Tag("acme/Camera", Video.contract)<Camera>() {}
 *
 * const test = Effect.gen(function*() {
 *   const fake = yield* VideoTest.make()
 *   yield* fake.show(Uint8Array.of(0xff, 0xd8, 1, 2, 3, 0xff, 0xd9))
 *   return yield* Effect.flatMap(Camera, (camera) => camera.snapshot()).pipe( // seven bytes
 *     Effect.provide(Camera.layer("camera")),
 *     Effect.provide(ExporterTest.layer({ camera: fake.driver }))
 *   )
 * })
 * ```
 */
export const make = (options: VideoTestOptions = {}): Effect.Effect<VideoTest> =>
  Effect.gen(function*() {
    const { height = 480, path = "/stream", width = 640 } = options
    const picture = yield* SubscriptionRef.make(options.jpeg ?? empty)
    let online = true
    let viewers = 0
    const whenOnline = <A>(effect: Effect.Effect<A>) =>
      Effect.suspend(() => online ? effect : DriverFailure.make("Connection", "the camera is offline"))

    const respond = (request: string): Stream.Stream<Uint8Array> => {
      if (/^GET (\S+) /.exec(request)?.[1] !== path) {
        return Stream.make(encode("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
      }
      const head = ["HTTP/1.0 200 OK", `Content-Type:multipart/x-mixed-replace;boundary=${boundary}`, "", ""].join(
        "\r\n"
      )
      return Stream.acquireRelease(
        Effect.sync(() => viewers++),
        () => Effect.sync(() => viewers--)
      ).pipe(
        Stream.flatMap(() => Stream.concat(Stream.make(encode(head)), Stream.map(picture.changes, partOf)))
      )
    }
    const connect = whenOnline(ByteStream.transform((input) =>
      input.pipe(
        Stream.scan("", (request, bytes) => request + new TextDecoder("latin1").decode(bytes)),
        Stream.filter((request) => request.includes("\r\n\r\n")),
        Stream.take(1),
        Stream.flatMap(respond)
      )
    ))
    return {
      driver: Driver.fromInterface(Video.contract, {
        snapshot: () => whenOnline(picture.get),
        state: () => Effect.sync(() => online ? { online, width, height } : { online }),
        stream_path: () => Effect.succeed(path),
        connect
      }),
      show: (jpeg) => SubscriptionRef.set(picture, jpeg),
      setOnline: (next) =>
        Effect.sync(() => {
          online = next
        }),
      viewers: Effect.sync(() => viewers)
    }
  })
