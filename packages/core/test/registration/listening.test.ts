// What an exporter does when its Listen stream ends, is refused, or names a router that cannot be used.
import { describe, it } from "@effect/vitest"
import { assertInclude, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { Effect, Exit, Scope, Stream, TestClock } from "effect"
import * as attempts from "../../src/controller/attempts.ts"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import type { ExporterCalls } from "../../src/registration/exporterCalls.ts"
import * as listening from "../../src/registration/listening.ts"
import { logged } from "../support/leaseBench.ts"

type Listen = ReturnType<ExporterCalls["listen"]>

/** Opens the streams one after the other, and returns how many there were and what was logged. */
const opened = (
  listen: (count: number) => Listen,
  { router = () => Effect.never, server = {} }: Partial<Pick<listening.Place, "router" | "server">> = {}
) =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    let count = 0
    const calls: Pick<ExporterCalls, "listen"> = { listen: () => Stream.suspend(() => listen(++count)) }
    yield* Effect.provide(
      listening.open(
        { calls, exporter: "rpi", tls: { ca: "", insecure: false }, router, server },
        "one",
        new Map()
      ),
      logged(lines)
    )
    return { lines, streams: () => count }
  })

const refused = (code: GrpcStatus.GrpcCode, details: string): Listen =>
  Stream.fail(attempts.fromStatus("Listen", "one")(GrpcStatus.make(code, details)))

const dialled = (routerEndpoint: string, routerToken = "token") => ({ routerEndpoint, routerToken })

describe("a Listen stream", () => {
  it.scoped("that ends while the lease is ours means another process: the exporter says so, and backs off", () =>
    Effect.gen(function*() {
      const { lines, streams } = yield* opened(() => Stream.empty)
      yield* TestClock.adjust("10 minutes")
      // The real controller saw 413 of them in 4 seconds.
      strictEqual(streams() > 15 && streams() < 40, true, `${streams()} streams`)
      assertInclude(
        lines[0],
        "WARN another process listens for the lease one: check that only one runs with the identity"
      )
    }))

  it.scoped("that fails is opened again soon, with one warning", () =>
    Effect.gen(function*() {
      const { lines, streams } = yield* opened((count) => count < 20 ? refused("UNAVAILABLE", "gone") : Stream.never)
      yield* TestClock.adjust("1 minute")
      strictEqual(streams(), 20)
      strictEqual(lines.filter((line) => line.startsWith("WARN")).length, 1)
      assertInclude(lines[0], "no new clients of the lease one are accepted for now: Listen one on")
    }))

  it.scoped("that is refused because the lease is over is no news", () =>
    Effect.gen(function*() {
      const { lines } = yield* opened(() => refused("UNKNOWN", "permission denied"))
      yield* TestClock.adjust("1 minute")
      deepStrictEqual(lines.filter((line) => line.startsWith("WARN")), [])
    }))

  it.scoped("that names a router which cannot be used, or trusted, costs that client alone", () =>
    Effect.gen(function*() {
      const { lines } = yield* opened(() =>
        Stream.concat(
          Stream.make(dialled("tcp://router.lab:8083"), dialled("router.lab:8083", "two words")),
          Stream.never
        )
      )
      yield* TestClock.adjust("1 second")
      strictEqual(lines.length, 2)
      assertInclude(
        lines[0],
        "a client of the lease one cannot be met: the router address from the controller, \"tcp://router.lab:8083\""
      )
      assertInclude(lines[1], "the router token from the controller has characters that a token cannot have")
    }))

  it.scoped("is cancelled at the end of the lease, as is a tunnel that has not reached its router", () =>
    Effect.gen(function*() {
      const events: Array<string> = []
      const note = (event: string) => Effect.sync(() => void events.push(event))
      const scope = yield* Scope.make()
      const { streams } = yield* Scope.extend(
        opened(
          () =>
            Stream.ensuring(Stream.concat(Stream.make(dialled("router.lab:8083")), Stream.never), note("cancelled")),
          { router: () => Effect.zipRight(note("dials"), Effect.onInterrupt(Effect.never, () => note("gives up"))) }
        ),
        scope
      )
      yield* TestClock.adjust("1 second")
      deepStrictEqual(events, ["dials"])
      yield* Scope.close(scope, Exit.void)
      deepStrictEqual([...events].sort(), ["cancelled", "dials", "gives up"])
      yield* TestClock.adjust("1 minute")
      strictEqual(streams(), 1)
    }))

  it.scoped("opens no more tunnels than allowed", () =>
    Effect.gen(function*() {
      const { lines } = yield* opened(
        () => Stream.concat(Stream.repeatValue(dialled("router.lab:8083")).pipe(Stream.take(5)), Stream.never),
        { server: { maxConnections: 3 } }
      )
      yield* TestClock.adjust("1 second")
      deepStrictEqual(
        lines,
        Array.from({ length: 2 }, () => "WARN a client of the lease one was refused: 3 tunnels are open")
      )
    }))
})
