// Connections through a router: how they are dialled, shared, kept alive, lost and closed. suite/behaviourTunnel.test.ts covers
// the calls that run over them.
import { describe, it } from "@effect/vitest"
import { assertInclude, assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import type { Duplex } from "node:stream"
import { setImmediate } from "node:timers"
import { inspect } from "node:util"
import type { ControllerClient } from "../../src/controller/Controller.ts"
import * as routerTunnel from "../../src/controller/routerTunnel.ts"
import * as tunnelLine from "../../src/controller/tunnelLine.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import { GrpcHandler } from "../../src/grpc/GrpcHandler.ts"
import type { GrpcDuplex } from "../../src/grpc/grpcTransport.ts"
import * as rpcs from "../../src/protocol/rpcs.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import * as interruptible from "../../src/util/interruptible.ts"
import { text, utf8 } from "../support/bytes.ts"
import { tunnel } from "../support/controller.ts"
import * as fake from "../support/fakeController.ts"
import * as leaks from "../support/leaks.ts"
import * as Probe from "../support/probe.ts"
import * as tunnels from "../support/tunnels.ts"

const handlers = (hanging: Probe.Probe) =>
  new Map<string, GrpcHandler>([
    ["/t.S/Echo", GrpcHandler.Unary({ handle: Effect.succeed })],
    ["/t.S/Hang", GrpcHandler.Unary({ handle: () => hanging.watch(Effect.never) })]
  ])

const echo = (channel: GrpcChannel.Channel) => Effect.map(channel.unary("/t.S/Echo", utf8("hi")), text)

const hang = (channel: GrpcChannel.Channel) => channel.unary("/t.S/Hang", utf8(""))

/** Counts the channels to routers, and keeps the ends of the tunnels that are opened through them. */
const watched = (router: ControllerClient["router"]) => {
  const opened: Array<GrpcDuplex> = []
  const counts = { routers: 0, closed: 0 }
  const watch: ControllerClient["router"] = (endpoint) =>
    Effect.gen(function*() {
      counts.routers++
      yield* Effect.addFinalizer(() => Effect.sync(() => counts.closed++))
      const channel = yield* router(endpoint)
      return {
        ...channel,
        duplex: (rpc, options) =>
          Effect.tap(channel.duplex(rpc, options), (duplex) => Effect.sync(() => opened.push(duplex)))
      }
    })
  return { counts, opened, router: watch }
}

/** A channel to an exporter that serves `handlers`, and observers at both ends. */
const connected = (carrier: tunnels.Carrier) =>
  Effect.gen(function*() {
    const leased = yield* tunnels.leased(carrier)
    const hanging = yield* Probe.make
    const exporterEnd = watched(leased.controller.router)
    const clientEnd = watched(leased.controller.router)
    yield* tunnels.serve(leased, handlers(hanging), exporterEnd.router)
    const controller = { ...leased.controller, router: clientEnd.router }
    const channel = yield* routerTunnel.channel({ controller, lease: tunnels.lease })
    const told = yield* Deferred.make<string>()
    yield* channel.connection?.onEnd((details) => Deferred.unsafeDone(told, Exit.succeed(details))) ?? Effect.void
    return { ...leased, channel, clientEnd, exporterEnd, hanging, told }
  })

type Connected = Effect.Effect.Success<ReturnType<typeof connected>>

/** Opens the exporter's end of a tunnel without HTTP/2. */
const raw = ({ entries, lab }: tunnels.Leased) =>
  Effect.flatMap(entries.take, ({ token }) => tunnel(lab, Redacted.value(token)))

/** Waits for enough turns of the event loop that everything sent in memory arrives. */
const turns = Effect.repeatN(
  Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void))),
  100
)

const carriers: ReadonlyArray<{ readonly carrier: tunnels.Carrier; readonly it: typeof it.scopedLive }> = [
  { carrier: "memory", it: it.scoped },
  { carrier: "tls", it: it.scopedLive }
]

