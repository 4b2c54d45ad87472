// An exporter whose controller and router are lost again and again. A run can be repeated with its `SIMULATION_SEED`.
import * as HttpClient from "@effect/platform/HttpClient"
import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Controller from "../../src/controller/Controller.ts"
import * as ExporterConfig from "../../src/controller/ExporterConfig.ts"
import * as routerTunnel from "../../src/controller/routerTunnel.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Lease from "../../src/lease/Lease.ts"
import * as ExporterRegistration from "../../src/registration/ExporterRegistration.ts"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import { until } from "../suite/harness.ts"
import * as certificates from "../support/certificates.ts"
import * as fake from "../support/fakeController.ts"
import * as leaks from "../support/leaks.ts"
import { inTime } from "../support/leaseBench.ts"
import * as bench from "../support/registrationBench.ts"
import * as simulatedTime from "../support/simulatedTime.ts"

const seed = Number(process.env["SIMULATION_SEED"] ?? Math.floor(Math.random() * 1e9))

const restarts = 100

const pause = (least: number, most: number): Effect.Effect<void> =>
  Effect.flatMap(Random.nextRange(least, most), (seconds) => Effect.sleep(Duration.seconds(seconds)))

/** A board that counts how often it was made and closed, and how often it was made while it was there. */
const counting = () => {
  const counts = { made: 0, closed: 0, twice: 0 }
  const drivers = Effect.as(
    Effect.acquireRelease(
      Effect.sync(() => {
        if (counts.made > counts.closed) counts.twice++
        counts.made++
      }),
      () => Effect.sync(() => counts.closed++)
    ),
    { power: bench.ping }
  )
  return { counts, drivers }
}

describe(`a controller that is restarted ${restarts} times at random moments`, () => {
  it.live(`costs no lease that it still knows (SIMULATION_SEED=${seed})`, () =>
    Effect.gen(function*() {
      const { counts, drivers } = counting()
      const { lab, seen } = yield* bench.make({
        drivers,
        hooks: { beforeLease: { run: pause(0, 20) }, afterLease: { run: pause(0, 20) } }
      })
      const bob = yield* bench.client(lab)
      // The controller may be away, or not have noticed the exporter yet.
      const persist = <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.retry(effect, { while: () => Effect.as(pause(1, 3), true) })
      let isOver = false
      let leases = 0
      const early: Array<string> = []
      const lessee = Effect.gen(function*() {
        while (!isOver) {
          const lease = yield* persist(bob.lease)
          leases++
          const reaches = (status: string) =>
            Effect.repeat(Effect.zipRight(Effect.sleep("1 second"), lab.exporters), {
              until: ([exporter]) => exporter?.lease === lease && exporter.status === status
            })
          yield* reaches("LEASE_READY")
          yield* pause(1, 600)
          const [held] = (yield* lab.leases).filter(({ name }) => name === lease)
          if (held?.ended !== false) early.push(lease)
          yield* persist(bob.delete(lease))
          yield* pause(0, 30)
        }
      })
      const hazards = Effect.gen(function*() {
        for (let count = 0; count < restarts; count++) {
          yield* pause(0, 300)
          yield* lab.stop
          yield* pause(0, 180)
          yield* Effect.orDie(lab.start)
        }
        isOver = true
      })
      yield* Effect.all([lessee, hazards], { concurrency: "unbounded" })
      yield* Effect.sleep("2 minutes")
      deepStrictEqual(early, [])
      assertTrue(leases > restarts / 4, `${leases} leases`)
      deepStrictEqual((yield* lab.leases).filter(({ ended, reason }) => !ended || reason !== "Released"), [])
      // Once for the report, and then once for each lease.
      deepStrictEqual(counts, { made: leases + 1, closed: leases + 1, twice: 0 })
      strictEqual(seen.filter((event) => event === "leased").length, leases)
      const [exporter] = yield* lab.exporters
      deepStrictEqual([exporter?.online, exporter?.status, exporter?.lease], [true, "AVAILABLE", undefined])
    }).pipe(Effect.scoped, simulatedTime.run(seed)), 120_000)
})

const socketRestarts = 3

