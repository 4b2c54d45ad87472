// How connections over byte streams other than sockets are opened, lost and closed.
import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { Duplex } from "node:stream"
import { GrpcHandler } from "../../../src/grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../../src/grpc/GrpcStatus.ts"
import * as GrpcChannel from "../../../src/transport/GrpcChannel.ts"
import * as service from "../../../src/transport/http2/service.ts"
import * as transport from "../../../src/transport/http2/transport.ts"
import { text, utf8 } from "../../support/bytes.ts"
import * as duplex from "../../support/duplex.ts"
import * as lines from "../../support/lines.ts"
import * as Probe from "../../support/probe.ts"
import { call, frame, hello, Type, uint32 } from "../../support/rawHttp2.ts"

const handlers = (hanging: Probe.Probe) =>
  new Map<string, GrpcHandler>([
    ["/t.S/Echo", GrpcHandler.Unary({ handle: Effect.succeed })],
    ["/t.S/Hang", GrpcHandler.Unary({ handle: () => hanging.watch(Effect.never) })]
  ])

const echo = (channel: GrpcChannel.Channel) => Effect.map(channel.unary("/t.S/Echo", utf8("hi")), text)

const hang = (channel: GrpcChannel.Channel) => channel.unary("/t.S/Hang", utf8(""))

/** A channel that records its byte streams, and the ends of the scopes they were dialled in. */
const observed = Effect.gen(function*() {
  const hanging = yield* Probe.make
  const dial = yield* duplex.serve(handlers(hanging))
  const dialled: Array<Duplex> = []
  const released: Array<Probe.Probe> = []
  const channel = yield* duplex.channel(
    Effect.gen(function*() {
      const line = yield* dial
      const release = yield* Probe.make
      dialled.push(line)
      released.push(release)
      yield* Effect.addFinalizer(() => release.watch(Effect.void))
      return line
    })
  )
  return { channel, dialled, hanging, released }
})

describe("a connection over a duplex", () => {
  it.scopedLive("is dialled once for all calls, when the first one needs it", () =>
    Effect.gen(function*() {
      const { channel, dialled } = yield* observed
      strictEqual(dialled.length, 0)
      deepStrictEqual(
        yield* Effect.all([echo(channel), echo(channel), echo(channel)], { concurrency: "unbounded" }),
        ["hi", "hi", "hi"]
      )
      strictEqual(dialled.length, 1)
    }))

  for (
    const [how, lose] of [
      ["cut off", (line: Duplex) => line.destroy()],
      ["broken", (line: Duplex) => line.destroy(new Error("the tunnel broke"))],
      ["ended by the peer", (line: Duplex) => line.push(null)]
    ] as const
  ) {
    it.scopedLive(`that is ${how} fails the running RPCs, releases the dialled stream, and is dialled again`, () =>
      Effect.gen(function*() {
        const { channel, dialled, hanging, released } = yield* observed
        const told: Array<string> = []
        yield* channel.connection?.onEnd((details) => void told.push(details)) ?? Effect.void
        const call = yield* Effect.fork(Effect.flip(hang(channel)))
        yield* hanging.started
        lose(dialled[0]!)
        const error = yield* Fiber.join(call)
        deepStrictEqual([error.code, error.origin, error.scope], ["UNAVAILABLE", "transport", "connection"])
        if (how === "broken") strictEqual(error.details, "the tunnel broke")
        yield* hanging.finalized
        yield* released[0]!.finalized
        strictEqual(yield* echo(channel), "hi")
        strictEqual(dialled.length, 2)
        strictEqual(told.length, 1)
        strictEqual(yield* released[1]!.finalizations, 0)
      }))
  }

  it.scopedLive("has ended and released the dialled stream when closing the channel returns, and is not reported as lost", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { channel, dialled, hanging, released } = yield* Scope.extend(observed, scope)
      const told: Array<string> = []
      yield* channel.connection?.onEnd((details) => void told.push(details)) ?? Effect.void
      const call = yield* Effect.fork(Effect.flip(hang(channel)))
      yield* hanging.started
      yield* Scope.close(scope, Exit.void)
      strictEqual(yield* released[0]!.finalizations, 1)
      assertTrue(dialled[0]!.destroyed)
      strictEqual((yield* Fiber.join(call)).origin, "client")
      yield* hanging.finalized
      deepStrictEqual(told, [])
      strictEqual((yield* Effect.flip(echo(channel))).details, "the channel is closed")
    }))

  it.scopedLive("that cannot be dialled fails each call with the reason, and the next call dials again", () =>
    Effect.gen(function*() {
      let attempts = 0
      const channel = yield* duplex.channel(Effect.suspend(() => {
        attempts++
        return new GrpcStatus.GrpcStatusError({
          code: "PERMISSION_DENIED",
          details: "the lease is over",
          origin: "peer",
          scope: "connection",
          rpc: "",
          target: duplex.target
        })
      }))
      const errors = yield* Effect.all([Effect.flip(echo(channel)), Effect.flip(hang(channel))], { concurrency: 2 })
      deepStrictEqual(
        errors.map(({ code, details, rpc }) => [code, details, rpc]),
        ["/t.S/Echo", "/t.S/Hang"].map((rpc) => ["PERMISSION_DENIED", "the lease is over", rpc])
      )
      strictEqual(attempts, 1)
      yield* Effect.flip(echo(channel))
      strictEqual(attempts, 2)
    }))

  it.scopedLive("fails when the dialled stream has already ended", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(echo(
        yield* duplex.channel(Effect.async((resume) => {
          const [line] = lines.pair()
          line.on("error", () => {}).once("close", () => resume(Effect.succeed(line))).destroy(new Error("too late"))
        }))
      ))
      deepStrictEqual([error.code, error.origin, error.details], ["UNAVAILABLE", "transport", "too late"])
    }))

  it.scopedLive("fails when dialling takes too long", () =>
    Effect.gen(function*() {
      const probe = yield* Probe.make
      const dialler = duplex.dialler(probe.watch(Effect.never))
      const channel = GrpcChannel.make(yield* transport.make(dialler, "20 millis"))
      const error = yield* Effect.flip(echo(channel))
      strictEqual(error.details, "no connection within 20ms (connectTimeout)")
      yield* probe.finalized
    }))

  it.scopedLive("is no longer timed when it is made", () =>
    Effect.gen(function*() {
      const timed = yield* Probe.make
      const clock = yield* Effect.clock
      const stopped: Clock.Clock = {
        ...clock,
        unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis(),
        unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
        sleep: () => timed.watch(Effect.never)
      }
      const { channel } = yield* observed
      strictEqual(yield* Effect.withClock(echo(channel), stopped), "hi")
      yield* timed.finalized
    }))
})

