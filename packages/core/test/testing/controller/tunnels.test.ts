// protocol.md 12.5: dials, and tunnels through the router, in memory and on sockets.
import { ClientServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream, TestClock } from "effect"
import * as Endpoint from "../../../src/grpc/Endpoint.ts"
import * as rpcs from "../../../src/protocol/rpcs.ts"
import * as ControllerTest from "../../../src/testing/ControllerTest.ts"
import * as endpointTransport from "../../../src/transport/endpointTransport.ts"
import * as certificates from "../../support/certificates.ts"
import { addClient, addExporter, refusal, status, tunnel } from "../../support/controller.ts"

// A stand-in with a client that holds the only exporter.
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
  // Lets the controller handle the call: nothing shows when an exporter listens.
  yield* TestClock.adjust("1 second")
  return { lab, alice, bench }
})

describe("a dial", () => {
  it.scoped("is refused for a lease that never had an exporter", () =>
    Effect.gen(function*() {
      const { alice } = yield* leased()
      yield* alice.lease({ selector: "board=rpi4" }, "waits")
      assert.strictEqual(yield* refusal(alice.dial("waits")), "UNKNOWN: lease not active")
      yield* alice.delete("waits")
      assert.strictEqual(yield* refusal(alice.dial("waits")), "UNKNOWN: lease not active")
    }))

  it.scoped("is refused for the lease of another client, and for an invalid name", () =>
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
  ])(
    "is refused for an exporter with the status %d that does not listen",
    ([number, expected]) =>
      Effect.gen(function*() {
        const { alice, bench } = yield* leased()
        yield* bench.report(number)
        assert.strictEqual(yield* refusal(alice.dial("one")), expected)
      })
  )

  it.scoped("waits for 27.5 seconds while the exporter is available", () =>
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

  it.scoped("continues as soon as the exporter is ready", () =>
    Effect.gen(function*() {
      const { alice, bench } = yield* listening()
      const dialling = yield* Effect.fork(alice.dial("one"))
      yield* TestClock.adjust("100 millis")
      assert.isNull(dialling.unsafePoll())
      yield* bench.report(status.ready)
      assert.notStrictEqual((yield* Fiber.join(dialling)).routerToken, "")
    }))

  it.scoped("continues after half a second with observed latency", () =>
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

  it.scoped("succeeds for a lease that has ended", () =>
    Effect.gen(function*() {
      const { alice, bench, lab } = yield* listening()
      yield* bench.report(status.ready)
      yield* lab.expire("one")
      yield* alice.dial("one")
    }))

  it.scoped("waits for a lease that has ended, too", () =>
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

  it.scoped("fills the buffer of an exporter that reads nothing", () =>
    Effect.gen(function*() {
      const { alice, bench } = yield* leased()
      yield* bench.report(status.ready)
      const held = yield* Deferred.make<void>()
      yield* Effect.forkScoped(Effect.ignore(Stream.runForEach(bench.listen("one"), () => Deferred.await(held))))
      yield* TestClock.adjust("1 second")
      const refused = yield* Effect.iterate("", {
        while: (refused) => refused === "",
        body: () =>
          Effect.match(alice.dial("one"), {
            onFailure: ({ code, details }) => `${code}: ${details}`,
            onSuccess: () => ""
          })
      })
      assert.strictEqual(refused, "RESOURCE_EXHAUSTED: listener buffer full on lease one")
    }), 20_000)
})

describe("the router", () => {
  it.scoped("accepts only its own tokens", () =>
    Effect.gen(function*() {
      const lab = yield* ControllerTest.make()
      const alice = yield* lab.addClient("alice")
      const refused = (token: string) => Effect.flatMap(tunnel(lab, token), ({ status }) => refusal(status))
      assert.strictEqual(yield* refused("garbage"), "UNAUTHENTICATED: invalid jwt token")
      assert.strictEqual(
        yield* Effect.flatMap(
          lab.router.duplex(rpcs.stream),
          ({ status }) => refusal(status)
        ),
        "UNAUTHENTICATED: missing or invalid authorization: rpc error: code = Unauthenticated desc = missing authorization header"
      )
      assert.strictEqual(yield* refused(String(alice.token)), "UNAUTHENTICATED: invalid jwt token")
    }))

  it.scoped("accepts a token for half an hour, and keeps open tunnels longer", () =>
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
      const token = yield* Deferred.make<string>()
      yield* Effect.forkScoped(
        Stream.runForEach(bench.listen("one"), ({ routerToken }) => Deferred.succeed(token, routerToken)).pipe(
          Effect.ignore
        )
      )
      const { routerToken } = yield* Effect.retry(alice.dial("one"), { while: ({ code }) => code === "UNAVAILABLE" })
      assert.strictEqual(yield* Deferred.await(token), routerToken)
      const first = yield* tunnel(lab, routerToken)
      const spare = (yield* alice.dial("one")).routerToken
      // Waits until the router has handled everything that was sent. On a socket that is certain after a later pair on the same connection
      // has exchanged a frame each way.
      const settled = transport.name === "memory"
        ? TestClock.adjust("2 minutes")
        : Effect.scoped(exchange(lab, spare))
      // Forks an effect, and checks that it does not end before the next step of the test.
      const silent = <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.gen(function*() {
          const waiting = yield* Effect.forkScoped(Effect.exit(effect))
          yield* settled
          assert.isNull(waiting.unsafePoll())
          return waiting
        })
      return { lab, routerToken, first, second: tunnel(lab, routerToken), settled, silent }
    })

    // Both ends, after each has received a frame from the other.
    const joined = Effect.gen(function*() {
      const { first, second, ...rest } = yield* pair
      yield* first.send(0, "a")
      const other = yield* second
      assert.deepStrictEqual(yield* other.receive, ["0:a"])
      yield* other.send(0, "b")
      assert.deepStrictEqual(yield* first.receive, ["0:b"])
      return { ...rest, first, second: other }
    })

    transport.it("copies frames unchanged, unknown and empty ones too", () =>
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
      "keeps early frames in order for the second end, also after a half-close",
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

    transport.it("does not forward a half-close", () =>
      Effect.gen(function*() {
        const { first, second, silent } = yield* joined
        yield* first.halfClose
        const waiting = yield* silent(second.receive)
        yield* second.halfClose
        assert.isTrue((yield* Fiber.join(waiting))._tag === "Success")
      }))

    transport.it("ends the first end with OK when it sends, after the second is lost", () =>
      Effect.gen(function*() {
        const { first, second, silent } = yield* joined
        yield* second.cancel
        const waiting = yield* silent(first.status)
        yield* first.send(6)
        assert.strictEqual((yield* Fiber.join(waiting))._tag, "Success")
      }))

    transport.it(
      "ends the second end with CANCELLED when it half-closes, after the first is lost",
      () =>
        Effect.gen(function*() {
          const { first, second, silent } = yield* joined
          yield* first.cancel
          const waiting = yield* silent(refusal(second.status))
          yield* second.halfClose
          const ended = yield* Fiber.join(waiting)
          assert.strictEqual(ended._tag === "Success" && ended.value, "CANCELLED: context canceled")
        })
    )

    transport.it("ends the first end with OK immediately if it had half-closed", () =>
      Effect.gen(function*() {
        const { first, second } = yield* joined
        yield* first.halfClose
        yield* second.cancel
        yield* first.status
      }))

    transport.it("ends the second end with CANCELLED immediately if it had half-closed", () =>
      Effect.gen(function*() {
        const { first, second } = yield* joined
        yield* second.halfClose
        yield* first.cancel
        assert.strictEqual(yield* refusal(second.status), "CANCELLED: context canceled")
      }))

    transport.it("pairs a third and a fourth end with the same token", () =>
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
      "accepts 64 KiB from an end that waits for the other",
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
      "forgets an end that stops waiting",
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

    transport.it(
      "fails with UNAVAILABLE when the router is lost, and can be opened again after that",
      () =>
        Effect.gen(function*() {
          const { first, lab, routerToken, second } = yield* joined
          const ends = yield* Effect.fork(Effect.all([Effect.flip(first.status), Effect.flip(second.status)]))
          yield* lab.loseRouter
          assert.deepStrictEqual((yield* Fiber.join(ends)).map(({ code }) => code), ["UNAVAILABLE", "UNAVAILABLE"])
          yield* lab.restoreRouter
          const again = yield* tunnel(lab, routerToken)
          yield* again.send(0, "x")
          assert.deepStrictEqual(yield* Effect.flatMap(tunnel(lab, routerToken), ({ receive }) => receive), ["0:x"])
        })
    )
  })
}

// Channels of this library refuse to send large messages, so these tests use a bare transport, which exists only for sockets.
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
