// The wall clock may be set while a program runs: by NTP on a board without a battery, by hand, or by a virtual machine that
// resumes. Durations must not depend on it.
import { Driver, Endpoint, ExporterConnection, ProgressBar, Resource } from "@effect-jumpstarter/core"
import { Power } from "@effect-jumpstarter/core/drivers"
import type { TransferProgress } from "@effect-jumpstarter/core/Resource"
import { ExporterTest, Faults, FaultyExporter, PowerTest } from "@effect-jumpstarter/core/testing"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Option, Schedule, Stream, TestClock } from "effect"
import { connect } from "../drivers/support.ts"
import { withJumpingClock } from "../support/jumpingClock.ts"
import * as bench from "../testing/bench.ts"
import { file, lines, record } from "../testing/recordings.ts"

const flasher = Driver.make({
  client: "flasher",
  methods: {
    flash: Driver.call(([handle], { resource }) =>
      Effect.scoped(Effect.flatMap(resource(handle), ({ read }) => Effect.ignore(Stream.runDrain(read))))
    )
  }
})

for (const direction of ["forward", "back"] as const) {
  const jumping = withJumpingClock("1 hour", direction)

  describe(`a wall clock that is set ${direction}`, () => {
    it.effect("does not end a transfer that moves, and does not keep a stalled one alive", () =>
      Effect.gen(function*() {
        const flash = (source: Resource.Source<void, never, never>) =>
          Effect.gen(function*() {
            const client = yield* ExporterConnection.driver("flasher")
            yield* client.call("flash", yield* client.resource(Resource.withIdleTimeout(source, "5 seconds")))
          }).pipe(Effect.scoped, Effect.provide(ExporterTest.layer({ flasher })), jumping)
        const moving = Resource.source(
          Stream.schedule(
            Stream.make(1, 2, 3).pipe(Stream.map((byte) => Uint8Array.of(byte))),
            Schedule.spaced("4 seconds")
          )
        )
        const moves = yield* Effect.fork(flash(moving))
        yield* TestClock.adjust("20 seconds")
        yield* Fiber.join(moves)

        const stalls = yield* Effect.fork(Effect.flip(flash(Resource.source(Stream.never))))
        yield* TestClock.adjust("6 seconds")
        assert.strictEqual((yield* Fiber.join(stalls))._tag, "TransferStalled")
      }))

    it.effect("does not change a rate", () =>
      Effect.gen(function*() {
        let shown = ""
        const at = (bytes: number): TransferProgress => ({
          bytes,
          done: bytes === 4_000_000,
          total: Option.some(4_000_000)
        })
        const progress = Stream.schedule(
          Stream.make(at(1_000_000), at(2_000_000), at(3_000_000), at(4_000_000)),
          Schedule.spaced("1 second")
        )
        const write = (text: string) => {
          shown += text
        }
        const running = yield* Effect.fork(jumping(ProgressBar.run(progress, { output: { write } })))
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(running)
        assert.match(shown, /100 % \(4\.0 of 4\.0 MB\) at 1\.\d MB\/s in [34]\.0 s\n$/)
      }))

    it.live("does not turn a refused connection into a timeout", () =>
      Effect.gen(function*() {
        const endpoint = Endpoint.unix("/nowhere/exporter.sock")
        const error = yield* Effect.flip(jumping(Effect.scoped(ExporterConnection.fromEndpoint(endpoint))))
        assert.strictEqual(error.reason, "Unreachable")
      }))

    it.scoped("does not change how long a device has been on", () =>
      Effect.gen(function*() {
        const ages: Array<string> = []
        const supply = yield* PowerTest.make({
          load: (sinceOn) => {
            ages.push(Duration.format(sinceOn))
            return 1
          }
        })
        const power = yield* jumping(connect(Power.contract, supply.driver))
        yield* power.on()
        yield* TestClock.adjust("3 seconds")
        yield* jumping(supply.reading)
        assert.deepStrictEqual(ages, ["3s"])
      }))

    it.scoped("neither speeds up nor delays a planned fault", () =>
      Effect.gen(function*() {
        const { drivers } = yield* bench.make
        const calling = yield* Effect.gen(function*() {
          const faults = yield* FaultyExporter.FaultyExporter
          yield* faults.next({ method: "on" }, Faults.delay("10 seconds"))
          yield* Effect.flatMap(bench.power, (power) => power.call("on"))
        }).pipe(Effect.provide(FaultyExporter.layer(drivers)), jumping, Effect.fork)
        yield* TestClock.adjust("9900 millis")
        assert.isNull(calling.unsafePoll())
        yield* TestClock.adjust("200 millis")
        yield* Fiber.join(calling)
      }))

    it.scoped("does not change a recording", () =>
      Effect.gen(function*() {
        const path = yield* file
        yield* jumping(record(path, Effect.flatMap(bench.power, (power) => power.call("on"))))
        const times = Array.from((yield* lines(path)).join("\n").matchAll(/"at":(-?\d+)/g), ([, at]) => Number(at))
        assert.isAbove(times.length, 1)
        assert.deepStrictEqual(new Set(times), new Set([0]))
      }).pipe(Effect.provide(NodeFileSystem.layer)))
  })
}
