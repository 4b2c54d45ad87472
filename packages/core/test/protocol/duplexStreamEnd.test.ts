import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option } from "effect"
import type { Bytes } from "../../src/grpc/Bytes.ts"
import { GrpcStatusError } from "../../src/grpc/GrpcStatus.ts"
import type { GrpcDuplex } from "../../src/grpc/grpcTransport.ts"
import * as Metadata from "../../src/grpc/Metadata.ts"
import * as duplexStream from "../../src/protocol/duplexStream.ts"
import * as frame from "../../src/protocol/routerFrame.ts"

const malformed = (cause: unknown) =>
  new GrpcStatusError({ code: "INTERNAL", details: String(cause), origin: "client", rpc: "", target: "" })

describe("duplexStream.end", () => {
  it.effect("can be run again after an interruption while the peer did not read", () =>
    Effect.gen(function*() {
      const sent: Array<Bytes> = []
      let reading = false
      const stream = duplexStream.fromServerDuplex(
        {
          receive: Effect.never,
          send: (message) => Effect.suspend(() => reading ? Effect.sync(() => void sent.push(message)) : Effect.never)
        },
        malformed
      )
      const first = yield* Effect.fork(stream.end)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      reading = true
      yield* stream.end
      yield* stream.end
      assert.deepStrictEqual(sent, [frame.goAway])
    }))

  it.effect("makes later writes fail, even before the peer has read the GOAWAY", () =>
    Effect.gen(function*() {
      const sent: Array<Bytes> = []
      const stream = duplexStream.fromServerDuplex(
        {
          receive: Effect.never,
          send: (message) =>
            Effect.suspend(() => message === frame.goAway ? Effect.never : Effect.sync(() => void sent.push(message)))
        },
        malformed
      )
      const ending = yield* Effect.fork(stream.end)
      yield* Effect.yieldNow()
      const error = yield* Effect.flip(stream.write(Uint8Array.of(1)))
      assert.deepStrictEqual([error.code, error.origin, sent], ["FAILED_PRECONDITION", "client", []])
      yield* Fiber.interrupt(ending)
      yield* stream.write(Uint8Array.of(1))
      assert.strictEqual(sent.length, 1)
    }))
})

describe("a closing stream", () => {
  // Writes to a peer of which only some parts are of interest, and closes the stream.
  const write = (duplex: Partial<GrpcDuplex>, grace = duplexStream.makeGrace()) =>
    duplexStream.fromDuplex(
      {
        initialMetadata: Effect.succeed(Metadata.empty),
        receive: Effect.never,
        send: () => Effect.void,
        halfClose: Effect.void,
        status: Effect.never,
        cancel: Effect.void,
        ...duplex
      },
      malformed,
      { closing: "flush", grace }
    ).pipe(Effect.flatMap((stream) => stream.write(Uint8Array.of(1))), Effect.scoped)

  it.effect("stops waiting for its peer before it cancels the RPC, even if it is interrupted meanwhile", () =>
    Effect.gen(function*() {
      const events: Array<string> = []
      const note = (event: string) => Effect.sync(() => void events.push(event))
      const waiting = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(write({
        receive: Effect.zipRight(Deferred.succeed(waiting, undefined), Effect.never).pipe(
          // The end of the wait takes some turns, too.
          Effect.onInterrupt(() => Effect.zipRight(Effect.repeatN(Effect.yieldNow(), 50), note("left")))
        ),
        cancel: note("cancelled")
      }))
      yield* Deferred.await(waiting)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(events, ["left", "cancelled"])
    }))

  it.effect("does not hide a defect", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Effect.exit(write({ halfClose: Effect.die("broken") })), Exit.die("broken"))
    }))

  // How streams end whose peers end them at these times, in milliseconds.
  const ends = (times: ReadonlyArray<number>, limits: { readonly sinceLast: number; readonly inAll: number }) => {
    const grace = duplexStream.makeGrace(limits)
    return Effect.forEach(times, (time) =>
      Effect.gen(function*() {
        let end = "waits"
        const received = Effect.zipRight(Effect.sleep(time), Effect.fail(Option.none())).pipe(
          Effect.onExit((exit) =>
            Effect.sync(() => {
              end = Exit.isInterrupted(exit) ? "left" : "ended"
            })
          )
        )
        yield* write({ receive: received }, grace)
        return end
      }), { concurrency: "unbounded" })
  }

  const times = Array.from({ length: 10 }, (_, index) => 100 * (index + 1))

  it.live("waits for a peer that ends one stream after the other", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* ends(times, { sinceLast: 500, inAll: 5_000 }), times.map(() => "ended"))
    }))

  it.live("waits no longer when none of them ends, nor without bound", () =>
    Effect.gen(function*() {
      const stuck = 60_000
      assert.deepStrictEqual(yield* ends([stuck, stuck], { sinceLast: 50, inAll: 5_000 }), ["left", "left"])
      assert.strictEqual((yield* ends([...times, stuck], { sinceLast: 5_000, inAll: 500 })).at(-1), "left")
    }))
})
