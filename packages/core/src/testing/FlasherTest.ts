/**
 * A fake flasher that keeps flashed images in memory and dumps them.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Flasher from "../drivers/Flasher.ts"
import * as Bytes from "../grpc/Bytes.ts"
import * as Driver from "../host/Driver.ts"
import * as DriverFailure from "../protocol/DriverFailure.ts"
import * as hash from "../resource/hash.ts"

/**
 * An image that was flashed completely.
 *
 * @since 0.1.0
 * @category models
 */
export interface Flashed {
  readonly target: string
  readonly bytes: Uint8Array
  readonly sha256: string
}

/**
 * The driver, with the state that a test can observe and change.
 *
 * @since 0.1.0
 * @category testing
 */
export interface FlasherTest {
  readonly driver: Driver.Driver
  /** Every image that was flashed completely, in order. */
  readonly flashed: Effect.Effect<ReadonlyArray<Flashed>>
  /** The current content of each target. After a failed flash, a target has the part that was written. */
  readonly contents: Effect.Effect<ReadonlyMap<string, Uint8Array>>
  /** Sets the content of a target. */
  readonly setContent: (target: string, bytes: Uint8Array) => Effect.Effect<void>
  /** Makes every flash and dump fail after this number of bytes; `undefined` ends this. */
  readonly failAfter: (bytes: number | undefined) => Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category testing
 */
export interface FlasherTestOptions {
  /** The target of calls that name none; `"default"` if not given. */
  readonly defaultTarget?: string | undefined
  /** The existing targets; by default any. Other targets are refused with `InvalidArgument`. */
  readonly targets?: ReadonlyArray<string> | undefined
  /**
   * The SHA-256 of the image that each target accepts, in hexadecimal digits. The device compares after writing the
   * whole image, as a device with a signed boot chain does.
   */
  readonly accept?: Readonly<Record<string, string>> | undefined
  /** The number of bytes in each chunk of a dump; 65,536 by default. */
  readonly chunkSize?: number | undefined
  /** The number of bytes that the device writes per second of Effect's clock; by default writing takes no time. */
  readonly bytesPerSecond?: number | undefined
}

// Passes `limit` bytes and then fails.
const breakOff =
  (limit: number | undefined, what: string) =>
  <E>(bytes: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E | DriverFailure.DriverFailure> => {
    if (limit === undefined) return bytes
    return Stream.suspend(() => {
      let left = limit
      return Stream.flatMap(bytes, (chunk) => {
        const passed = chunk.subarray(0, left)
        left -= passed.length
        return passed.length === chunk.length
          ? Stream.make(passed)
          : Stream.concat(
            Stream.make(passed),
            Stream.fail(DriverFailure.make("Device", `${what} failed after ${limit} bytes`))
          )
      })
    })
  }

const pieces = (bytes: Uint8Array, size: number): Stream.Stream<Uint8Array> =>
  Stream.map(
    Stream.range(0, Math.ceil(bytes.length / size) - 1, 16),
    (index) => bytes.subarray(index * size, (index + 1) * size)
  )

/**
 * Makes a flasher with empty targets.
 *
 * @since 0.1.0
 * @category testing
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { Flasher } from "@effect-jumpstarter/core/drivers"
 * import { ExporterTest, FlasherTest } from "@effect-jumpstarter/core/testing"
 * import { Effect, Stream } from "effect"
 *
 * class BoardFlasher extends Device.Tag("acme/BoardFlasher", Flasher.contract)<BoardFlasher>() {}
 *
 * const test = Effect.gen(function*() {
 *   const flasher = yield* FlasherTest.make({ targets: ["boot", "root"] })
 *   yield* Effect.flatMap(BoardFlasher, (board) =>
 *     board.flash(Resource.fromBytes(new Uint8Array(1024)), "boot")
 *   ).pipe(
 *     Effect.provide(BoardFlasher.layer("flasher")),
 *     Effect.provide(ExporterTest.layer({ flasher: flasher.driver }))
 *   )
 *   return (yield* flasher.contents).get("boot")?.length // 1024
 * })
 * ```
 */
export const make = (options: FlasherTestOptions = {}): Effect.Effect<FlasherTest> =>
  Effect.sync(() => {
    const contents = new Map<string, Uint8Array>()
    const flashed: Array<Flashed> = []
    let limit: number | undefined

    const writing = ({ length }: Uint8Array) =>
      options.bytesPerSecond === undefined
        ? Effect.void
        : Effect.sleep(Duration.seconds(length / options.bytesPerSecond))

    const targetOf = (name: string | undefined): Effect.Effect<string, DriverFailure.DriverFailure> => {
      const target = name ?? options.defaultTarget ?? "default"
      return options.targets === undefined || options.targets.includes(target)
        ? Effect.succeed(target)
        : DriverFailure.make("InvalidArgument", `there is no target ${JSON.stringify(target)}`)
    }

    return {
      driver: Driver.fromInterface(Flasher.contract, {
        flash: (image, name) =>
          Effect.gen(function*() {
            const target = yield* targetOf(name)
            const written: Array<Uint8Array> = []
            yield* image.pipe(
              breakOff(limit, "flashing"),
              Stream.tap(writing),
              Stream.runForEach((chunk) => Effect.sync(() => written.push(chunk))),
              Effect.ensuring(Effect.sync(() => contents.set(target, Bytes.join(written))))
            )
            const bytes = Bytes.join(written)
            const sha256 = hash.ofBytes(bytes)
            const accepted = options.accept?.[target]?.toLowerCase()
            if (accepted !== undefined && accepted !== sha256) {
              const reason = `the SHA-256 of ${target} after flashing is ${sha256}, expected ${accepted}`
              return yield* DriverFailure.make("Device", reason)
            }
            flashed.push({ target, bytes, sha256 })
          }),
        dump: (write, name) =>
          Effect.gen(function*() {
            const target = yield* targetOf(name)
            const bytes = contents.get(target)
            if (bytes === undefined) return yield* DriverFailure.make("Device", `${target} was never flashed`)
            yield* write(breakOff(limit, "dumping")(pieces(bytes, options.chunkSize ?? 65_536)))
          })
      }),
      flashed: Effect.sync(() => [...flashed]),
      contents: Effect.sync(() => new Map(contents)),
      setContent: (target, bytes) => Effect.sync(() => void contents.set(target, bytes)),
      failAfter: (bytes) =>
        Effect.sync(() => {
          limit = bytes
        })
    }
  })