describe(`over tls, a controller that is restarted ${socketRestarts} times at random moments`, () => {
  it.scopedLive(
    `costs no lease that it still knows, and no tunnel (SIMULATION_SEED=${seed})`,
    () =>
      Effect.gen(function*() {
        const { ca, certificate } = yield* certificates.localhost
        const listen = { host: "127.0.0.1", port: 0, certificate }
        const lab = yield* ControllerTest.make({ listen: { controller: listen, router: listen }, latency: "none" })
        // They connect as other programs do.
        const exporter = (
          name: string,
          options: ExporterRegistration.RegistrationOptions<Driver.Driver, never, Scope.Scope>
        ) =>
          Effect.gen(function*() {
            const { endpoint, namespace, token } = yield* lab.addExporter(name)
            const config = yield* ExporterConfig.make({ endpoint, name, namespace, token, tls: { ca } })
            const identity = yield* Layer.build(ExporterRegistration.Identity.layer(config))
            yield* Effect.provide(ExporterRegistration.make({ localLogs: false, ...options }), identity)
          })
        const { endpoint, name, namespace, token } = yield* lab.addClient("alice")
        const controller = yield* Effect.provideService(
          Controller.make(fake.config({ endpoint, name, namespace, token, tls: { ca } })),
          HttpClient.HttpClient,
          fake.noIssuer
        )
        const acquire = (exporterName: string) =>
          Effect.gen(function*() {
            const { connection, name } = yield* Lease.acquire({ exporterName, duration: "1 hour" })
            return { lease: name, power: yield* connection.driver("power") }
          }).pipe(Effect.provideService(Controller.Controller, controller))
        const { counts, drivers } = counting()
        yield* exporter("held", { drivers: { power: bench.ping } })
        yield* exporter("busy", {
          drivers,
          hooks: { beforeLease: { run: pause(0, 0.2) }, afterLease: { run: pause(0, 0.2) } }
        })

        // One lease all the time, and a call after the other.
        const held = yield* acquire("held")
        const calling = yield* Effect.fork(Effect.forever(Effect.zipRight(held.power.call("ping"), Effect.sleep(10))))

        let isOver = false
        let leases = 0
        const early: Array<string> = []
        const lessee = Effect.gen(function*() {
          while (!isOver) {
            yield* Effect.scoped(Effect.gen(function*() {
              const { lease, power } = yield* acquire("busy")
              leases++
              strictEqual(yield* power.call("ping"), "pong")
              yield* pause(0, 0.3)
              strictEqual(yield* power.call("ping"), "pong")
              if ((yield* lab.leases).some(({ ended, name }) => name === lease && ended)) early.push(lease)
            }))
          }
        })
        const hazards = Effect.gen(function*() {
          for (let count = 0; count < socketRestarts; count++) {
            yield* pause(0.1, 1.5)
            yield* lab.stop
            yield* pause(0, 1)
            yield* Effect.orDie(lab.start)
          }
          isOver = true
        })
        yield* Effect.all([lessee, hazards], { concurrency: "unbounded" })
        deepStrictEqual(early, [])
        // No call has failed.
        strictEqual(yield* Fiber.poll(calling), Option.none())
        yield* Fiber.interrupt(calling)
        deepStrictEqual(
          (yield* lab.leases).map(({ ended, exporter, reason }) => [exporter, ended, reason]).sort(),
          [...Array.from({ length: leases }, () => ["busy", true, "Released"]), ["held", false, "Ready"]]
        )
        yield* until("the exporters are known", lab.exporters, (exporters) =>
          exporters.map(({ status }) =>
            status
          ).join() === "AVAILABLE,LEASE_READY")
        // The controller may still have a status from before the last lease, which it missed while it was away.
        yield* until("the drivers are closed", Effect.sync(() => counts.closed), (closed) => closed === counts.made)
        deepStrictEqual(counts, { made: leases + 1, closed: leases + 1, twice: 0 })
      }).pipe(Effect.withRandom(Random.make(seed))),
    60_000
  )
})

describe("1,000 leases one after another", () => {
  it.live("get 1,000 sets of drivers, of which none is left", () =>
    Effect.gen(function*() {
      const { counts, drivers } = counting()
      const { handlers, lab } = yield* bench.make({ drivers, hooks: { afterLease: { run: Effect.void } } })
      const bob = yield* bench.client(lab)
      for (let count = 0; count < 1_000; count++) {
        const lease = yield* bob.lease
        yield* Effect.repeat(Effect.zipRight(Effect.sleep("10 millis"), lab.exporters), {
          until: ([exporter]) => exporter?.lease === lease && exporter.status === "LEASE_READY"
        })
        yield* bob.delete(lease)
        yield* Effect.sleep("1 second")
      }
      deepStrictEqual(counts, { made: 1_001, closed: 1_001, twice: 0 })
      strictEqual(handlers().size, 0)
    }).pipe(Effect.scoped, simulatedTime.run(seed)), 120_000)
})

