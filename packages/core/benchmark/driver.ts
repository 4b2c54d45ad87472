// The driver that the benchmark calls, the same as in interop/bench_exporter.py.
import { Driver, type ProtobufValue } from "@effect-jumpstarter/core"
import { Deferred, Effect, Option, Stream } from "effect"
import { createHash, randomBytes } from "node:crypto"

// Like a disk image: a quarter of it is hard to compress.
const block = Buffer.alloc(1024 * 1024)
for (let offset = 0; offset < block.length; offset += 65_536) block.set(randomBytes(16_384), offset)

const number = (value: ProtobufValue.JsonValue | undefined): number => Number(value)

const image = (chunk: number, bytes: number): Stream.Stream<Uint8Array> =>
  Stream.unfold(bytes, (left) => {
    const size = Math.min(chunk, left)
    return size === 0 ? Option.none() : Option.some([block.subarray(0, size), left - size])
  })

/** The driver itself. */
export const bench = (): Driver.Driver => {
  let source = { chunk: 0, bytes: 0 }
  return Driver.make({
    client: "jumpstarter.client.DriverClient",
    methods: {
      identity: Driver.call(([value]) => Effect.succeed(value ?? null)),
      count: Driver.streamingCall(([n]) => Stream.range(0, number(n) - 1)),
      prepare: Driver.call(([chunk, bytes]) =>
        Effect.sync(() => {
          source = { chunk: number(chunk), bytes: number(bytes) }
        })
      ),
      source: Driver.stream(Effect.sync(() => ({
        read: image(source.chunk, source.bytes),
        write: () => Effect.void,
        end: Effect.void
      }))),
      sink: Driver.stream(Effect.map(Deferred.make<Uint8Array>(), (report) => {
        let size = 0
        return {
          read: Stream.fromEffect(Deferred.await(report)),
          write: (bytes) =>
            Effect.sync(() => {
              size += bytes.length
            }),
          end: Effect.suspend(() => Effect.asVoid(Deferred.succeed(report, Buffer.from(String(size)))))
        }
      })),
      echo: Driver.streamTransform((input) => input),
      consume: Driver.call(([handle], { resource }) =>
        Effect.scoped(Effect.flatMap(resource(handle), ({ read }) =>
          Effect.map(
            Stream.runFold(read, createHash("sha256"), (hash, bytes) => hash.update(bytes)),
            (hash) => hash.digest("hex")
          )))
      ),
      produce: Driver.call(([handle, chunk, bytes], { resource }) =>
        Effect.scoped(Effect.flatMap(resource(handle), ({ write }) => {
          const hash = createHash("sha256")
          return Effect.map(
            write(Stream.tap(image(number(chunk), number(bytes)), (bytes) => Effect.sync(() => hash.update(bytes)))),
            () => hash.digest("hex")
          )
        }))
      )
    }
  })
}

const power = () =>
  Driver.make({
    client: "jumpstarter_driver_power.client.PowerClient",
    methods: { on: Driver.call(() => Effect.void), off: Driver.call(() => Effect.void) }
  })

const groupSize = 50

const named = (name: string, count: number, driver: (index: number) => Driver.Driver) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`${name}${index}`, driver(index)]))

/** The driver of the benchmark, and as many more in groups. */
export const tree = (drivers: number): Driver.Driver =>
  Driver.composite({
    bench: bench(),
    ...named("group", Math.ceil(drivers / groupSize), (index) =>
      Driver.composite(named("power", Math.min(groupSize, drivers - index * groupSize) - 1, power)))
  })
