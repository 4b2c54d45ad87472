// Applies the faults of a lab to every operation on a leased exporter. All operations are under way at once.
import { describe, it } from "@effect/vitest"
import { assertInstanceOf, assertTrue } from "@effect/vitest/utils"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as ExporterConnection from "../../../src/client/ExporterConnection.ts"
import * as Controller from "../../../src/controller/Controller.ts"
import * as Lease from "../../../src/lease/Lease.ts"
import * as GrpcChannel from "../../../src/transport/GrpcChannel.ts"
import * as hurriedClock from "../../support/hurriedClock.ts"
import { leavingNothing } from "../../support/leaks.ts"
import * as probeExporter from "../../support/probeExporter.ts"
import * as tunnels from "../../support/tunnels.ts"
import { noQuirks } from "../peer.ts"
import { answers, begin, check, goOn, outcomeOf, released } from "./faults.ts"
import { ongoing } from "./operations.ts"
import { patience, within } from "./within.ts"

// Between two looks at a lease.
const looks = hurriedClock.make(Duration.equals("30 seconds"), 0.01)

/** A leased exporter, reached through a tunnel, and by a test without one. */
const bench = Effect.gen(function*() {
  const exporter = yield* probeExporter.make
  const channel = yield* GrpcChannel.fromHandlers(exporter.handlers)
  const admin = yield* Effect.flatMap(ExporterConnection.fromChannel(channel), (direct) => direct.driver("probe"))
  const leased = yield* tunnels.leased("memory")
  yield* tunnels.serve(leased, exporter.handlers)
  const lease = yield* Lease.attach(tunnels.lease).pipe(
    Effect.provideService(Controller.Controller, leased.controller),
    Effect.withClock(looks)
  )
  const { connection } = lease
  const host = { admin, quirks: noQuirks }
  const session = { connection, probe: yield* connection.driver("probe") }
  return { host, lab: leased.lab, lease, session }
})

type Stage = Effect.Effect.Success<typeof bench>

describe("faults of a lab", () => {
  const test = (title: string, body: Effect.Effect<unknown, unknown, Scope.Scope>) =>
    it.live(title, () => Effect.provide(leavingNothing(Effect.scoped(body)), probeExporter.quiet), 60_000)

  test(
    "controller restarted",
    Effect.gen(function*() {
      const { host, lab, session } = yield* bench
      const running = yield* begin(host, session, ongoing)
      yield* lab.restart
      yield* check("controller restarted", running, (running) => outcomeOf(running, patience, "undisturbed"))
      yield* answers(session)
      yield* within("interruption", Fiber.interruptAll(running.map(({ fiber }) => fiber)))
      yield* released(host)
    })
  )

  test(
    "router lost",
    Effect.gen(function*() {
      const { host, lab, session } = yield* bench
      const running = yield* begin(host, session, ongoing)
      yield* lab.loseRouter
      yield* lab.restoreRouter
      yield* goOn(host)
      yield* check("router lost", running, outcomeOf)
      yield* released(host)
      yield* answers(session)
    })
  )

  for (
    const [how, end] of [
      ["expired", ({ lab, lease }) => lab.expire(lease.name)],
      ["deleted", ({ lab, lease }) => lab.release(lease.name)],
      ["transferred", ({ lab, lease }) => Effect.zipRight(lab.addClient("bob"), lab.transfer(lease.name, "bob"))]
    ] as ReadonlyArray<
      readonly [string, (stage: Stage) => Effect.Effect<unknown, unknown>]
    >
  ) {
    test(
      `lease ended (${how})`,
      Effect.gen(function*() {
        const stage = yield* bench
        const { host, session } = stage
        const running = yield* begin(host, session, ongoing)
        yield* end(stage)
        yield* check(
          "lease ended",
          running,
          (running) => Effect.map(outcomeOf(running), (outcome) => outcome === "ends" ? "ends with the lease" : outcome)
        )
        yield* released(host)
        const error = yield* Effect.flip(within("another call", session.probe.call("echo", 1)))
        assertTrue(error._tag === "ConnectionLost" && error.origin === "client")
        assertInstanceOf(error.cause, Lease.LeaseEnded)
      })
    )
  }
})
