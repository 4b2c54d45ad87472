// protocol.md 12.5: dialling, and the tunnel through the router, in memory and on sockets.
import { ClientServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream, TestClock } from "effect"
import * as Endpoint from "../../../src/grpc/Endpoint.ts"
import * as rpcs from "../../../src/protocol/rpcs.ts"
import * as ControllerTest from "../../../src/testing/ControllerTest.ts"
import * as endpointTransport from "../../../src/transport/endpointTransport.ts"
import * as certificates from "../../support/certificates.ts"
import { addClient, addExporter, refusal, status, tunnel } from "../../support/controller.ts"

// A stand-in in which a client has an exporter that listens.
const leased = Effect.fnUntraced(function*(options?: ControllerTest.ControllerTestOptions) {
  const lab = yield* ControllerTest.make(options)
  const alice = yield* addClient(lab, "alice")
  const bench = yield* addExporter(lab, "bench", { labels: { board: "rpi4" } })
  const notices = yield* bench.online
  yield* alice.lease({ selector: "board=rpi4" }, "one")
  yield* notices.next
  return { lab, alice, bench }
})

const listening = Effect.fnUntraced(function*(options?: ControllerTest.ControllerTestOptions) {
  const { alice, bench, lab } = yield* leased(options)
  yield* Effect.forkScoped(Effect.ignore(Stream.runDrain(bench.listen("one"))))
  // It is seen by nothing else that it is there.
  yield* TestClock.adjust("1 second")
  return { lab, alice, bench }
})

describe("a dial", () => {
  it.scoped("of a lease that has no exporter, or none yet", () =>
    Effect.gen(function*() {
      const { alice } = yield* leased()
      yield* alice.lease({ selector: "board=rpi4" }, "waits")
      assert.strictEqual(yield* refusal(alice.dial("waits")), "UNKNOWN: lease not active")
      yield* alice.delete("waits")
      assert.strictEqual(yield* refusal(alice.dial("waits")), "UNKNOWN: lease not active")
    }))

  it.scoped("of somebody else's lease, or of none", () =>
    Effect.gen(function*() {
      const { alice, lab } = yield* leased()
      const bob = yield* addClient(lab, "bob")
      assert.strictEqual(yield* refusal(bob.dial("one")), "UNKNOWN: permission denied")
      assert.strictEqual(yield* refusal(alice.dial("nope")), "UNKNOWN: leases.jumpstarter.dev \"nope\" not found")
      assert.strictEqual(yield* refusal(alice.dial("")), "UNKNOWN: empty lease name")
      assert.strictEqual(
        yield* refusal(alice.dial("namespaces/lab/leases/one")),
        "UNKNOWN: invalid resource name \"namespaces/lab/leases/one\": [may not contain '/']"
      )
    }))

  it.scoped.each<[number, string]>([
    [status.ready, "UNAVAILABLE: exporter is not listening on lease one"],
    [status.beforeLease, "UNAVAILABLE: exporter is not listening on lease one"],
    [0, "UNAVAILABLE: exporter is not listening on lease one"],
    [status.offline, "FAILED_PRECONDITION: exporter is offline"],
    [status.beforeLeaseFailed, "FAILED_PRECONDITION: exporter beforeLease hook failed"],
    [status.afterLeaseFailed, "FAILED_PRECONDITION: exporter afterLease hook failed"]
  ])("of an exporter with the status %d", ([number, expected]) =>
    Effect.gen(function*() {
      const { alice, bench } = yield* leased()
      yield* bench.report(number)
      assert.strictEqual(yield* refusal(alice.dial("one")), expected)
    }))

  it.scoped("waits while the exporter does not know of its lease, and gives up", () =>
    Effect.gen(function*() {
      for (const latency of ["none", "observed"] as const) {
        const { alice } = yield* listening({ latency }).pipe(
          Effect.raceFirst(Effect.forever(TestClock.adjust("100 millis")))
        )
        const dialling = yield* Effect.fork(refusal(alice.dial("one")))
        yield* TestClock.adjust("27400 millis")
        assert.isNull(dialling.unsafePoll())
        yield* TestClock.adjust("200 millis")
        assert.strictEqual(
          yield* Fiber.join(dialling),
          "FAILED_PRECONDITION: exporter is not ready (status: Available)"
        )
      }
    }))

  it.scoped("goes on with the exporter, without a step of the clock", () =>
    Effect.gen(function*() {
      const { alice, bench } = yield* listening()
      const dialling = yield* Effect.fork(alice.dial("one"))
      yield* TestClock.adjust("100 millis")
      assert.isNull(dialling.unsafePoll())
      yield* bench.report(status.ready)
      assert.notStrictEqual((yield* Fiber.join(dialling)).routerToken, "")
    }))

  it.scoped("goes on in half a second and more, if asked to", () =>
    Effect.gen(function*() {
      const { alice, bench } = yield* listening({ latency: "observed" }).pipe(
        Effect.raceFirst(Effect.forever(TestClock.adjust("100 millis")))
      )
      const dialling = yield* Effect.fork(alice.dial("one"))
      yield* TestClock.adjust("100 millis")
      yield* bench.report(status.ready)
      yield* TestClock.adjust("399 millis")
      assert.isNull(dialling.unsafePoll())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(dialling)
    }))

  it.scoped("does not see that the lease has ended", () =>
    Effect.gen(function*() {
      const { alice, bench, lab } = yield* listening()
      yield* bench.report(status.ready)
      yield* lab.expire("one")
      yield* alice.dial("one")
    }))

  it.scoped("waits for an ended lease too, while its exporter is available", () =>
    Effect.gen(function*() {
      const { alice, lab } = yield* listening()
      yield* lab.release("one")
      const dialling = yield* Effect.fork(refusal(alice.dial("one")))
      yield* TestClock.adjust("27400 millis")
      assert.isNull(dialling.unsafePoll())
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(
        yield* Fiber.join(dialling),
        "FAILED_PRECONDITION: exporter is not ready (status: Available)"
      )
    }))

  it.scoped("of an exporter that takes nothing fills its buffer", () =>
    Effect.gen(function*() {
      const { alice, bench } = yield* leased()
      yield* bench.report(status.ready)
      const held = yield* Deferred.make<void>()
      yield* Effect.forkScoped(Effect.ignore(Stream.runForEach(bench.listen("one"), () => Deferred.await(held))))
      yield* TestClock.adjust("1 second")
      const told = yield* Effect.iterate("", {
        while: (told) => told === "",
        body: () =>
          Effect.match(alice.dial("one"), {
            onFailure: ({ code, details }) => `${code}: ${details}`,
            onSuccess: () => ""
          })
      })
      assert.strictEqual(told, "RESOURCE_EXHAUSTED: listener buffer full on lease one")
    }), 20_000)
})

