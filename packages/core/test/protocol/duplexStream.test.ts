import { FrameType, StreamRequest } from "@effect-jumpstarter/proto/jumpstarter/v1/router"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Either, Exit, Fiber, Option, Queue, Ref, Scope, Stream } from "effect"
import * as Bytes from "../../src/grpc/Bytes.ts"
import { GrpcHandler, type GrpcServerDuplex } from "../../src/grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import * as duplexStream from "../../src/protocol/duplexStream.ts"
import * as frame from "../../src/protocol/routerFrame.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import { chunkedBytes } from "../support/arbitraries.ts"
import { concat, fromHex, text, utf8 } from "../support/bytes.ts"
import { messages } from "../support/messages.ts"
import * as Probe from "../support/probe.ts"

const rpc = "/jumpstarter.v1.RouterService/Stream"

const malformed = (cause: unknown) => GrpcStatus.make("INTERNAL", "malformed", cause)

const other = (type: FrameType, payload: Uint8Array = new Uint8Array()): Uint8Array =>
  StreamRequest.encode({ payload: Buffer.from(payload), frameType: type }).finish()

// The calling side of a stream to a peer that follows a script.
const connect = (
  script: (peer: GrpcServerDuplex) => Effect.Effect<void, GrpcStatus.GrpcStatusError, Scope.Scope>,
  closing: "flush" | "cancel" = "flush"
) =>
  GrpcChannel.fromHandlers(new Map([[rpc, GrpcHandler.Duplex({ handle: script })]])).pipe(
    Effect.flatMap((channel) => channel.duplex(rpc)),
    Effect.flatMap((duplex) => duplexStream.fromDuplex(duplex, malformed, { closing, grace: duplexStream.makeGrace() }))
  )

const peerSends = (...frames: ReadonlyArray<Bytes.Bytes>) =>
  connect(({ send }) => Effect.zipRight(Effect.forEach(frames, send), Effect.never))

const texts = (stream: duplexStream.DuplexStream) =>
  Effect.map(Stream.runCollect(stream.read), (chunks) => Array.from(chunks, text))

// Everything up to the end, and how it ended.
const outcome = (stream: duplexStream.DuplexStream) =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    const exit = yield* Effect.exit(
      Stream.runForEach(stream.read, (chunk) => Effect.sync(() => seen.push(text(chunk))))
    )
    return { seen, exit }
  })

