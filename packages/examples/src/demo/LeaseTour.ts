/** The demo with `--lease`: a board is leased from a lab in this process, used, extended, and taken away. */
import { Controller, Device, Lease } from "@effect-jumpstarter/core"
import { Power } from "@effect-jumpstarter/core/drivers"
import { ControllerTest } from "@effect-jumpstarter/core/testing"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Board from "./Board.ts"
import { facts, Screen, section } from "./Screen.ts"

class Supply extends Device.Tag("acme/Supply", Power.contract)<Supply>() {}

const board = { selector: "board=demo-board", duration: "30 minutes" } as const

// The board's log is read from the exporter, as from one far away.
const silently = Effect.locally(FiberRef.currentLoggers, HashSet.empty())

/** A lab with one board, and the colleague who has it. */
const lab = Effect.gen(function*() {
  yield* section("A lab in this process: one board, and a colleague who uses it")
  const lab = yield* ControllerTest.ControllerTest
  const beforeLease = { run: Effect.log("the board was reset for its next user").pipe(Effect.delay("300 millis")) }
  const labels = { board: "demo-board", rack: "7" }
  yield* silently(lab.hostExporter("rack-7", yield* Board.make, { labels, hooks: { beforeLease } }))
  const colleague = yield* Effect.flatMap(lab.addClient("colleague"), lab.controllerOf)
  const theirs = yield* silently(Effect.provideService(Lease.acquire(board), Controller.Controller, colleague))
  yield* facts({ exporter: `${theirs.exporter.name}, leased by colleague`, selector: board.selector })
  return { lab, theirs }
})

const show = (state: Lease.LeaseState): string => {
  switch (state._tag) {
    case "Waiting":
      return `Waiting, ${state.reason}`
    case "Acquired":
      return `Acquired, ${state.exporter}`
    case "Ended":
      return `Ended, ${state.end.how}`
    default:
      return state._tag
  }
}

const use = (lease: Lease.HeldLease) =>
  Effect.gen(function*() {
    yield* section("Use it")
    const { paint, print } = yield* Screen
    const power = yield* Supply
    yield* lease.connection.logStream({ backlog: false })
    yield* power.on()
    const reading = yield* Stream.runHead(power.read())
    yield* facts({
      exporter: lease.exporter.name,
      now: Option.match(reading, {
        onNone: () => "?",
        onSome: ({ current, voltage }) => `${voltage.toFixed(2)} V, ${current.toFixed(2)} A`
      })
    })
    yield* section("Keep it for longer")
    const end = yield* lease.extend("15 minutes")
    const minutes = Math.round(DateTime.distance(yield* DateTime.now, end) / 60_000)
    yield* print(`  ${paint("good", "✓")} lease.extend("15 minutes"): it lasts for another ${minutes} minutes`)
  }).pipe(Effect.scoped)

const failure = <A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<E, never, R> =>
  Effect.orElse(Effect.flip(call), () => Effect.dieMessage("the call succeeded after the end of the lease"))

const lose = (lab: ControllerTest.Control, lease: Lease.HeldLease) =>
  Effect.gen(function*() {
    yield* section("Lose it: an administrator deletes the lease")
    const { paint, print } = yield* Screen
    const power = yield* Supply
    const reading = yield* Effect.fork(failure(Stream.runDrain(power.read())))
    yield* Effect.sleep("200 millis")
    yield* Effect.orDie(lab.release(lease.name))
    const lost = yield* Fiber.join(reading)
    const later = yield* failure(power.off())
    for (const [call, error] of [["power.read()", lost], ["power.off()", later]] as const) {
      yield* print(`  ${paint("bad", "✗")} ${call}: ${error._tag}, origin ${error.origin}`)
      if (error.cause instanceof Lease.LeaseEnded) {
        yield* facts({ cause: `${error.cause._tag}: ${error.cause.how}` }, 4)
      }
    }
  })

const tour = Effect.gen(function*() {
  const { paint, print } = yield* Screen
  const { lab: control, theirs } = yield* lab
  yield* section("Wait for it")
  const pending = yield* Lease.request(board)
  const watching = yield* Effect.forkScoped(
    Stream.runForEach(pending.changes, (state) => print(`  ${paint("note", "→")} ${show(state)}`))
  )
  yield* Effect.sleep("1 second")
  yield* print("  the colleague is done")
  yield* theirs.release
  const lease = yield* pending.acquired
  const devices = Effect.provide([Supply.layer("power")])
  yield* Effect.zipRight(use(lease), lose(control, lease)).pipe(devices, Effect.provide(Lease.toLayer(lease)))
  yield* Fiber.join(watching)
  const left = (yield* control.leases).filter(({ ended }) => !ended).length
  yield* print(`\n${paint("good", "✓ Done")}: ${left} leases are left.`)
}).pipe(Effect.scoped)

export const run = Effect.provide(tour, ControllerTest.layer({ client: "you" }))
