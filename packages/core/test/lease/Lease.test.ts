// Programs that lease an exporter with the public `Lease`, from the request to the release, through a router.
import { describe, it } from "@effect/vitest"
import { assertInclude, assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { Effect, Exit, FiberRef, Layer, Option, Schema, Scope } from "effect"
import * as Device from "../../src/client/Device.ts"
import * as DriverInterface from "../../src/contract/DriverInterface.ts"
import * as DriverMethod from "../../src/contract/DriverMethod.ts"
import { Controller } from "../../src/controller/Controller.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Lease from "../../src/lease/Lease.ts"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import * as certificates from "../support/certificates.ts"
import { inTime, logged } from "../support/leaseBench.ts"

const Power = DriverInterface.make("jumpstarter_driver_power.client.PowerClient", {
  on: DriverMethod.call(),
  isOn: DriverMethod.call({ result: Schema.Boolean })
})

class BoardPower extends Device.Tag("test/BoardPower", Power)<BoardPower>() {}

const asked: Lease.LeaseRequest = { selector: "board=rpi4", duration: "30 minutes" }

/** Hosts a board in the lab of the test. */
const hosted = (options: ControllerTest.HostOptions = {}) =>
  Effect.flatMap(ControllerTest.ControllerTest, (lab) => {
    let isOn = false
    const power = Driver.fromInterface(Power, {
      on: () => Effect.sync(() => void (isOn = true)),
      isOn: () => Effect.sync(() => isOn)
    })
    return lab.hostExporter("rpi", { power }, { labels: { board: "rpi4" }, ...options })
  })

/** Switches the board on, and reads it back. */
const switched = Effect.gen(function*() {
  const power = yield* BoardPower
  yield* power.on()
  return yield* power.isOn()
})

const leases = Effect.gen(function*() {
  const lab = yield* ControllerTest.ControllerTest
  return (yield* lab.leases).map(({ client, ended, reason }) => `${client} ${ended ? "ended" : "open"} ${reason ?? ""}`)
})

/** Runs as another client of the lab. */
const as = (name: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const lab = yield* ControllerTest.ControllerTest
    const controller = yield* lab.controllerOf(yield* lab.addClient(name))
    return yield* Effect.provideService(effect, Controller, controller)
  })

const carriers = [
  { carrier: "memory", it: it.scoped, lab: Effect.succeed<ControllerTest.LayerOptions>({ client: "alice" }) },
  {
    carrier: "tls",
    it: it.scopedLive,
    lab: Effect.map(certificates.localhost, ({ certificate }): ControllerTest.LayerOptions => {
      const listen = { host: "127.0.0.1", port: 0, certificate }
      return { client: "alice", listen: { controller: listen, router: listen }, latency: "none" }
    })
  }
]