for (const { carrier, it } of carriers) {
  describe(`a tunnel over ${carrier}`, () => {
    it("is dialled once for all calls, when the first one needs it", () =>
      Effect.gen(function*() {
        const { channel, clientEnd } = yield* connected(carrier)
        strictEqual(clientEnd.opened.length, 0)
        deepStrictEqual(
          yield* Effect.all([echo(channel), echo(channel), echo(channel)], { concurrency: "unbounded" }),
          ["hi", "hi", "hi"]
        )
        strictEqual(clientEnd.opened.length, 1)
      }))

    const losses: ReadonlyArray<{
      readonly how: string
      readonly lose: (connected: Connected) => Effect.Effect<unknown, unknown, Scope.Scope>
      readonly why: string
    }> = [
      {
        how: "whose router is lost",
        lose: ({ lab }) => Effect.zipRight(lab.loseRouter, lab.restoreRouter),
        why: "the router is gone"
      },
      {
        how: "whose other end is cancelled, which the next call detects,",
        lose: ({ channel, exporterEnd }) =>
          Effect.zipRight(exporterEnd.opened[0]!.cancel, interruptible.forkScoped(echo(channel))),
        why: "its other end is gone"
      },
      {
        how: "that its other end resets",
        lose: ({ exporterEnd }) => exporterEnd.opened[0]!.send(Uint8Array.of(0x10, 3)),
        why: "its other end reset it"
      },
      {
        how: "whose messages are not frames",
        lose: ({ exporterEnd }) => exporterEnd.opened[0]!.send(Uint8Array.of(0xff)),
        why: "malformed message from the router"
      }
    ]
    for (const { how, lose, why } of losses) {
      it(`${how} fails running calls with the reason, and is dialled anew`, () =>
        Effect.gen(function*() {
          const all = yield* connected(carrier)
          const { channel, clientEnd, hanging, lab, told } = all
          const call = yield* Effect.fork(Effect.flip(hang(channel)))
          yield* hanging.started
          yield* lose(all)
          const error = yield* Fiber.join(call)
          deepStrictEqual([error.code, error.origin, error.scope], ["UNAVAILABLE", "transport", "connection"])
          assertInclude(
            error.details,
            `the tunnel of the lease one through the router ${lab.router.target} was lost: ${why}`
          )
          strictEqual(yield* Deferred.await(told), error.details)
          yield* hanging.finalized
          strictEqual(yield* Effect.retry(echo(channel), { times: 3 }), "hi")
          strictEqual(clientEnd.opened.length, 2)
        }))
    }

    it("that the exporter ends is dialled anew", () =>
      Effect.gen(function*() {
        const { channel, clientEnd, exporterEnd, hanging, lab, told } = yield* connected(carrier)
        const call = yield* Effect.fork(Effect.flip(hang(channel)))
        yield* hanging.started
        yield* exporterEnd.opened[0]!.send(Uint8Array.of(0x10, 7))
        const error = yield* Fiber.join(call)
        deepStrictEqual([error.code, error.origin, error.scope], ["UNAVAILABLE", "transport", "connection"])
        const ended = `the exporter ended the tunnel of the lease one through the router ${lab.router.target}`
        deepStrictEqual([error.details, yield* Deferred.await(told)], [ended, ended])
        // The client's end has closed in good order too.
        yield* clientEnd.opened[0]!.status
        strictEqual(yield* echo(channel), "hi")
        strictEqual(clientEnd.opened.length, 2)
      }))

    for (
      const [how, outcome, exit] of [
        ["succeeds", Effect.void, Exit.void],
        ["fails", Effect.fail("no"), Exit.fail("no")],
        ["is interrupted", Effect.interrupt, undefined]
      ] as const
    ) {
      it(`is closed at both ends, with the channel to the router, when its program ${how}`, () =>
        Effect.gen(function*() {
          const leased = yield* tunnels.leased(carrier)
          const hanging = yield* Probe.make
          const exporterEnd = watched(leased.controller.router)
          const clientEnd = watched(leased.controller.router)
          yield* tunnels.serve(leased, handlers(hanging), exporterEnd.router)
          const controller = { ...leased.controller, router: clientEnd.router }
          const ended = yield* Effect.gen(function*() {
            const channel = yield* routerTunnel.channel({ controller, lease: tunnels.lease })
            yield* Effect.fork(hang(channel))
            yield* hanging.started
            yield* outcome
          }).pipe(Effect.scoped, Effect.fork, Effect.flatMap(Fiber.await))
          if (exit !== undefined) deepStrictEqual(ended, exit)
          else assertTrue(Exit.isInterrupted(ended))
          strictEqual(clientEnd.counts.closed, 1)
          // The exporter noticed the end, and closed its own end.
          yield* hanging.finalized
          yield* exporterEnd.opened[0]!.status
          strictEqual(exporterEnd.opened.length, 1)
        }))
    }

    it("leaves nothing behind", () =>
      leaks.leavingNothing(Effect.scoped(Effect.flatMap(connected(carrier), ({ channel }) => echo(channel)))))

    it("is closed with its channel while its other end is silent", () =>
      Effect.gen(function*() {
        const leased = yield* tunnels.leased(carrier)
        const { controller } = leased
        const clientEnd = watched(controller.router)
        const scope = yield* Scope.make()
        const channel = yield* Scope.extend(
          routerTunnel.channel({ controller: { ...controller, router: clientEnd.router }, lease: tunnels.lease }),
          scope
        )
        const call = yield* Effect.fork(Effect.flip(echo(channel)))
        const other = yield* raw(leased)
        assertTrue((yield* other.receive)[0]?.startsWith("0:PRI * HTTP/2.0") === true)
        yield* Scope.close(scope, Exit.void)
        strictEqual((yield* Fiber.join(call)).details, "the channel is closed")
        strictEqual(clientEnd.counts.closed, 1)
        // HTTP/2 frames may arrive before the end.
        yield* Effect.repeat(other.receive, { until: (frames) => frames.includes("7:") })
      }))
  })

  describe(`the two ends of a tunnel over ${carrier}`, () => {
    const dialled = ({ controller, entries }: tunnels.Leased) =>
      Effect.gen(function*() {
        const { endpoint, token } = yield* controller.dial(tunnels.lease)
        yield* entries.take
        const open = Effect.flatMap(controller.router(endpoint), (router) => tunnelLine.open(router, token, "one"))
        return { one: yield* open, other: yield* open }
      })

    type Pair = Effect.Effect.Success<ReturnType<typeof dialled>>

    const readAll = (line: Duplex) =>
      Effect.async<string>((resume) => {
        let all = ""
        line.on("data", (bytes: Uint8Array) => {
          all += text(bytes)
        })
        line.once("end", () => resume(Effect.succeed(all)))
      })

    it("end one direction after the other", () =>
      Effect.gen(function*() {
        const { one, other } = yield* dialled(yield* tunnels.leased(carrier))
        one.end("question")
        strictEqual(yield* readAll(other), "question")
        other.end("answer")
        strictEqual(yield* readAll(one), "answer")
      }))

    it("make a writer wait until its bytes are read, and carry 64 MiB each way", () =>
      Effect.gen(function*() {
        const leased = yield* tunnels.leased(carrier)
        const piece = new Uint8Array(256 * 1024)
        const count = 256
        const send = (line: Duplex, progress: { sent: number }) =>
          Effect.async<void>((resume) => {
            const next = (left: number): void => {
              if (left === 0) {
                line.end()
                return resume(Effect.void)
              }
              line.write(piece, () => {
                progress.sent += piece.length
                next(left - 1)
              })
            }
            next(count)
          })
        const sendBoth = ({ one, other }: Pair, progress: { sent: number }) =>
          interruptible.forkScoped(
            Effect.all([send(one, progress), send(other, progress)], { concurrency: 2, discard: true })
          )
        const sizeOf = (line: Duplex) =>
          Effect.async<number>((resume) => {
            let size = 0
            line.on("data", ({ length }: Uint8Array) => {
              size += length
            })
            line.once("end", () => resume(Effect.succeed(size)))
          })
        const sizesOf = ({ one, other }: Pair) => Effect.all([sizeOf(one), sizeOf(other)], { concurrency: 2 })
        const whole = [count * piece.length, count * piece.length]

        const unread = yield* dialled(leased)
        const progress = { sent: 0 }
        const sending = yield* sendBoth(unread, progress)
        // The ends of this second tunnel through the same router read. When all its bytes have arrived, the first tunnel has had
        // time to send as many.
        const read = yield* dialled(leased)
        yield* sendBoth(read, { sent: 0 })
        deepStrictEqual(yield* sizesOf(read), whole)
        // The flow-control windows and buffers of both directions together hold less than this.
        assertTrue(progress.sent < 2 * 16 * 1024 * 1024, `${progress.sent} bytes`)
        deepStrictEqual(yield* sizesOf(unread), whole)
        yield* Fiber.join(sending)
      }), 30_000)
  })
}