describe("the router", () => {
  it.scoped("lets nobody in without a token of its own", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      const alice = yield* lab.addClient("alice")
      const told = (token: string) => Effect.flatMap(tunnel(lab, token), ({ status }) => refusal(status))
      assert.strictEqual(yield* told("garbage"), "UNAUTHENTICATED: invalid jwt token")
      assert.strictEqual(
        yield* Effect.flatMap(
          lab.router.duplex("/jumpstarter.v1.RouterService/Stream"),
          ({ status }) => refusal(status)
        ),
        "UNAUTHENTICATED: missing or invalid authorization: rpc error: code = Unauthenticated desc = missing authorization header"
      )
      assert.strictEqual(yield* told(String(alice.token)), "UNAUTHENTICATED: invalid jwt token")
    }))

  it.scoped("takes a token for half an hour, and lets go on who is in", () =>
    Effect.gen(function*() {
      const { alice, bench, lab } = yield* listening()
      yield* bench.report(status.ready)
      const { routerToken } = yield* alice.dial("one")
      const first = yield* tunnel(lab, routerToken)
      yield* TestClock.adjust("30 minutes")
      const late = yield* tunnel(lab, routerToken)
      assert.strictEqual(yield* refusal(late.status), "UNAUTHENTICATED: invalid jwt token")
      yield* first.send(0, "still there")
    }))
})

const local = { host: "127.0.0.1", port: 0 } as const

const transports: ReadonlyArray<{
  readonly name: string
  readonly it: typeof it.scopedLive
  readonly options: Effect.Effect<ControllerTest.ControllerTestOptions>
}> = [
  { name: "memory", it: it.scoped, options: Effect.succeed({}) },
  {
    name: "tls",
    it: it.scopedLive,
    options: Effect.map(certificates.localhost, ({ certificate }) => ({
      listen: { controller: { ...local, certificate }, router: { ...local, certificate } },
      latency: "none" as const
    }))
  }
]

