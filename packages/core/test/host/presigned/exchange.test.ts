import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Stream } from "effect"
import { isIP } from "node:net"
import * as exchange from "../../../src/host/presigned/exchange.ts"
import type { GuardedNetwork } from "../../../src/host/presigned/guardedNetwork.ts"
import * as requestUrl from "../../../src/host/presigned/requestUrl.ts"
import * as httpServer from "../../support/httpServer.ts"
import { chunk } from "../../support/presigned.ts"

// A name server that gives a different answer each time.
const resolver = (...answers: ReadonlyArray<ReadonlyArray<string>>) => {
  const asked: Array<string> = []
  return {
    asked,
    resolve: (
      hostname: string,
      _: unknown,
      callback: (error: null, addresses: Array<{ readonly address: string; readonly family: number }>) => void
    ) => {
      const answer = answers[Math.min(asked.push(hostname), answers.length) - 1] ?? []
      callback(null, answer.map((address) => ({ address, family: isIP(address) })))
    }
  }
}

const get = (
  url: string,
  { resolve }: ReturnType<typeof resolver>,
  ...allowed: ReadonlyArray<GuardedNetwork>
) =>
  Effect.gen(function*() {
    const answer = yield* exchange.direct(new Set(allowed), resolve)({
      method: "GET",
      url: Either.getOrThrow(requestUrl.parse(url)),
      headers: {}
    }, Effect.never)
    return yield* Stream.mkString(Stream.decodeText(answer.body))
  }).pipe(Effect.scoped, Effect.either)

const refused = (address: string, network: GuardedNetwork) =>
  Either.left(new exchange.RefusedAddress({ address, network }))

describe("a name", () => {
  for (
    const [addresses, address, network] of [
      [["127.0.0.1"], "127.0.0.1", "loopback"],
      [["0.0.0.0", "::"], "::", "loopback"],
      [["169.254.169.254"], "169.254.169.254", "metadata"],
      [["::ffff:169.254.169.254"], "::ffff:169.254.169.254", "metadata"],
      [["64:ff9b::7f00:1"], "64:ff9b::7f00:1", "loopback"],
      [["fe80::1%lo"], "fe80::1%lo", "link-local"]
    ] as const
  ) {
    it.live(`of ${addresses.join(", ")} is refused as ${network}, on http and https`, () =>
      Effect.gen(function*() {
        for (const protocol of ["http", "https"]) {
          assert.deepStrictEqual(
            yield* get(`${protocol}://images.lab:1/`, resolver(addresses)),
            refused(address, network)
          )
        }
      }))
  }

  it.live("is resolved once, and the connection is made to the checked address", () =>
    Effect.gen(function*() {
      const { asked, origin } = yield* httpServer.serve((_, response) => void response.end("abc"))
      const port = origin.replace(/.*:/, "")
      const rebinding = resolver(["127.0.0.1"], ["127.0.0.2"])
      assert.deepStrictEqual(yield* get(`http://images.lab:${port}/`, rebinding, "loopback"), Either.right("abc"))
      assert.deepStrictEqual(rebinding.asked, ["images.lab"])
      assert.strictEqual(asked[0]?.headers["host"], `images.lab:${port}`)
    }).pipe(Effect.scoped))

  it.live("is reached at its other addresses when one of them is guarded", () =>
    Effect.gen(function*() {
      const { origin } = yield* httpServer.serve((_, response) => void response.end("abc"))
      const url = `http://images.lab:${origin.replace(/.*:/, "")}/`
      const both = resolver(["169.254.169.254", "127.0.0.1"])
      assert.deepStrictEqual(yield* get(url, both, "loopback"), Either.right("abc"))
      assert.deepStrictEqual(yield* get(url, both, "link-local"), refused("127.0.0.1", "loopback"))
    }).pipe(Effect.scoped))

  it.live("without addresses fails", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* get("http://images.lab/", resolver([])),
        Either.left(
          new exchange.ExchangeError({ details: "images.lab has no address", timedOut: false })
        )
      )
    }))
})

describe("a body", () => {
  // Forked fibers start after all events that Node emits for a write.
  const late = Effect.withScheduler({
    shouldYield: () => false,
    scheduleTask: (task) => void setTimeout(task, 0)
  })

  it.live("of several chunks is sent, even if the wait for the server starts late", () =>
    Effect.gen(function*() {
      let taken = 0
      const { origin } = yield* httpServer.serve((request, response) => {
        request.on("data", ({ length }: Uint8Array) => {
          taken += length
        }).on("end", () => response.writeHead(204).end())
      })
      const { status } = yield* exchange.direct(new Set(["loopback"]))({
        method: "PUT",
        url: Either.getOrThrow(requestUrl.parse(origin)),
        headers: {},
        body: Stream.take(Stream.repeatValue(chunk), 8)
      }, Effect.never)
      assert.deepStrictEqual([status, taken], [204, 8 * chunk.length])
    }).pipe(Effect.scoped, late))
})