for (const { carrier, it, lab } of carriers) {
  const test = <E>(
    name: string,
    body: Effect.Effect<void, E, ControllerTest.ControllerTest | Controller | Scope.Scope>
  ) =>
    it(name, () =>
      Effect.gen(function*() {
        const messages: Array<string> = []
        yield* Effect.scoped(body).pipe(
          Effect.provide(Layer.unwrapEffect(Effect.map(lab, ControllerTest.layer))),
          Effect.provide(logged(messages))
        )
        // Nothing that went as planned is worth a warning, whatever the clock.
        deepStrictEqual(messages.filter((line) => !line.startsWith("INFO") && !line.startsWith("DEBUG")), [])
      }))

  describe(`over ${carrier}, a lease`, () => {
    test(
      "as a layer gives the devices of its board, and is released after the program",
      Effect.gen(function*() {
        yield* hosted()
        const program = switched.pipe(
          Effect.provide(BoardPower.layer("power")),
          Effect.provide(Lease.layer(asked))
        )
        strictEqual(yield* program, true)
        deepStrictEqual(yield* leases, ["alice ended Released"])
        // Each run leases anew.
        strictEqual(yield* program, true)
        deepStrictEqual(yield* leases, ["alice ended Released", "alice ended Released"])
      })
    )

    test(
      "that cannot be had fails at the line of the program, with the labels that there are",
      Effect.gen(function*() {
        yield* hosted()
        const other = { selector: "board=rpi5", duration: "30 minutes" } as const
        const pending = yield* Lease.request(other)
        for (
          const attempt of [
            Effect.asVoid(Lease.acquire(other)),
            Effect.asVoid(pending.acquired),
            Effect.provide(Effect.void, Lease.layer(other)),
            Effect.asVoid(Lease.acquireAll({ one: other }))
          ]
        ) {
          const error = yield* Effect.flip(attempt)
          strictEqual(error._tag, "LeaseError")
          assertInclude(error.message, "no exporter has these labels; there are the exporters: rpi (board=rpi4)")
          assertInclude(String(error.stack).split("\n    at ")[1], "Lease.test.ts")
        }
      })
    )

    test(
      "that is acquired serves a program through toLayer, which does not release it",
      Effect.gen(function*() {
        yield* hosted()
        const lease = yield* Lease.acquire(asked)
        const Board = Layer.provideMerge(BoardPower.layer("power"), Lease.toLayer(lease))
        strictEqual(yield* Effect.provide(switched, Board), true)
        strictEqual((yield* Effect.provide(Lease.Lease, Board)).name, lease.name)
        deepStrictEqual(yield* leases, ["alice open Ready"])
        yield* lease.release
        deepStrictEqual(yield* leases, ["alice ended Released"])
      })
    )

    test(
      "knows the exporter and the lease by the names of the lab",
      Effect.gen(function*() {
        yield* hosted()
        const lease = yield* Lease.acquire(asked)
        const labels = { board: "rpi4", "jumpstarter.dev/name": "rpi" }
        deepStrictEqual(lease.exporter, { name: "rpi", labels })
        deepStrictEqual(
          lease.connection.metadata,
          Option.some({ name: "rpi", lease: Option.some(lease.name), labels })
        )
      })
    )

    test(
      "that exists is attached to, used and left",
      Effect.gen(function*() {
        yield* hosted()
        const controller = yield* Controller
        yield* controller.createLease({ name: "mine", exporterName: "rpi", duration: "1 hour" })
        const lease = yield* Effect.scoped(Effect.gen(function*() {
          const lease = yield* Lease.attach("mine")
          strictEqual(
            yield* Effect.provide(switched, Layer.provide(BoardPower.layer("power"), Lease.toLayer(lease))),
            true
          )
          return lease
        }))
        strictEqual((yield* lease.connection.state)._tag, "Closed")
        deepStrictEqual(yield* leases, ["alice open Ready"])
        // Its session goes on.
        strictEqual((yield* (yield* ControllerTest.ControllerTest).exporters)[0]?.status, "LEASE_READY")
      })
    )

    test(
      "of another client, or that nobody made, cannot be attached to",
      Effect.gen(function*() {
        yield* hosted()
        const theirs = yield* Lease.acquire(asked).pipe(as("bob"))
        const reasons = yield* Effect.forEach(["nobodys", theirs.name], (name) => Effect.flip(Lease.attach(name)))
        deepStrictEqual(
          reasons.map((error) => [error._tag, "reason" in error && error.reason]),
          [["LeaseError", "NotFound"], ["LeaseError", "NotYours"]]
        )
        deepStrictEqual(yield* leases, ["bob open Ready"])
      })
    )

    test(
      "of a board whose beforeLease hook fails at once is released, and fails with HookFailed",
      Effect.gen(function*() {
        yield* hosted({ hooks: { beforeLease: { run: Effect.fail(new Error("no power")), onFailure: "endLease" } } })
        const error = yield* Effect.flip(Lease.acquire(asked))
        assertTrue(error._tag === "HookFailed", error.message)
        strictEqual(error.hook, "beforeLease")
        assertInclude(error.message, "no power")
        deepStrictEqual(yield* leases, ["alice ended Released"])
      })
    )
  })
}