for (const transport of transports) {
  describe(`a tunnel over ${transport.name}`, () => {
    // Opens both ends of a tunnel and sends a frame each way.
    const exchange = (lab: ControllerTest.Control, token: string) =>
      Effect.gen(function*() {
        const first = yield* tunnel(lab, token)
        yield* first.send(0, "a")
        const second = yield* tunnel(lab, token)
        assert.deepStrictEqual(yield* second.receive, ["0:a"])
        yield* second.send(0, "b")
        assert.deepStrictEqual(yield* first.receive, ["0:b"])
      })

    // The first end of a tunnel, and an effect that opens the second.
    const pair = Effect.gen(function*() {
      const { alice, bench, lab } = yield* leased(yield* transport.options)
      yield* bench.report(status.ready)
      const told = yield* Deferred.make<string>()
      yield* Effect.forkScoped(
        Stream.runForEach(bench.listen("one"), ({ routerToken }) => Deferred.succeed(told, routerToken)).pipe(
          Effect.ignore
        )
      )
      const { routerToken } = yield* Effect.retry(alice.dial("one"), { while: ({ code }) => code === "UNAVAILABLE" })
      assert.strictEqual(yield* Deferred.await(told), routerToken)
      const first = yield* tunnel(lab, routerToken)
      const spare = (yield* alice.dial("one")).routerToken
      // Waits until the router has dealt with everything sent before. On a socket this is so when a later pair of tunnels on the same
      // connection has exchanged a frame each way.
      const settled = transport.name === "memory"
        ? TestClock.adjust("2 minutes")
        : Effect.scoped(exchange(lab, spare))
      // Forks an effect that must not end before the test's next step.
      const silent = <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.gen(function*() {
          const waiting = yield* Effect.forkScoped(Effect.exit(effect))
          yield* settled
          assert.isNull(waiting.unsafePoll())
          return waiting
        })
      return { lab, routerToken, first, second: tunnel(lab, routerToken), settled, silent }
    })

    // Both, when each has heard of the other.
    const joined = Effect.gen(function*() {
      const { first, second, ...rest } = yield* pair
      yield* first.send(0, "a")
      const other = yield* second
      assert.deepStrictEqual(yield* other.receive, ["0:a"])
      yield* other.send(0, "b")
      assert.deepStrictEqual(yield* first.receive, ["0:b"])
      return { ...rest, first, second: other }
    })

    transport.it("copies frames as they are, those it does not know and empty ones too", () =>
      Effect.gen(function*() {
        const { first, second } = yield* joined
        yield* first.send(6)
        yield* first.send(42, "x")
        yield* first.send(0)
        let got: ReadonlyArray<string> = []
        while (got.length < 3) got = got.concat(yield* second.receive)
        assert.deepStrictEqual(got, ["6:", "42:x", "0:"])
      }))

    transport.it(
      "keeps what comes before the other end does, in order, and after a half-close",
      () =>
        Effect.gen(function*() {
          const { first, second } = yield* pair
          yield* first.send(0, "1")
          yield* first.send(0, "2")
          yield* first.halfClose
          const other = yield* second
          let got: ReadonlyArray<string> = []
          while (got.length < 2) got = got.concat(yield* other.receive)
          assert.deepStrictEqual(got, ["0:1", "0:2"])
          yield* other.send(0, "3")
          assert.deepStrictEqual(yield* first.receive, ["0:3"])
          yield* other.halfClose
          yield* first.status
          yield* other.status
        })
    )

    transport.it("tells nobody of a half-close", () =>
      Effect.gen(function*() {
        const { first, second, silent } = yield* joined
        yield* first.halfClose
        const waiting = yield* silent(second.receive)
        yield* second.halfClose
        assert.isTrue((yield* Fiber.join(waiting))._tag === "Success")
      }))

    transport.it("the first end hears nothing of the loss of the second, then OK", () =>
      Effect.gen(function*() {
        const { first, second, silent } = yield* joined
        yield* second.cancel
        const waiting = yield* silent(first.status)
        yield* first.send(6)
        assert.strictEqual((yield* Fiber.join(waiting))._tag, "Success")
      }))

    transport.it(
      "the second end hears nothing of the loss of the first, then that it was cancelled",
      () =>
        Effect.gen(function*() {
          const { first, second, silent } = yield* joined
          yield* first.cancel
          const waiting = yield* silent(refusal(second.status))
          yield* second.halfClose
          const told = yield* Fiber.join(waiting)
          assert.strictEqual(told._tag === "Success" && told.value, "CANCELLED: context canceled")
        })
    )

    transport.it("the first end that had half-closed gets OK at once", () =>
      Effect.gen(function*() {
        const { first, second } = yield* joined
        yield* first.halfClose
        yield* second.cancel
        yield* first.status
      }))

    transport.it("the second end that had half-closed is cancelled at once", () =>
      Effect.gen(function*() {
        const { first, second } = yield* joined
        yield* second.halfClose
        yield* first.cancel
        assert.strictEqual(yield* refusal(second.status), "CANCELLED: context canceled")
      }))

    transport.it("two more make a second pair", () =>
      Effect.gen(function*() {
        const { first, lab, routerToken, second } = yield* joined
        const c = yield* tunnel(lab, routerToken)
        yield* c.send(0, "y")
        const d = yield* tunnel(lab, routerToken)
        assert.deepStrictEqual(yield* d.receive, ["0:y"])
        yield* first.send(0, "x")
        assert.deepStrictEqual(yield* second.receive, ["0:x"])
      }))

    it.scoped.runIf(transport.name === "memory")(
      "takes 64 KiB from an end that is alone",
      () =>
        Effect.gen(function*() {
          const { first, second, silent } = yield* pair
          const frame = "x".repeat(16 * 1024)
          yield* Effect.forEach([1, 2, 3, 4], () => first.send(0, frame))
          const fifth = yield* silent(first.send(0, frame))
          const other = yield* second
          let got: ReadonlyArray<string> = []
          while (got.length < 5) got = got.concat(yield* other.receive)
          assert.isTrue((yield* Fiber.join(fifth))._tag === "Success")
        })
    )

    transport.it(
      "an end that gives up waiting makes room",
      () =>
        Effect.gen(function*() {
          const { first, lab, routerToken, settled } = yield* pair
          yield* first.cancel
          yield* settled
          const a = yield* tunnel(lab, routerToken)
          yield* a.send(0, "x")
          const b = yield* tunnel(lab, routerToken)
          assert.deepStrictEqual(yield* b.receive, ["0:x"])
        })
    )

    transport.it("both ends lose a router that is gone, and find it when it is back", () =>
      Effect.gen(function*() {
        const { first, lab, routerToken, second } = yield* joined
        const ends = yield* Effect.fork(Effect.all([Effect.flip(first.status), Effect.flip(second.status)]))
        yield* lab.loseRouter
        assert.deepStrictEqual((yield* Fiber.join(ends)).map(({ code }) => code), ["UNAVAILABLE", "UNAVAILABLE"])
        yield* lab.restoreRouter
        const again = yield* tunnel(lab, routerToken)
        yield* again.send(0, "x")
        assert.deepStrictEqual(yield* Effect.flatMap(tunnel(lab, routerToken), ({ receive }) => receive), ["0:x"])
      }))
  })
}