type Over = "memory" | "tls"

const labs: Readonly<Record<Over, Effect.Effect<ControllerTest.ControllerTestOptions, never, Scope.Scope>>> = {
  memory: Effect.succeed({}),
  tls: Effect.map(certificates.localhost, ({ certificate }) => {
    const listen = { host: "127.0.0.1", port: 0, certificate }
    return { listen: { controller: listen, router: listen }, latency: "none" } as const
  })
}

/** A lease of an exporter that is reached through the router, and a client of it that connects again after a loss. */
const leased = (carrier: Over, drivers: Readonly<Record<string, Driver.Driver>>) =>
  Effect.gen(function*() {
    const lab = yield* Effect.flatMap(labs[carrier], ControllerTest.make)
    yield* lab.hostExporter("rpi", drivers)
    const controller = yield* lab.controllerOf(yield* lab.addClient("alice"))
    const { name } = yield* controller.createLease({ exporterName: "rpi", duration: "100 hours" })
    return {
      lab,
      controller,
      lease: name,
      connect: Effect.flatMap(
        routerTunnel.channel({ controller, lease: name }),
        (channel) => ExporterConnection.fromChannel(channel, { leased: true })
      )
    }
  })

const carriers = [
  {
    carrier: "memory",
    it: it.scoped,
    losses: 100,
    passes: <A, E, R>(effect: Effect.Effect<A, E, R>) => inTime(effect)
  },
  { carrier: "tls", it: it.scopedLive, losses: 3, passes: <A, E, R>(effect: Effect.Effect<A, E, R>) => effect }
] as const

for (const { carrier, it, losses, passes } of carriers) {
  describe(`over ${carrier}, a router that is lost ${losses} times`, () => {
    it("costs the tunnels through it, and no lease", () =>
      Effect.gen(function*() {
        const { connect, lab, lease } = yield* leased(carrier, { power: bench.ping })
        const { driver } = yield* passes(connect)
        const power = yield* driver("power")
        for (let count = 0; count < losses; count++) {
          strictEqual(
            yield* passes(Effect.retry(power.call("ping"), { while: ({ _tag }) => _tag === "ConnectionLost" })),
            "pong"
          )
          yield* lab.loseRouter
          const outcome = yield* passes(Effect.either(power.call("ping")))
          if (Either.isLeft(outcome)) strictEqual(outcome.left._tag, "ConnectionLost")
          yield* lab.restoreRouter
        }
        strictEqual(
          yield* passes(Effect.retry(power.call("ping"), { while: ({ _tag }) => _tag === "ConnectionLost" })),
          "pong"
        )
        deepStrictEqual((yield* lab.leases).map(({ ended, name }) => [name, ended]), [[lease, false]])
      }), 120_000)
  })
}

describe("50 tunnels at a time", () => {
  it.live(
    "are served by one exporter, and are gone with the lease",
    () =>
      leaks.leavingNothing(Effect.scoped(Effect.gen(function*() {
        let underWay = 0
        const power = Driver.make({
          client: "none.Client",
          methods: {
            ping: Driver.call(() => Effect.succeed("pong")),
            wait: Driver.call(() =>
              Effect.zipRight(Effect.sync(() => underWay++), Effect.never).pipe(
                Effect.ensuring(Effect.sync(() => underWay--))
              )
            )
          }
        })
        const { connect, lab, lease } = yield* leased("tls", { power })
        const connections = yield* Effect.forEach(Array.from({ length: 50 }), () => connect, {
          concurrency: "unbounded"
        })
        const powers = yield* Effect.forEach(connections, ({ driver }) => driver("power"))
        const answers = yield* Effect.forEach(powers, (power) => power.call("ping"), { concurrency: "unbounded" })
        deepStrictEqual(new Set(answers), new Set(["pong"]))
        const waiting = yield* Effect.fork(
          Effect.forEach(powers, (power) => Effect.flip(power.call("wait")), { concurrency: "unbounded" })
        )
        yield* until("all calls are under way", Effect.sync(() => underWay), (count) => count === 50)
        yield* lab.release(lease)
        const errors = yield* Fiber.join(waiting)
        strictEqual(errors.length, 50)
        strictEqual(underWay, 0)
      }))),
    60_000
  )
})
