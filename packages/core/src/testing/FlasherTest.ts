/**
 * A flasher to test with: it keeps what is flashed, in memory, and gives it back.
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
 * An image that was flashed to the end.
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
 * The driver, and what a test sees and steers of it.
 *
 * @since 0.1.0
 * @category testing
 */
export interface FlasherTest {
  readonly driver: Driver.Driver
  /** Every image that was flashed to the end, in order. */
  readonly flashed: Effect.Effect<ReadonlyArray<Flashed>>
  /** What each target has now. After a flash that failed that is the part that was written. */
  readonly contents: Effect.Effect<ReadonlyMap<string, Uint8Array>>
  /** Puts something on a target. */
  readonly setContent: (target: string, bytes: Uint8Array) => Effect.Effect<void>
  /** Makes the device break off every flash and dump after so many bytes, until it is given nothing. */
  readonly failAfter: (bytes: number | undefined) => Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category testing
 */
export interface FlasherTestOptions {
  /** The target of calls that name none; `default` unless given. */
  readonly defaultTarget?: string | undefined
  /** The targets there are; any unless given. Others are refused with `InvalidArgument`. */
  readonly targets?: ReadonlyArray<string> | undefined
  /**
   * The SHA-256 of what each target accepts, in hexadecimal digits. The device compares when it has written everything,
   * as one with a signed boot chain would.
   */
  readonly accept?: Readonly<Record<string, string>> | undefined
  /** How many bytes a dump sends at once; 65,536 unless given. */
  readonly chunkSize?: number | undefined
  /** How many bytes it writes in a second of Effect's clock; it takes no time unless given. */
  readonly bytesPerSecond?: number | undefined
}

// Lets so many bytes through and then fails.
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
            Stream.fail(DriverFailure.make("Device", `${what} broke off after ${limit} bytes`))
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
 * A flasher whose targets are empty.
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
              const reason = `${target} has the SHA-256 ${sha256} after flashing, not ${accepted}`
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
