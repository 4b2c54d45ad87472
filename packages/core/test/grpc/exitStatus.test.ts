import { assert, describe } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { GrpcHandler } from "../../src/grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import { utf8 } from "../support/bytes.ts"
import { transports } from "../support/transports.ts"

describe.each(transports)("the details of a status over $name", (transport) => {
  // Returns the details that arrive from a handler that fails with them, and from one that dies with them.
  const arriving = (details: string) =>
    Effect.gen(function*() {
      const open = yield* transport.serve(
        new Map<string, GrpcHandler>([
          ["/t.S/Fail", GrpcHandler.Unary({ handle: () => GrpcStatus.make("INTERNAL", details) })],
          ["/t.S/Die", GrpcHandler.Unary({ handle: () => Effect.die(new Error(details)) })]
        ])
      )
      const channel = yield* open()
      const fail = yield* Effect.flip(channel.unary("/t.S/Fail", utf8("")))
      const die = yield* Effect.flip(channel.unary("/t.S/Die", utf8("")))
      assert.deepStrictEqual([fail.code, die.code], ["INTERNAL", "UNKNOWN"])
      assert.strictEqual(fail.details, die.details)
      return fail.details
    })

  transport.it("of a failure with the code OK arrive as a failure", () =>
    Effect.gen(function*() {
      const fail = GrpcHandler.Unary({ handle: () => GrpcStatus.make("OK", "all is well") })
      const open = yield* transport.serve(new Map([["/t.S/Fail", fail]]))
      const error = yield* Effect.flip((yield* open()).unary("/t.S/Fail", utf8("")))
      assert.strictEqual(error.code, "UNKNOWN")
      assert.strictEqual(error.details, "the handler failed with the status OK: all is well")
    }))

  transport.it("arrive as they are", () =>
    Effect.gen(function*() {
      for (
        const details of [
          "",
          "100 % \"broken\"\n\tat line 1\u0000\u007f",
          "é 漢字 \u{1f600}",
          " spaced ",
          " ",
          "x".repeat(6_144)
        ]
      ) {
        assert.strictEqual(yield* Effect.scoped(arriving(details)), details)
      }
    }))

  transport.it("describe anything that is thrown", () =>
    Effect.gen(function*() {
      const odd = (message: unknown) => Object.defineProperty(new Error(), "message", { value: message })
      const nameless: unknown = Object.create(null)
      const hostile = {
        toString: () => {
          throw new Error("no")
        },
        get toJSON(): never {
          throw new Error("no")
        }
      }
      for (const defect of [odd({ code: "EIO" }), odd(undefined), nameless, Symbol("s"), hostile, undefined, 0n]) {
        const open = yield* transport.serve(
          new Map<string, GrpcHandler>([
            ["/t.S/Die", GrpcHandler.Unary({ handle: () => Effect.die(defect) })],
            ["/t.S/Items", GrpcHandler.ServerStreaming({ handle: () => Stream.die(defect) })]
          ])
        )
        const channel = yield* open()
        assert.strictEqual((yield* Effect.flip(channel.unary("/t.S/Die", utf8("")))).code, "UNKNOWN")
        const items = Stream.runDrain(channel.serverStreaming("/t.S/Items", utf8("")))
        assert.strictEqual((yield* Effect.flip(items)).code, "UNKNOWN")
      }
    }))

  transport.it(
    "keep the cause of a failure, even when they have to be changed",
    () =>
      Effect.gen(function*() {
        const cause = new Error("the reason")
        for (const details of ["no", "no \ud800", "no".repeat(10_000)]) {
          const fail = GrpcHandler.Unary({ handle: () => GrpcStatus.make("INTERNAL", details, cause) })
          const open = yield* transport.serve(new Map([["/t.S/Fail", fail]]))
          const error = yield* Effect.flip((yield* open()).unary("/t.S/Fail", utf8("")))
          if (transport.name === "memory") assert.strictEqual(error.cause, cause)
          else assert.notStrictEqual(error.cause, cause)
        }
      })
  )

  transport.it("of a failure from another channel are the peer's", () =>
    Effect.gen(function*() {
      const upstream = new GrpcStatus.GrpcStatusError({
        code: "UNAVAILABLE",
        details: "Connection dropped",
        origin: "transport",
        rpc: "",
        target: "upstream"
      })
      const open = yield* transport.serve(
        new Map<string, GrpcHandler>([["/t.S/Fail", GrpcHandler.Unary({ handle: () => upstream })]])
      )
      const error = yield* Effect.flip((yield* open()).unary("/t.S/Fail", utf8("")))
      assert.deepStrictEqual([error.code, error.origin], ["UNAVAILABLE", "peer"])
    }))

  // gRPC's C core accepts 8 KiB of trailers, and Node closes connections that send more than 64 KiB.
  transport.it("are truncated when peers would not accept them", () =>
    Effect.gen(function*() {
      for (const unit of ["x", " ", "é", "漢", "\u{1f600}"]) {
        const details = yield* arriving(unit.repeat(1_000_000))
        assert.match(details, new RegExp(`^(${unit})+… \\(\\d+ more characters\\)$`, "u"))
        const kept = details.slice(0, details.indexOf("…"))
        assert.isBelow(encodeURIComponent(kept).length, 6_145)
        assert.isAbove(encodeURIComponent(kept).length, 6_000)
        assert.include(details, `${unit.length * 1_000_000 - kept.length} more`)
      }
    }))

  transport.it("are made well-formed when they are invalid Unicode", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* arriving("half a \ud83d"), "half a \ufffd")
    }))
})
