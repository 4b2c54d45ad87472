// The exporter of the lab disappears in the middle of a step. Half a minute later a new exporter starts without its
// state.
import { Driver } from "@effect-jumpstarter/core"
import { Faults, FaultyExporter, FlasherTest, PowerTest, SerialTest } from "@effect-jumpstarter/core/testing"
import { assert, it } from "@effect/vitest"
import { Duration, Effect, Either, Fiber, Layer, Logger, TestClock } from "effect"
import { devices, Fuses, provision, reconnect } from "./harness/provisioning.ts"

const makeBench = Effect.gen(function*() {
  const supply = yield* PowerTest.make()
  const serial = yield* SerialTest.make({ prompt: "=> " })
  const flasher = yield* FlasherTest.make()
  let burns = 0
  const fuses = Driver.fromInterface(Fuses, {
    burn: () => Effect.sync(() => void burns++),
    burnt: () => Effect.sync(() => burns > 0)
  })
  return {
    drivers: { power: supply.driver, serial: serial.driver, flasher: flasher.driver, fuses },
    // The number of times that each step was done.
    done: Effect.gen(function*() {
      return { on: (yield* supply.events).length, flash: (yield* flasher.flashed).length, burn: burns }
    })
  }
})

type Lab = (exporter: FaultyExporter.Control) => Effect.Effect<void>

// Runs the procedure with a fault and a reaction of the lab, and returns the outcome.
const run = (match: Faults.Match, fault: Faults.Fault, lab: Lab) =>
  Effect.gen(function*() {
    const bench = yield* makeBench
    const warnings: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => void warnings.push(String(message)))
    const [elapsed, outcome] = yield* Effect.gen(function*() {
      const exporter = yield* FaultyExporter.FaultyExporter
      const { happened } = yield* exporter.next(match, fault)
      const running = yield* Effect.fork(Effect.timed(Effect.either(provision)))
      yield* Effect.raceFirst(happened, Fiber.await(running))
      yield* lab(exporter)
      return yield* Fiber.join(running)
    }).pipe(
      Effect.provide(Layer.provideMerge(devices, FaultyExporter.layer(bench.drivers, { reconnect }))),
      Effect.provide(Logger.replace(Logger.defaultLogger, logger))
    )
    return { seconds: Duration.toSeconds(elapsed), outcome, done: yield* bench.done, warnings }
  })

// Restarts the same devices under new uuids.
const restarts: Lab = ({ restart }) =>
  TestClock.adjust("31 seconds").pipe(
    Effect.zipRight(Effect.orDie(restart)),
    Effect.zipRight(TestClock.adjust("1 second"))
  )

const lost = (step: string) => `${step} lost its connection, outcome unknown (UNAVAILABLE): Connection dropped`

it.effect.each(
  [
    ["with the power on", { method: "on" }, Faults.drop("after"), ["call power.on"], 2],
    ["at the console", { driver: "serial" }, Faults.drop({ bytes: 1 }), ["stream serial.connect"], 1],
    ["in the image", { kind: "resource" }, Faults.drop({ bytes: 50_000 }), ["call flasher.flash"], 1],
    ["before a fuse is burnt", { method: "burn" }, Faults.drop("before"), [], 1],
    ["after a fuse is burnt", { method: "burn" }, Faults.drop("after"), [], 1]
  ] as const
)("completes the procedure when the exporter restarts %s", ([, match, fault, again, on]) =>
  Effect.gen(function*() {
    assert.deepStrictEqual(yield* run(match, fault, restarts), {
      seconds: 32,
      outcome: Either.void,
      done: { on, flash: 1, burn: 1 },
      warnings: again.map(lost)
    })
  }))

it.effect("gives up when the exporter does not return", () =>
  Effect.gen(function*() {
    const ended = yield* run({ kind: "resource" }, Faults.drop({ bytes: 50_000 }), () => TestClock.adjust("2 minutes"))
    assert.deepStrictEqual([ended.seconds, ended.done], [60, { on: 1, flash: 0, burn: 0 }])
    // The second attempt is not sent, and a third is not made.
    const [first, second, ...others] = ended.warnings
    assert.deepStrictEqual([first, others], [lost("call flasher.flash"), []])
    assert.match(second ?? "", /^transfer flasher.resource was not sent, connection lost .* gave up reconnecting/)
  }))
