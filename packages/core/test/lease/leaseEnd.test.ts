// What programs see of the end of a lease while they use it.
import { describe, it } from "@effect/vitest"
import { assertInclude, assertInstanceOf, assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as ConnectionState from "../../src/client/ConnectionState.ts"
import * as routerTunnel from "../../src/controller/routerTunnel.ts"
import * as Driver from "../../src/host/Driver.ts"
import type { LeaseRequest } from "../../src/lease/leaseRequest.ts"
import type * as DriverError from "../../src/protocol/DriverError.ts"
import { LeaseEnded } from "../../src/protocol/LeaseEnded.ts"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import { acquire, board, clientOf, closing, dialling, inTime, logged } from "../support/leaseBench.ts"
import * as Probe from "../support/probe.ts"

const asked: LeaseRequest = { exporterName: "rpi", duration: "10 minutes" }

const held = Effect.gen(function*() {
  const lab = yield* ControllerTest.make()
  const hanging = yield* Probe.make
  const rpi = yield* board(lab, "rpi", { call: hanging.watch(Effect.never) })
  const lease = yield* acquire(yield* clientOf(lab, "alice"), asked, dialling(rpi))
  const power = yield* lease.connection.driver("power")
  return { hanging, lab, lease, power }
})

const test = <E>(name: string, body: () => Effect.Effect<void, E, Scope.Scope>) =>
  it.effect(name, () => closing(body()))

const assertLost = (error: DriverError.DriverCallError, origin: "client" | "transport", how: string) => {
  assertTrue(error._tag === "ConnectionLost", error.message)
  strictEqual(error.origin, origin)
  assertInstanceOf(error.cause, LeaseEnded)
  assertInclude(error.message, `(${how})`)
}

describe("when a lease ends", () => {
  test("a call under way fails with ConnectionLost, whose cause is the end", () =>
    Effect.gen(function*() {
      const { hanging, lab, lease, power } = yield* held
      const call = yield* Effect.fork(Effect.flip(power.call("ping")))
      yield* hanging.started
      yield* lab.release(lease.name)
      assertLost(yield* inTime(Fiber.join(call)), "transport", "Deleted")
      yield* hanging.finalized
    }))

  test("a call that the exporter cancels at the end fails in the same way, before the watch looks", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      const hanging = yield* Probe.make
      const power = Driver.make({
        client: "none.Client",
        methods: { ping: Driver.call(() => hanging.watch(Effect.never)) }
      })
      yield* lab.hostExporter("rpi", { power })
      const controller = yield* lab.controllerOf(yield* lab.addClient("alice"))
      const lease = yield* acquire(
        controller,
        asked,
        (controller, lease) => routerTunnel.channel({ controller, lease })
      )
      const client = yield* lease.connection.driver("power")
      const call = yield* Effect.fork(Effect.flip(client.call("ping")))
      yield* hanging.started
      yield* lab.release(lease.name)
      // The clock stands still.
      assertLost(yield* Fiber.join(call), "transport", "Deleted")
    }))

  test("a program that fails with it ends with one warning, and asks nothing of the exporter", () =>
    Effect.gen(function*() {
      const { lab, lease, power } = yield* held
      const messages: Array<string> = []
      const scope = yield* Scope.make()
      yield* lab.hostExporter("other", {
        power: Driver.make({ client: "none.Client", methods: { ping: Driver.call(() => Effect.succeed("pong")) } })
      })
      const controller = yield* lab.controllerOf(yield* lab.addClient("carol"))
      const theirs = yield* Scope.extend(
        acquire(
          controller,
          { exporterName: "other", duration: "10 minutes" },
          (controller, lease) => routerTunnel.channel({ controller, lease })
        ),
        scope
      ).pipe(Effect.provide(logged(messages)))
      const client = yield* theirs.connection.driver("power")
      yield* lab.release(theirs.name)
      const exit = yield* Effect.exit(Effect.forever(client.call("ping")))
      yield* Scope.close(scope, exit).pipe(Effect.provide(logged(messages)), inTime)
      deepStrictEqual(
        messages.flatMap((line) => line.startsWith("WARN") ? [line.replace(theirs.name, "it").slice(0, 25)] : []),
        ["WARN the lease it ended a"]
      )
      yield* lease.release
      strictEqual((yield* Effect.flip(power.call("ping")))._tag, "ConnectionLost")
    }))

  test("nothing is dialled any more, though the router and the controller would", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      const ping = Driver.call(() => Effect.succeed("pong"))
      yield* lab.hostExporter("rpi", { power: Driver.make({ client: "none.Client", methods: { ping } }) })
      const controller = yield* lab.controllerOf(yield* lab.addClient("alice"))
      let dials = 0
      const counting = {
        ...controller,
        dial: (lease: string) => Effect.zipRight(Effect.sync(() => dials++), controller.dial(lease))
      }
      const lease = yield* acquire(
        counting,
        asked,
        (controller, lease) => routerTunnel.channel({ controller, lease })
      )
      yield* lab.release(lease.name)
      yield* lab.loseRouter
      yield* lab.restoreRouter
      yield* inTime(lease.ended)
      yield* TestClock.adjust("1 minute")
      strictEqual(dials, 1)
    }))

  test("a later call fails in the client: nothing was sent", () =>
    Effect.gen(function*() {
      const { lab, lease, power } = yield* held
      yield* lab.expire(lease.name)
      yield* inTime(lease.ended, 5000)
      assertLost(yield* Effect.flip(power.call("ping")), "client", "Expired")
      assertLost(yield* Effect.flip(Stream.runDrain(power.streamingCall("ping"))), "client", "Expired")
      assertLost(yield* Effect.flip(Effect.scoped(power.stream("connect"))), "client", "Expired")
    }))

  test("the states of the connection end with Closed", () =>
    Effect.gen(function*() {
      const { lab, lease } = yield* held
      const states = yield* Effect.fork(Stream.runLast(lease.connection.stateChanges))
      yield* TestClock.adjust("1 second")
      yield* lab.release(lease.name)
      deepStrictEqual(yield* inTime(Fiber.join(states), 1000), Option.some(ConnectionState.ConnectionState.Closed()))
    }))
})
