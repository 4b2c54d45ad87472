// A client and the stand-in for a controller understand each other over the whole life of a lease.
import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type * as Controller from "../../src/controller/Controller.ts"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import * as support from "../support/controller.ts"

const lab = (options?: ControllerTest.ControllerTestOptions) =>
  Effect.gen(function*() {
    const control = yield* ControllerTest.make(options)
    const exporter = support.exporterOf(
      control,
      support.metadataOf(yield* control.addExporter("e1", { labels: { board: "rpi4" } }))
    )
    yield* exporter.online
    yield* exporter.report(support.status.available)
    const credentials = yield* control.addClient("c1")
    const controller = yield* control.controllerOf(credentials)
    return { control, controller, credentials, exporter }
  })

const ready = (controller: Controller.ControllerClient, name: string) =>
  controller.lease(name).pipe(
    Effect.zipLeft(Effect.sleep("50 millis")),
    Effect.repeat({
      until: ({ conditions }) => conditions.some(({ status, type }) => type === "Ready" && status === "True")
    })
  )

/** Lets time pass until an effect has ended. */
const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    while (Option.isNone(yield* Fiber.poll(fiber))) yield* TestClock.adjust("500 millis")
    return yield* Fiber.join(fiber)
  })

describe("a client of the stand-in", () => {
  it.scoped("lists exporters, and leases, extends, transfers and releases one", () =>
    Effect.gen(function*() {
      const { control, controller, exporter } = yield* lab()
      const other = yield* control.controllerOf(yield* control.addClient("c2"))
      const found = yield* Stream.runCollect(controller.exporters({ selector: "board==rpi4" }))
      deepStrictEqual(Array.from(found, ({ name, online, status }) => ({ name, online, status })), [
        { name: "e1", online: true, status: "AVAILABLE" }
      ])
      const { conditions, name } = yield* controller.createLease({ selector: "board=rpi4", duration: "1 minute" })
      deepStrictEqual(conditions, [])
      const lease = yield* inTime(ready(controller, name))
      deepStrictEqual([lease.exporter, lease.client], [Option.some("e1"), Option.some("c1")])
      strictEqual((yield* Effect.flip(other.extendLease(name, "1 minute"))).reason, "NotYours")
      const extended = yield* controller.extendLease(name, "1 minute")
      deepStrictEqual(extended.duration, Option.some(Duration.minutes(2)))
      // The exporter does not listen at first.
      yield* exporter.report(support.status.ready)
      strictEqual((yield* inTime(Effect.flip(controller.within("1 second").dial(name)))).reason, "NotListening")
      yield* Effect.forkScoped(Effect.ignore(Stream.runDrain(exporter.listen(name))))
      const { endpoint, token } = yield* inTime(controller.dial(name))
      strictEqual(`${endpoint.host}:${endpoint.port}`, control.routerEndpoint)
      assertTrue(Redacted.value(token).length > 20)
      deepStrictEqual((yield* controller.transferLease(name, "c2")).client, Option.some("c2"))
      strictEqual((yield* Effect.flip(controller.dial(name))).reason, "NotYours")
      yield* other.deleteLease(name)
      strictEqual((yield* Effect.flip(other.deleteLease(name))).reason, "AlreadyReleased")
      strictEqual((yield* Effect.flip(other.extendLease(name, "1 minute"))).reason, "Ended")
      strictEqual((yield* Stream.runCollect(controller.leases())).length, 0)
      strictEqual((yield* Stream.runCollect(controller.leases({ ended: true }))).length, 1)
    }))

  it.scoped("recognizes the reasons of its failures", () =>
    Effect.gen(function*() {
      const { control, controller, credentials } = yield* lab()
      const as = (change: Partial<ControllerTest.Credentials>) =>
        Effect.orDie(control.controllerOf({ ...credentials, ...change }))
      const reasonOf = <A, R>(effect: Effect.Effect<A, Controller.ControllerError, R>) =>
        Effect.map(inTime(Effect.flip(effect)), ({ reason }) => reason)
      yield* control.addClient("c2")
      yield* controller.createLease({ name: "mine", exporterName: "e1", duration: "1 minute" })
      deepStrictEqual(
        [
          yield* reasonOf(controller.lease("nope")),
          yield* reasonOf(controller.exporter("nope")),
          yield* reasonOf(controller.createLease({ name: "mine", exporterName: "e1", duration: "1 minute" })),
          yield* reasonOf(controller.createLease({ name: "UPPER", exporterName: "e1", duration: "1 minute" })),
          yield* reasonOf(Effect.flatMap(as({ name: "c2" }), (client) => client.lease("mine"))),
          yield* reasonOf(Effect.flatMap(as({ name: "nobody" }), (client) => client.lease("mine"))),
          yield* reasonOf(Effect.flatMap(as({ token: Redacted.make("x") }), (client) => client.lease("mine"))),
          yield* reasonOf(
            Effect.flatMap(Effect.orDie(control.token(credentials, { exp: -10 })), (token) =>
              Effect.flatMap(as({ token }), (client) => client.lease("mine")))
          )
        ],
        [
          "NotFound",
          "NotFound",
          "AlreadyExists",
          "Invalid",
          "PermissionDenied",
          "UnknownClient",
          "Unauthenticated",
          "TokenExpired"
        ]
      )
    }))

  it.scoped("waits for a controller that has just started", () =>
    Effect.gen(function*() {
      const { control, controller } = yield* lab({ latency: "observed" })
      yield* inTime(control.restart)
      const [duration, found] = yield* inTime(Effect.timed(Stream.runCollect(controller.exporters())))
      strictEqual(found.length, 1)
      assertTrue(Duration.greaterThan(duration, "5 seconds"), String(duration))
    }))

  it.scoped("uses a new token after rotating it", () =>
    Effect.gen(function*() {
      const { controller } = yield* lab()
      const { expires, token } = yield* controller.rotateToken
      assertTrue(Option.isSome(expires) && Redacted.value(token) !== "")
      strictEqual((yield* Stream.runCollect(controller.exporters())).length, 1)
    }))
})