describe("a service that accepts duplexes", () => {
  it.scopedLive("interrupts its handlers, waits for them and ends its connections when it closes", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const hanging = yield* Probe.make
      const channel = yield* duplex.channel(yield* Scope.extend(duplex.serve(handlers(hanging)), scope))
      const call = yield* Effect.fork(Effect.flip(hang(channel)))
      yield* hanging.started
      yield* Scope.close(scope, Exit.void)
      strictEqual(yield* hanging.finalizations, 1)
      const error = yield* Fiber.join(call)
      deepStrictEqual([error.code, error.origin], ["UNAVAILABLE", "peer"])
      // It accepts no more connections.
      strictEqual((yield* Effect.flip(echo(channel))).origin, "transport")
    }))

  it.scopedLive(
    "ends with a peer that has ended its direction and reads nothing",
    () =>
      Effect.gen(function*() {
        const accept = yield* service.accept(handlers(yield* Probe.make))
        const [mine, theirs] = lines.pair()
        theirs._final = () => {}
        const fiber = yield* Effect.fork(accept(theirs))
        mine.end()
        yield* Fiber.join(fiber)
        assertTrue(theirs.destroyed)
      }),
    5_000
  )

  it.scopedLive("goes on after a peer that begins an RPC in the packet that ends its connection", () =>
    Effect.gen(function*() {
      const accept = yield* service.accept(handlers(yield* Probe.make))
      const [mine, theirs] = lines.pair()
      const failed = frame(Type.goAway, 0, 0, Buffer.concat([uint32(0), uint32(2)]))
      mine.on("error", () => {}).resume().write(Buffer.concat([hello, call(1, "/t.S/Echo"), failed]))
      yield* accept(theirs)
      const channel = yield* duplex.channel(Effect.suspend(() => {
        const [mine, theirs] = lines.pair()
        return Effect.as(Effect.forkDaemon(accept(theirs)), mine)
      }))
      strictEqual(yield* echo(channel), "hi")
    }))

  it.scopedLive("ends a connection when the serving effect is interrupted, and the effect ends with the connection", () =>
    Effect.gen(function*() {
      const accept = yield* service.accept(handlers(yield* Probe.make))
      const fibers: Array<Fiber.RuntimeFiber<void>> = []
      const ended = yield* Deferred.make<string>()
      const channel = yield* duplex.channel(Effect.suspend(() => {
        const [mine, theirs] = lines.pair()
        return Effect.map(Effect.forkDaemon(accept(theirs)), (fiber) => {
          fibers.push(fiber)
          return mine
        })
      }))
      yield* channel.connection?.onEnd((details) => Deferred.unsafeDone(ended, Effect.succeed(details))) ?? Effect.void
      strictEqual(yield* echo(channel), "hi")
      yield* Fiber.interrupt(fibers[0]!)
      yield* Deferred.await(ended)
      strictEqual(yield* echo(channel), "hi")
      yield* channel.connection?.drop("enough") ?? Effect.void
      assertTrue(Exit.isSuccess(yield* Fiber.await(fibers[1]!)))
    }))
})
