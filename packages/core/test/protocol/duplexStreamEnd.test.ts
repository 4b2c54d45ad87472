import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import type { Bytes } from "../../src/grpc/Bytes.ts"
import { GrpcStatusError } from "../../src/grpc/GrpcStatus.ts"
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