// Channels of this library refuse to send larger messages, so these go through a bare transport. In memory there is none.
describe("a message from another program", () => {
  const largest = 4 * 1024 * 1024

  const refused = "RESOURCE_EXHAUSTED: grpc: received message larger than max (4194309 vs. 4194304)"

  const served = Effect.gen(function*() {
    const lab = yield* ControllerTest.make({ listen: { controller: local, router: local }, latency: "none" })
    const bare = (address: string) =>
      Effect.flatMap(
        Endpoint.parse(address, { security: "insecure" }),
        (endpoint) => endpointTransport.make(endpoint, address, {})
      )
    return { lab, bare }
  })

  const joined = Effect.gen(function*() {
    const { bare, lab } = yield* served
    const alice = yield* addClient(lab, "alice")
    const bench = yield* addExporter(lab, "bench")
    const notices = yield* bench.online
    yield* alice.lease({ exporterName: "bench" }, "one")
    yield* notices.next
    yield* bench.report(status.ready)
    yield* Effect.forkScoped(Effect.ignore(Stream.runDrain(bench.listen("one"))))
    const { routerToken } = yield* Effect.retry(alice.dial("one"), { while: ({ code }) => code === "UNAVAILABLE" })
    const router = yield* bare(lab.routerEndpoint)
    const first = yield* tunnel({ router }, routerToken)
    yield* first.send(0, "a")
    const second = yield* tunnel({ router }, routerToken)
    assert.deepStrictEqual(yield* second.receive, ["0:a"])
    return { first, second }
  })

  it.scopedLive("of 4 MiB passes the router", () =>
    Effect.gen(function*() {
      const { first, second } = yield* joined
      yield* first.send(0, "x".repeat(largest - 5))
      const [frame] = yield* second.receive
      assert.lengthOf(frame ?? "", "0:".length + largest - 5)
    }))

  it.scopedLive("above 4 MiB fails the first end that sends it, and the second when that sends anything", () =>
    Effect.gen(function*() {
      const { first, second } = yield* joined
      yield* first.send(0, "x".repeat(largest))
      assert.strictEqual(yield* refusal(first.status), refused)
      yield* second.send(6)
      assert.strictEqual(yield* refusal(second.status), refused)
    }))

  it.scopedLive("above 4 MiB fails the second end that sends it, and the first gets OK when it half-closes", () =>
    Effect.gen(function*() {
      const { first, second } = yield* joined
      yield* second.send(0, "x".repeat(largest))
      assert.strictEqual(yield* refusal(second.status), refused)
      yield* first.halfClose
      yield* first.status
    }))

  it.scopedLive("above 4 MiB is refused by the controller", () =>
    Effect.gen(function*() {
      const { bare, lab } = yield* served
      const { endpoint } = yield* lab.addClient("alice")
      const controller = yield* bare(endpoint)
      const { createLease } = ClientServiceDefinition.methods
      assert.strictEqual(
        yield* refusal(
          controller.unary(rpcs.of(ClientServiceDefinition, createLease), new Uint8Array(largest + 5), {})
        ),
        refused
      )
    }))
})