describe("a tunnel that is idle", () => {
  it.scoped("sends an empty frame every ten seconds", () =>
    Effect.gen(function*() {
      const leased = yield* tunnels.leased("memory")
      const { endpoint, token } = yield* leased.controller.dial(tunnels.lease)
      const router = yield* leased.controller.router(endpoint)
      const line = yield* tunnelLine.open(router, token, "one")
      const other = yield* raw(leased)
      yield* TestClock.adjust("6 seconds")
      line.write("x")
      deepStrictEqual(yield* other.receive, ["0:x"])
      const next = yield* Effect.fork(other.receive)
      yield* TestClock.adjust("9999 millis")
      strictEqual(next.unsafePoll(), null)
      yield* TestClock.adjust("1 millis")
      deepStrictEqual(yield* Fiber.join(next), ["6:"])
      yield* TestClock.adjust("10 seconds")
      deepStrictEqual(yield* other.receive, ["6:"])
    }))

  it.scoped("keeps working after many empty frames", () =>
    Effect.gen(function*() {
      const { channel, clientEnd } = yield* connected("memory")
      strictEqual(yield* echo(channel), "hi")
      yield* Effect.repeatN(Effect.zipRight(TestClock.adjust("10 seconds"), turns), 10)
      strictEqual(yield* echo(channel), "hi")
      strictEqual(clientEnd.opened.length, 1)
    }))

  it.scoped("detects within ten seconds that its other end vanished silently", () =>
    Effect.gen(function*() {
      const { channel, exporterEnd, told } = yield* connected("memory")
      strictEqual(yield* echo(channel), "hi")
      yield* exporterEnd.opened[0]!.cancel
      yield* turns
      strictEqual(yield* Deferred.poll(told).pipe(Effect.map(({ _tag }) => _tag)), "None")
      yield* TestClock.adjust("10 seconds")
      assertInclude(yield* Deferred.await(told), "was lost: its other end is gone")
    }))
})