it.live("a program that leases again and again keeps nothing of its earlier leases", () =>
  Effect.gen(function*() {
    yield* hosted()
    const kept = Effect.map(Effect.getFiberRefs, ({ locals }) => locals.get(FiberRef.currentContext)?.length)
    const once = Effect.zipRight(Effect.scoped(Lease.acquire(asked)), kept)
    const first = yield* once
    deepStrictEqual([yield* once, yield* once], [first, first])
  }).pipe(Effect.scoped, Effect.provide(ControllerTest.layer()), Effect.provide(logged([]))))

describe("a hook", () => {
  const lab = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, ControllerTest.layer())

  it.effect("writes into the log of the program while the exporter prepares itself, and at the end", () =>
    Effect.gen(function*() {
      const messages: Array<string> = []
      const slowly = (text: string) => Effect.zipRight(Effect.log(text), Effect.sleep("3 seconds"))
      const scope = yield* Scope.make()
      yield* hosted({
        hooks: { beforeLease: { run: slowly("boot firmware") }, afterLease: { run: slowly("wipe disk") } }
      }).pipe(Scope.extend(scope))
      yield* Effect.gen(function*() {
        yield* Lease.acquire(asked)
        assertTrue(messages.includes("INFO boot firmware"))
        assertTrue(!messages.includes("INFO wipe disk"))
      }).pipe(Effect.scoped, Effect.provide(logged(messages)), inTime)
      strictEqual(messages.filter((line) => line === "INFO boot firmware").length, 1)
      strictEqual(messages.filter((line) => line === "INFO wipe disk").length, 1)
      yield* inTime(Scope.close(scope, Exit.void))
    }).pipe(lab))

  it.effect("writes only the lines of this lease, and none that drivers write meanwhile", () =>
    Effect.gen(function*() {
      const messages: Array<string> = []
      const scope = yield* Scope.make()
      let driverLine = Effect.void
      const power = Driver.fromInterface(Power, {
        on: () =>
          Effect.map(FiberRef.get(FiberRef.currentLoggers), (loggers) => {
            driverLine = Effect.locally(Effect.log("output on"), FiberRef.currentLoggers, loggers)
          }),
        isOn: () => Effect.succeed(true)
      })
      const hook = (text: string) =>
        Effect.suspend(() => driverLine).pipe(
          Effect.zipRight(Effect.log(text)),
          Effect.zipRight(Effect.sleep("3 seconds"))
        )
      const lab = yield* ControllerTest.ControllerTest
      yield* lab.hostExporter("rpi", { power }, {
        labels: { board: "rpi4" },
        hooks: { beforeLease: { run: hook("boot firmware") }, afterLease: { run: hook("wipe disk") } }
      }).pipe(Scope.extend(scope))
      const use = Effect.gen(function*() {
        const { connection } = yield* Lease.acquire(asked)
        yield* Effect.flatMap(connection.driver("power"), (power) => power.call("on"))
      }).pipe(Effect.scoped, inTime)
      yield* use
      yield* Effect.provide(use, logged(messages))
      deepStrictEqual(messages.filter((line) => !line.includes("the lease")), ["INFO boot firmware", "INFO wipe disk"])
      yield* inTime(Scope.close(scope, Exit.void))
    }).pipe(lab))

  it.effect("that fails while the program waits for it is shown with its lines", () =>
    Effect.gen(function*() {
      const beforeLease = Effect.log("flashing").pipe(
        Effect.zipRight(Effect.sleep("3 seconds")),
        Effect.zipRight(Effect.fail(new Error("no power")))
      )
      const scope = yield* Scope.make()
      yield* hosted({ hooks: { beforeLease: { run: beforeLease, onFailure: "endLease" } } }).pipe(Scope.extend(scope))
      const error = yield* inTime(Effect.flip(Effect.scoped(Lease.acquire(asked))))
      assertTrue(error._tag === "HookFailed", error.message)
      deepStrictEqual(error.logs.map(({ message, source }) => [source, message]), [["BEFORE_LEASE_HOOK", "flashing"]])
      deepStrictEqual(yield* leases, ["client ended Released"])
      yield* inTime(Scope.close(scope, Exit.void))
    }).pipe(lab))
})