describe("duplexStream", () => {
  describe("reading", () => {
    it.scoped("ends with the peer's GOAWAY, while the RPC continues", () =>
      Effect.gen(function*() {
        const stream = yield* peerSends(frame.encodeData(utf8("a")), frame.encodeData(utf8("b")), frame.goAway)
        assert.deepStrictEqual(yield* texts(stream), ["a", "b"])
        assert.deepStrictEqual(yield* texts(stream), [])
        yield* stream.peerEnded
      }))

    it.scoped("ignores messages after the GOAWAY", () =>
      Effect.gen(function*() {
        const stream = yield* peerSends(frame.encodeData(utf8("a")), frame.goAway, frame.encodeData(utf8("b")))
        assert.deepStrictEqual(yield* texts(stream), ["a"])
        assert.deepStrictEqual(yield* texts(stream), [])
      }))

    it.scoped("emits nothing for empty data and unknown frames", () =>
      Effect.gen(function*() {
        const stream = yield* peerSends(
          frame.encodeData(new Uint8Array()),
          other(FrameType.FRAME_TYPE_PING, utf8("ping")),
          frame.encodeData(utf8("a")),
          other(FrameType.FRAME_TYPE_RST_STREAM),
          other(99 as FrameType, utf8("later")),
          new Uint8Array(),
          frame.encodeData(utf8("b")),
          frame.goAway
        )
        assert.deepStrictEqual(yield* texts(stream), ["a", "b"])
      }))

    it.scoped("ends when the RPC ends with OK, with or without a GOAWAY", () =>
      Effect.gen(function*() {
        const stream = yield* connect(({ send }) => send(frame.encodeData(utf8("a"))))
        assert.deepStrictEqual(yield* texts(stream), ["a"])
        yield* stream.peerEnded
      }))

    it.scoped("fails when the RPC fails before the GOAWAY", () =>
      Effect.gen(function*() {
        const stream = yield* connect(({ send }) =>
          Effect.zipRight(send(frame.encodeData(utf8("a"))), GrpcStatus.make("ABORTED", "RouterStream: aclose"))
        )
        const { exit, seen } = yield* outcome(stream)
        assert.deepStrictEqual(seen, ["a"])
        const error = yield* Effect.flip(exit)
        assert.strictEqual(error.code, "ABORTED")
        assert.strictEqual((yield* Effect.flip(stream.peerEnded)).code, "ABORTED")
      }))

    it.scoped("ends without a failure when the RPC fails after the GOAWAY", () =>
      Effect.gen(function*() {
        const stream = yield* connect(({ send }) =>
          send(frame.encodeData(utf8("a"))).pipe(
            Effect.zipRight(send(frame.goAway)),
            Effect.zipRight(GrpcStatus.make("ABORTED", "RouterStream: aclose"))
          )
        )
        assert.deepStrictEqual(yield* texts(stream), ["a"])
        yield* stream.peerEnded
      }))

    it.scoped("fails when the stream is cut off", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const stream = yield* Scope.extend(peerSends(frame.encodeData(utf8("a"))), scope)
        const first = yield* Deferred.make<void>()
        const reader = yield* Effect.fork(Stream.runForEach(stream.read, () => Deferred.succeed(first, undefined)))
        yield* Deferred.await(first)
        yield* Scope.close(scope, Exit.void)
        const exit = yield* Fiber.await(reader)
        assert.isTrue(Exit.isFailure(exit) && !Exit.isInterrupted(exit))
        assert.strictEqual((yield* Effect.flip(exit)).code, "CANCELLED")
      }))

    // What arrives at once, as the pieces of each reading.
    const readings = (...frames: ReadonlyArray<Bytes.Bytes>) =>
      Effect.gen(function*() {
        const arrivals = [Chunk.unsafeFromArray(frames)]
        const { receiveAll } = duplexStream.fromServerDuplex({
          receive: Effect.suspend(() => Effect.fromNullable(arrivals.pop()).pipe(Effect.mapError(() => Option.none()))),
          send: () => Effect.void
        }, malformed)
        const next = Effect.either(Effect.map(receiveAll, (pieces) => Chunk.toReadonlyArray(Chunk.map(pieces, text))))
        return yield* Effect.replicateEffect(next, 3)
      })

    it.effect("returns all that has arrived at once, up to the GOAWAY", () =>
      Effect.gen(function*() {
        const end = Either.left(Option.none())
        assert.deepStrictEqual(
          yield* readings(
            frame.encodeData(utf8("a")),
            new Uint8Array(),
            frame.encodeData(utf8("b")),
            frame.goAway,
            frame.encodeData(utf8("c"))
          ),
          [Either.right(["a", "b"]), end, end]
        )
      }))

    it.effect("returns what has arrived before a message that is not a frame", () =>
      Effect.gen(function*() {
        const [first, second, third] = yield* readings(
          frame.encodeData(utf8("a")),
          frame.encodeData(utf8("b")),
          fromHex("0a 05 01"),
          frame.encodeData(utf8("c"))
        )
        assert.deepStrictEqual(first, Either.right(["a", "b"]))
        assert.strictEqual(
          second !== undefined && Either.isLeft(second) && Option.getOrUndefined(second.left)?.details,
          "malformed"
        )
        assert.deepStrictEqual(third, Either.right(["c"]))
      }))

    it.scoped("fails on a message that is not a frame", () =>
      Effect.gen(function*() {
        const stream = yield* peerSends(frame.encodeData(utf8("a")), fromHex("0a 05 01"))
        const { exit, seen } = yield* outcome(stream)
        assert.deepStrictEqual(seen, ["a"])
        assert.strictEqual((yield* Effect.flip(exit)).details, "malformed")
      }))

    // `expect` reads a console up to a prompt, and the next `expect` continues there.
    it.scoped("continues where the previous reader stopped", () =>
      Effect.gen(function*() {
        const stream = yield* peerSends(
          ...["login: ", "password: ", "$ "].map((line) => frame.encodeData(utf8(line))),
          frame.goAway
        )
        // Everything the peer sends has arrived before the first read.
        yield* Effect.repeatN(Effect.yieldNow(), 100)
        for (const line of ["login: ", "password: "]) {
          const reader = yield* Effect.fork(Stream.runHead(stream.read))
          yield* Effect.repeatN(Effect.yieldNow(), 100)
          const exit = yield* Fiber.poll(reader)
          assert.deepStrictEqual(
            Option.map(exit, Exit.map(Option.map(text))),
            Option.some(Exit.succeed(Option.some(line)))
          )
        }
        assert.deepStrictEqual(yield* texts(stream), ["$ "])
      }))

    it.effect("continues in the middle of a payload that arrived in pieces", () =>
      Effect.gen(function*() {
        const [header, payload] = Bytes.pieces(frame.encodeData(utf8("a".repeat(70_000))))
        assert.isDefined(header)
        assert.isDefined(payload)
        const first = Bytes.join([header, payload.subarray(0, 20_000)])
        const stream = duplexStream.fromServerDuplex(
          {
            receive: Effect.succeed(
              Chunk.make([first, payload.subarray(20_000, 50_000), payload.subarray(50_000)], frame.goAway)
            ),
            send: () => Effect.void
          },
          malformed
        )
        for (const size of [20_000, 30_000, 20_000]) {
          assert.strictEqual(Option.map(yield* Stream.runHead(stream.read), text).pipe(Option.getOrThrow).length, size)
        }
        assert.deepStrictEqual(yield* texts(stream), [])
      }))

    it.scoped("discards data for a consumer that only waits for the end", () =>
      Effect.gen(function*() {
        const stream = yield* peerSends(frame.encodeData(utf8("a")), frame.goAway)
        yield* stream.peerEnded
        assert.deepStrictEqual(yield* texts(stream), [])
      }))
  })

  describe("writing", () => {
    // Returns the messages that a peer has received when the stream has ended.
    const received = <E>(use: (stream: duplexStream.DuplexStream) => Effect.Effect<void, E>) =>
      Effect.scoped(Effect.gen(function*() {
        const all = yield* Deferred.make<ReadonlyArray<frame.Frame>>()
        const stream = yield* connect(({ receive, send }) =>
          Stream.runCollect(messages(receive)).pipe(
            Effect.flatMap((received) => Deferred.succeed(all, Array.from(received, frame.decode))),
            Effect.zipRight(send(frame.goAway))
          )
        )
        yield* use(stream)
        yield* stream.end
        return yield* Deferred.await(all)
      }))

    it.effect("keeps a write of up to the maximum in one frame, and splits a longer one", () =>
      Effect.gen(function*() {
        const max = duplexStream.maxFrameBytes
        const bytes = new Uint8Array(2 * max + 1).map((_, index) => index >> 8 ^ index)
        const frames = yield* received((stream) =>
          Effect.zipRight(stream.write(bytes.subarray(0, max)), stream.write(bytes))
        )
        assert.deepStrictEqual(frames.map(({ kind, payload }) => [kind, payload.length]), [
          ["data", max],
          ["data", max],
          ["data", max],
          ["data", 1],
          ["goAway", 0]
        ])
        assert.isTrue(Buffer.from(concat(frames.slice(1).map(({ payload }) => payload))).equals(bytes))
      }))

    it.effect.prop(
      "keeps bytes and their order however they are cut",
      { input: chunkedBytes },
      ({ input }) =>
        Effect.gen(function*() {
          const chunks: Array<Uint8Array> = []
          let at = 0
          for (const size of [...input.sizes, input.bytes.length]) {
            chunks.push(input.bytes.subarray(at, at + size))
            at = Math.min(at + size, input.bytes.length)
          }
          const frames = yield* received((stream) => Effect.forEach(chunks, stream.write, { discard: true }))
          assert.deepStrictEqual(
            frames.map(({ kind, payload }) => [kind, payload.length]),
            [...chunks.filter(({ length }) => length > 0).map(({ length }) => ["data", length] as const), ["goAway", 0]]
          )
          assert.isTrue(Buffer.from(concat(frames.map(({ payload }) => payload))).equals(input.bytes))
        }),
      { fastCheck: { numRuns: 50 } }
    )

    it.effect("does not keep the bytes it was given", () =>
      Effect.gen(function*() {
        const buffer = utf8("before")
        const frames = yield* received((stream) =>
          Effect.zipRight(stream.write(buffer), Effect.sync(() => buffer.fill(0)))
        )
        assert.strictEqual(text(frames[0]?.payload ?? new Uint8Array()), "before")
      }))

    it.effect("ends once", () =>
      Effect.gen(function*() {
        const frames = yield* received((stream) => Effect.zipRight(stream.end, stream.end))
        assert.deepStrictEqual(frames.map(({ kind }) => kind), ["goAway"])
      }))

    it.scoped("still reads after the end of the writing direction", () =>
      Effect.gen(function*() {
        const stream = yield* connect(({ receive, send }) =>
          Effect.zipRight(Stream.runDrain(messages(receive)), send(frame.encodeData(utf8("bye"))))
        )
        yield* stream.end
        assert.deepStrictEqual(yield* texts(stream), ["bye"])
      }))

    it.scoped("fails after the end of the writing direction", () =>
      Effect.gen(function*() {
        const stream = yield* connect(() => Effect.never)
        yield* stream.end
        const error = yield* Effect.flip(stream.write(utf8("late")))
        assert.strictEqual(error.origin, "client")
      }))

    it.scoped("fails with the reason once the RPC has failed", () =>
      Effect.gen(function*() {
        const stream = yield* connect(() => GrpcStatus.make("UNAVAILABLE", "device gone"))
        yield* Effect.ignore(stream.peerEnded)
        const error = yield* Effect.flip(stream.write(utf8("late")))
        assert.strictEqual(error.details, "device gone")
      }))

    it.scoped("waits for a peer that does not read", () =>
      Effect.gen(function*() {
        const gate = yield* Deferred.make<void>()
        const stream = yield* connect(({ receive }) =>
          Effect.zipRight(Deferred.await(gate), Stream.runDrain(messages(receive)))
        )
        const written = yield* Ref.make(0)
        const writer = yield* Effect.fork(
          Effect.repeatN(Effect.zipRight(stream.write(utf8("x")), Ref.update(written, (n) => n + 1)), 199)
        )
        yield* Effect.repeatN(Effect.yieldNow(), 2_000)
        assert.isBelow(yield* Ref.get(written), 100)
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(writer)
        assert.strictEqual(yield* Ref.get(written), 200)
      }))
  })

  // The exporter keeps the device open until the RPC ends, so closing the scope always ends the RPC.
  describe("closing", () => {
    it.scoped("after a success lets the peer read everything that was written", () =>
      Effect.gen(function*() {
        const probe = yield* Probe.make
        const got = yield* Ref.make("")
        yield* Effect.scoped(Effect.gen(function*() {
          const stream = yield* connect(({ receive, send }) =>
            probe.watch(
              Stream.runForEach(messages(receive), (message) =>
                // A slow device needs many turns for each message.
                Effect.repeatN(Effect.yieldNow(), 50).pipe(
                  Effect.zipRight(Ref.update(got, (all) => all + text(frame.decode(message).payload)))
                )).pipe(Effect.zipRight(send(frame.goAway)), Effect.zipRight(Effect.never))
            )
          )
          for (const part of ["reb", "oo", "t\n"]) yield* stream.write(utf8(part))
        }))
        assert.strictEqual(yield* Ref.get(got), "reboot\n")
        assert.strictEqual(yield* probe.finalizations, 1)
      }))

    it.scoped("after a success does not wait for a peer that never ends", () =>
      Effect.gen(function*() {
        const probe = yield* Probe.make
        yield* Effect.scoped(Effect.gen(function*() {
          const stream = yield* connect(({ receive }) =>
            probe.watch(Effect.zipRight(Stream.runDrain(messages(receive)), Effect.never))
          )
          yield* stream.write(utf8("x"))
        }))
        assert.strictEqual(yield* probe.finalizations, 1)
      }))

    const frames = (queue: Queue.Queue<frame.Frame["kind"]>, probe: Probe.Probe) => ({ receive }: GrpcServerDuplex) =>
      probe.watch(
        Stream.runForEach(messages(receive), (message) => Queue.offer(queue, frame.decode(message).kind)).pipe(
          Effect.zipRight(Effect.never)
        )
      )

    it.scoped("after a success sends nothing when nothing was written", () =>
      Effect.gen(function*() {
        const probe = yield* Probe.make
        const queue = yield* Queue.unbounded<frame.Frame["kind"]>()
        yield* Effect.scoped(Effect.zipRight(connect(frames(queue, probe)), probe.started))
        assert.strictEqual(yield* probe.finalizations, 1)
        assert.deepStrictEqual(Array.from(yield* Queue.takeAll(queue)), [])
      }))

    it.scoped("cancels at once with `closing: cancel`, whatever was written", () =>
      Effect.gen(function*() {
        const probe = yield* Probe.make
        const queue = yield* Queue.unbounded<frame.Frame["kind"]>()
        yield* Effect.scoped(Effect.gen(function*() {
          const stream = yield* connect(frames(queue, probe), "cancel")
          yield* stream.write(utf8("x"))
          assert.strictEqual(yield* Queue.take(queue), "data")
        }))
        assert.strictEqual(yield* probe.finalizations, 1)
        assert.deepStrictEqual(Array.from(yield* Queue.takeAll(queue)), [])
      }))

    it.scoped("after a failure cancels at once", () =>
      Effect.gen(function*() {
        const probe = yield* Probe.make
        const queue = yield* Queue.unbounded<frame.Frame["kind"]>()
        const exit = yield* connect(frames(queue, probe)).pipe(
          Effect.flatMap((stream) => stream.write(utf8("x"))),
          Effect.zipRight(Effect.zipRight(Queue.take(queue), Effect.fail("no" as const))),
          Effect.scoped,
          Effect.exit
        )
        assert.deepStrictEqual(exit, Exit.fail("no"))
        assert.strictEqual(yield* probe.finalizations, 1)
        assert.deepStrictEqual(Array.from(yield* Queue.takeAll(queue)), [])
      }))

    it.scoped("after an interruption cancels at once", () =>
      Effect.gen(function*() {
        const probe = yield* Probe.make
        const queue = yield* Queue.unbounded<frame.Frame["kind"]>()
        const fiber = yield* connect(frames(queue, probe)).pipe(
          Effect.flatMap((stream) => stream.write(utf8("x"))),
          Effect.zipRight(Effect.never),
          Effect.scoped,
          Effect.fork
        )
        assert.strictEqual(yield* Queue.take(queue), "data")
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(yield* probe.finalizations, 1)
        assert.deepStrictEqual(Array.from(yield* Queue.takeAll(queue)), [])
      }))
  })

  describe("on the serving side", () => {
    it.scoped("ends with a GOAWAY, and the RPC continues until its handler ends", () =>
      Effect.gen(function*() {
        const stream = yield* connect((peer) =>
          Effect.gen(function*() {
            const stream = duplexStream.fromServerDuplex(peer, malformed)
            yield* stream.write(utf8("a"))
            yield* stream.end
            yield* stream.end
            const rest = yield* texts(stream)
            if (rest.join() !== "x,y") return yield* GrpcStatus.make("INTERNAL", rest.join())
            return yield* GrpcStatus.make("ABORTED", "after the end")
          })
        )
        assert.deepStrictEqual(yield* texts(stream), ["a"])
        yield* stream.write(utf8("x"))
        yield* stream.write(utf8("y"))
        yield* stream.end
        yield* stream.peerEnded
      }))

    it.scoped("treats a half-close as the end", () =>
      Effect.gen(function*() {
        const channel = yield* GrpcChannel.fromHandlers(
          new Map([[
            rpc,
            GrpcHandler.Duplex({
              handle: (peer) =>
                Effect.flatMap(texts(duplexStream.fromServerDuplex(peer, malformed)), (all) =>
                  peer.send(utf8(all.join())))
            })
          ]])
        )
        const call = yield* channel.duplex(rpc)
        yield* call.send(frame.encodeData(utf8("a")))
        yield* call.halfClose
        assert.deepStrictEqual(Option.map(yield* Stream.runHead(messages(call.receive)), text), Option.some("a"))
      }))

    it.scoped("fails when the caller goes away", () =>
      Effect.gen(function*() {
        const outcome = yield* Deferred.make<Exit.Exit<unknown, GrpcStatus.GrpcStatusError>>()
        const probe = yield* Probe.make
        yield* Effect.scoped(Effect.zipRight(
          connect((peer) =>
            // A driver reads the stream in another fiber than the RPC's handler.
            Effect.zipRight(
              Effect.forkDaemon(
                probe.watch(Stream.runDrain(duplexStream.fromServerDuplex(peer, malformed).read)).pipe(
                  Effect.onExit((exit) => Deferred.succeed(outcome, exit))
                )
              ),
              Effect.never
            )
          ),
          probe.started
        ))
        const exit = yield* Deferred.await(outcome)
        assert.isTrue(Exit.isFailure(exit) && !Exit.isInterrupted(exit))
      }))
  })
})