describe("a dial", () => {
  it.scoped("that the controller refuses fails each call with the controller's reason, and the next call dials again", () =>
    Effect.gen(function*() {
      let dials = 0
      const controller = yield* fake.client({
        dial: () =>
          Effect.suspend(() => {
            dials++
            return fake.fail("UNKNOWN", "permission denied")
          })
      })
      const channel = yield* routerTunnel.channel({ controller, lease: "l1" })
      const error = yield* Effect.flip(echo(channel))
      deepStrictEqual([error.code, error.origin, error.scope, error.target], [
        "UNKNOWN",
        "transport",
        "connection",
        "lease l1"
      ])
      const cause: unknown = error.cause
      assertTrue(cause instanceof Error && "reason" in cause && cause.reason === "NotYours")
      yield* Effect.flip(echo(channel))
      strictEqual(dials, 2)
    }))

  it.scopedLive("that returns an unreachable router fails with the names of the lease and the router", () =>
    Effect.gen(function*() {
      const controller = yield* fake.client(
        { dial: () => Effect.succeed({ routerEndpoint: "tcp://127.0.0.1:1", routerToken: "secret" }) },
        { config: fake.config({ tls: { insecure: true } }) }
      )
      const channel = yield* routerTunnel.channel({ controller, lease: "l1" })
      const error = yield* Effect.flip(echo(channel))
      deepStrictEqual([error.code, error.origin, error.scope], ["UNAVAILABLE", "transport", "connection"])
      assertInclude(error.message, "on lease l1 ended with UNAVAILABLE from the transport: the router tcp:127.0.0.1:1")
      assertInclude(error.details, "cannot be reached: connect ECONNREFUSED")
    }))

  it.scoped("whose token the router rejects fails with the reason", () =>
    Effect.gen(function*() {
      const { controller } = yield* tunnels.leased("memory")
      const forged = { endpoint: Endpoint.tls("router.memory", 443), token: Redacted.make("forged") }
      const channel = yield* routerTunnel.channel({
        controller: { ...controller, dial: () => Effect.succeed(forged) },
        lease: "one"
      })
      const error = yield* Effect.flip(echo(channel))
      assertInclude(error.details, "was lost: the router rejected its token (invalid jwt token)")
      assertTrue(![String(error), JSON.stringify(error), inspect(error)].join().includes("forged"))
      deepStrictEqual([error.code, error.origin, error.scope], ["UNAVAILABLE", "transport", "connection"])
    }))
})

describe("a tunnel", () => {
  it.scoped("carries only the token as metadata, and does not wait for headers", () =>
    Effect.gen(function*() {
      const seen = yield* Deferred.make<unknown>()
      const handler = GrpcHandler.Duplex({
        handle: ({ metadata }) => Effect.zipRight(Deferred.succeed(seen, Array.from(metadata.entries)), Effect.never)
      })
      const router = yield* GrpcChannel.fromHandlers(new Map([[rpcs.stream, handler]]))
      yield* tunnelLine.open(router, Redacted.make("token"), "one")
      deepStrictEqual(yield* Deferred.await(seen), [["authorization", "Bearer token"]])
    }))

  it.scoped("joins written bytes into frames of at most 256 KiB", () =>
    Effect.gen(function*() {
      const leased = yield* tunnels.leased("memory")
      const { endpoint, token } = yield* leased.controller.dial(tunnels.lease)
      const line = yield* tunnelLine.open(yield* leased.controller.router(endpoint), token, "one")
      const other = yield* raw(leased)
      line.cork()
      for (let count = 0; count < 5; count++) line.write(new Uint8Array(64 * 1024))
      line.uncork()
      line.end()
      let frames: ReadonlyArray<string> = []
      while (!frames.includes("7:")) frames = frames.concat(yield* other.receive)
      deepStrictEqual(frames.map(({ length }) => length - 2), [256 * 1024, 64 * 1024, 0])
    }))

  it.scoped("with a silent other end is given up after connectTimeout", () =>
    Effect.gen(function*() {
      const leased = yield* tunnels.leased("memory")
      const { controller } = leased
      const { counts, router } = watched(controller.router)
      const channel = yield* routerTunnel.channel({
        controller: { ...controller, router },
        lease: tunnels.lease,
        connectTimeout: "1 minute"
      })
      const call = yield* Effect.fork(Effect.flip(echo(channel)))
      const other = yield* raw(leased)
      yield* other.receive
      yield* TestClock.adjust("1 minute")
      strictEqual((yield* Fiber.join(call)).details, "no connection within 1m (connectTimeout)")
      strictEqual(counts.closed, 1)
    }))
})

describe("an exporter", () => {
  for (
    const [who, come] of [
      [
        "has left before the router joined both ends",
        (lab: tunnels.Leased["lab"], token: string) => Effect.scoped(tunnel(lab, token))
      ],
      ["never comes", () => Effect.void]
    ] as const
  ) {
    it.scoped(`closes its end of a tunnel after a minute when its client ${who}`, () =>
      Effect.gen(function*() {
        const leased = yield* tunnels.leased("memory")
        const exporterEnd = watched(leased.controller.router)
        const { token } = yield* leased.controller.dial(tunnels.lease)
        yield* come(leased.lab, Redacted.value(token))
        yield* turns
        yield* tunnels.serve(leased, handlers(yield* Probe.make), exporterEnd.router)
        yield* turns
        strictEqual(exporterEnd.opened.length, 1)
        const ended = yield* Effect.fork(Effect.exit(exporterEnd.opened[0]!.status))
        yield* TestClock.adjust("59 seconds")
        yield* turns
        strictEqual(ended.unsafePoll(), null)
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(ended)
      }))
  }

  it.scoped("serves several clients through one channel to the router", () =>
    Effect.gen(function*() {
      const { channel, controller, exporterEnd } = yield* connected("memory")
      const another = yield* routerTunnel.channel({ controller, lease: tunnels.lease })
      deepStrictEqual(yield* Effect.all([echo(channel), echo(another)]), ["hi", "hi"])
      deepStrictEqual([exporterEnd.counts.routers, exporterEnd.opened.length], [1, 2])
    }))
})
