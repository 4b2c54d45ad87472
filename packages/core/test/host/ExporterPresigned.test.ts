// Requests that clients presign for drivers, against servers on this machine (protocol.md 6.4).
import { Driver, DriverFailure, ExporterConnection, Resource } from "@effect-jumpstarter/core"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, type Scope, Stream } from "effect"
import { createHash } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as bytes from "../support/bytes.ts"
import * as httpServer from "../support/httpServer.ts"
import { call, chunk, exporter, fails, image, redirect, routes, theImage } from "../support/presigned.ts"
import { sha256 } from "../support/probePattern.ts"

const live = <E>(
  name: string,
  test: Effect.Effect<void, E, ExporterConnection.ExporterConnection | Scope.Scope>
) => it.scopedLive(name, () => exporter()(test))

describe("a presigned GET", () => {
  live(
    "delivers what the driver reads",
    Effect.gen(function*() {
      const { asked, origin } = yield* httpServer.serve(routes({ "/a%40b/image": image }))
      const handle = Resource.presigned(`${origin}/a%40b/image?X-Sig=a%2Fb+c&n`, { headers: { "X-Amz-Date": "today" } })
      assert.deepStrictEqual(yield* call("flash", handle), theImage)
      assert.strictEqual(asked[0]?.path, "/a%40b/image?X-Sig=a%2Fb+c&n", "a signature covers how it is written")
      assert.strictEqual(asked[0]?.headers["x-amz-date"], "today")
      assert.strictEqual(asked[0]?.headers["accept-encoding"], "identity")
    })
  )

  live(
    "may have an answer that is empty, encoded, or of unknown length",
    Effect.gen(function*() {
      const { origin } = yield* httpServer.serve(routes({
        "/empty": (_, response) => void response.writeHead(200, { "content-length": 0 }).end(),
        "/chunked": (_, response) => void response.writeHead(200).end(chunk),
        "/gzip": (_, response) =>
          void response.writeHead(200, { "content-encoding": "gzip", "content-length": 23 })
            .end(Buffer.from("H4sIAAAAAAAAA0tMSgYAwkEkNQMAAAA=", "base64"))
      }))
      const flash = (path: string) => call("flash", Resource.presigned(`${origin}/${path}`))
      const empty = { sha256: sha256([]), size: 0 }
      assert.deepStrictEqual(yield* flash("empty"), empty)
      assert.deepStrictEqual(yield* flash("chunked"), { sha256: sha256([chunk]), size: chunk.length })
      assert.deepStrictEqual(yield* flash("gzip"), { sha256: sha256([bytes.utf8("abc")]), size: 3 })
    })
  )

  live(
    "must have valid user information",
    fails(
      call("flash", Resource.presigned("http://%ff:x@127.0.0.1:1/")),
      "INVALID_ARGUMENT",
      "the URL of the presigned GET has malformed user information"
    )
  )

  live(
    "authenticates with the user of its URL, and hides the user and the query in errors",
    Effect.gen(function*() {
      const { asked, origin } = yield* httpServer.serve(routes({ "/image": image }))
      const url = (path: string) => `${origin.replace("//", "//me:p%40ss@")}/${path}?sig=secret`
      assert.deepStrictEqual(yield* call("flash", Resource.presigned(url("image"))), theImage)
      assert.strictEqual(asked[0]?.headers["authorization"], `Basic ${btoa("me:p@ss")}`)
      yield* fails(
        call("flash", Resource.presigned(url("missing"))),
        "UNKNOWN",
        `the presigned GET of ${origin}/missing?[REDACTED] was answered with 404`
      )
    })
  )

  live(
    "follows redirects, relative ones too, and drops what is sensitive when the origin changes",
    Effect.gen(function*() {
      const target = yield* httpServer.serve(routes({ "/image": image }))
      const { asked, origin } = yield* httpServer.serve(routes({
        "/start/here": redirect("../next?x=%2F", 301),
        "/next": redirect("/last", 307),
        "/last": redirect(`${target.origin}/image`, 308)
      }))
      const secrets = {
        authorization: "Bearer s",
        cookie: "s",
        "proxy-authorization": "s",
        "x-amz-security-token": "s",
        "x-ms-blob": "s",
        "x-goog-user": "s"
      }
      const headers = { ...secrets, "x-other": "kept" }
      assert.deepStrictEqual(yield* call("flash", Resource.presigned(`${origin}/start/here`, { headers })), theImage)
      assert.deepStrictEqual(asked.map(({ path }) => path), ["/start/here", "/next?x=%2F", "/last"])
      for (const { headers } of asked) {
        assert.include(headers, { ...secrets, "x-other": "kept" })
      }
      assert.include(target.asked[0]?.headers, { "x-other": "kept" })
      for (const name of Object.keys(secrets)) assert.notProperty(target.asked[0]?.headers, name)
    })
  )

  live(
    "fails after ten redirects, and on a redirect without a valid target",
    Effect.gen(function*() {
      const { asked, origin } = yield* httpServer.serve(routes({
        "/loop": redirect("/loop?again"),
        "/nowhere": (_, response) => void response.writeHead(302).end(),
        "/file": redirect("file:///etc/passwd"),
        "/nonsense": redirect("http://")
      }))
      const flash = (path: string) => call("flash", Resource.presigned(`${origin}/${path}`))
      yield* fails(flash("loop"), "UNKNOWN", `the presigned GET of ${origin}/loop was redirected more than 10 times`)
      assert.strictEqual(asked.length, 11)
      yield* fails(
        flash("nowhere"),
        "UNKNOWN",
        `the presigned GET of ${origin}/nowhere was redirected (302) without a Location`
      )
      for (const path of ["file", "nonsense"]) {
        yield* fails(flash(path), "INVALID_ARGUMENT", "the URL of the presigned GET is not an http or https URL")
      }
    })
  )

  live(
    "fails when it is cut off, and never delivers a short image",
    Effect.gen(function*() {
      const { origin } = yield* httpServer.serve(routes({
        "/short": (_, response) => {
          response.writeHead(200, { "content-length": 100_000 })
          response.write(chunk, () => response.destroy())
        },
        "/chunked": (_, response) => {
          response.write(chunk, () => response.destroy())
        },
        "/refused": (request) => void request.socket.destroy()
      }))
      for (const path of ["short", "chunked", "refused"]) {
        const error = yield* Effect.flip(call("flash", Resource.presigned(`${origin}/${path}?sig=secret`)))
        assert.strictEqual(error.code, "UNAVAILABLE", path)
        assert.include(error.details, `the presigned GET of ${origin}/${path}?[REDACTED] failed: `)
        assert.notInclude(error.details, "secret")
      }
    })
  )

  it.live("lets the driver handle a cut-off body, without reporting a bug", () =>
    Effect.gen(function*() {
      const { origin } = yield* httpServer.serve((_, response) => {
        response.writeHead(200, { "content-length": 100_000 })
        response.write(chunk, () => response.destroy())
      })
      yield* Effect.gen(function*() {
        const { logs } = yield* ExporterConnection.ExporterConnection
        const lines = yield* Effect.fork(Stream.runCollect(Stream.takeUntil(
          logs,
          (event) => event._tag === "LogEntry" && event.message === "Operation failed"
        )))
        yield* Effect.flip(call("flash", Resource.presigned(origin)))
        const messages = [...(yield* Fiber.join(lines))].map((event) => event._tag === "LogEntry" && event.message)
        assert.deepStrictEqual(messages, ["Operation started", "Operation failed"])
      }).pipe(exporter())
    }).pipe(Effect.scoped))

  live(
    "can be read only once, and never written",
    Effect.gen(function*() {
      const { origin } = yield* httpServer.serve(image)
      const handle = Resource.presigned(`${origin}/?sig`)
      const request = `the presigned GET of ${origin}/?[REDACTED]`
      yield* fails(call("read_twice", handle), "UNKNOWN", `${request} can be read only once`)
      yield* fails(call("wrong_way", handle), "INVALID_ARGUMENT", `${request} can only be read`)
    })
  )

  live(
    "can be opened as a part of an acquisition",
    Effect.gen(function*() {
      const { origin } = yield* httpServer.serve(image)
      assert.strictEqual(yield* call("flash_uninterruptibly", Resource.presigned(origin)), theImage.size)
    })
  )

  live(
    "ends with the call, however little was read",
    Effect.gen(function*() {
      const arrived = yield* Deferred.make<void>()
      const closed = yield* Deferred.make<void>()
      const { origin } = yield* httpServer.serve((_, response) => {
        response.on("close", () => Deferred.unsafeDone(closed, Effect.void))
        response.writeHead(200).write(chunk, () => Deferred.unsafeDone(arrived, Effect.void))
      })
      const running = yield* Effect.fork(call("flash", Resource.presigned(origin)))
      yield* Deferred.await(arrived)
      yield* Fiber.interrupt(running)
      yield* Effect.timeout(Deferred.await(closed), "5 seconds")
    })
  )

  live(
    "ends with the call, even if it was not read",
    Effect.gen(function*() {
      const closed = yield* Deferred.make<void>()
      const { origin } = yield* httpServer.serve((_, response) => {
        response.on("close", () => Deferred.unsafeDone(closed, Effect.void))
        response.writeHead(200).write(chunk)
      })
      yield* call("ignore", Resource.presigned(origin))
      yield* Effect.timeout(Deferred.await(closed), "5 seconds")
    })
  )
})

// Receives a body, and records how it ended.
const taking = () => {
  const taken: Array<{ readonly sha256: string; readonly size: number; readonly complete: boolean }> = []
  const take = (status: number) => (request: IncomingMessage, response: ServerResponse) => {
    const hash = createHash("sha256")
    let size = 0
    request.on("data", (data: Uint8Array) => {
      hash.update(data)
      size += data.length
    })
    request.on("close", () => taken.push({ complete: request.complete, sha256: hash.digest("hex"), size }))
    request.on("end", () => response.writeHead(status).end("thanks"))
  }
  return { take, taken }
}

describe("a presigned PUT", () => {
  live(
    "receives what the driver writes",
    Effect.gen(function*() {
      const { take, taken } = taking()
      const { asked, origin } = yield* httpServer.serve(take(201))
      const put = (headers: Record<string, string> = {}) =>
        Resource.presigned(`${origin}/dump`, { headers, method: "PUT" })
      assert.isNull(yield* call("dump", put({ "x-amz-acl": "private" }), 100))
      assert.isNull(yield* call("dump", put({ "content-type": "image/x-raw" }), 0))
      assert.deepStrictEqual(taken, [
        { complete: true, sha256: sha256(new Array<Uint8Array>(100).fill(chunk)), size: 100 * chunk.length },
        { complete: true, sha256: sha256([]), size: 0 }
      ])
      assert.deepStrictEqual(asked.map(({ method }) => method), ["PUT", "PUT"])
      assert.strictEqual(asked[0]?.headers["x-amz-acl"], "private")
      assert.deepStrictEqual(asked.map(({ headers }) => headers["content-type"]), [undefined, "image/x-raw"])
    })
  )

  live(
    "fails when the server does not confirm it",
    Effect.gen(function*() {
      const { take } = taking()
      const { origin } = yield* httpServer.serve(routes({
        "/forbidden": take(403),
        "/moved": (request, response) => void redirect("/else", 307)(request, response),
        "/rude": (request) => void request.once("data", () => request.socket.destroy()),
        "/hasty": (_, response) => void response.writeHead(200).end()
      }))
      const dump = (path: string, count = 1) =>
        call("dump", Resource.presigned(`${origin}/${path}?sig=secret`, { method: "PUT" }), count)
      const request = (path: string) => `the presigned PUT of ${origin}/${path}?[REDACTED]`
      yield* fails(dump("forbidden"), "UNKNOWN", `${request("forbidden")} was answered with 403`)
      yield* fails(dump("missing"), "UNKNOWN", `${request("missing")} was answered with 404`)
      yield* fails(
        dump("moved"),
        "UNKNOWN",
        `${request("moved")} was redirected (307), but its body cannot be sent again`
      )
      const rude = yield* Effect.flip(dump("rude"))
      assert.strictEqual(rude.code, "UNAVAILABLE")
      const hasty = yield* Effect.flip(dump("hasty", 10_000))
      assert.include(["UNAVAILABLE", "UNKNOWN"], hasty.code)
    })
  )

  it.live("fails with the driver's failure when the driver breaks off, and the server does not treat it as the whole", () =>
    Effect.gen(function*() {
      const arrived = yield* Deferred.make<void>()
      const closed = yield* Deferred.make<boolean>()
      const { origin } = yield* httpServer.serve((request) => {
        request.once("data", () => Deferred.unsafeDone(arrived, Effect.void))
        request.on("close", () => Deferred.unsafeDone(closed, Effect.succeed(request.complete)))
      })
      const breakOff = Effect.zipRight(Deferred.await(arrived), DriverFailure.make("Device", "bad sector"))
      const driver = Driver.make({
        client: "flasher",
        methods: {
          dump: Driver.call(([handle], { resource }) =>
            Effect.scoped(
              Effect.flatMap(resource(handle), ({ write }) =>
                write(Stream.concat(Stream.make(chunk), Stream.fromEffect(breakOff))))
            )
          )
        }
      })
      yield* fails(call("dump", Resource.presigned(origin, { method: "PUT" })), "INTERNAL", "bad sector").pipe(
        Effect.provide(ExporterTest.layer({ flasher: driver }, { presignedNetworks: ["loopback"] }))
      )
      assert.isFalse(yield* Effect.timeout(Deferred.await(closed), "5 seconds"))
    }).pipe(Effect.scoped))

  live(
    "can be written only once, and never read",
    Effect.gen(function*() {
      const { take } = taking()
      const { origin } = yield* httpServer.serve(take(201))
      const handle = Resource.presigned(origin, { method: "PUT" })
      const request = `the presigned PUT of ${origin}/`
      yield* fails(call("write_twice", handle), "UNKNOWN", `${request} can be written only once`)
      yield* fails(call("flash", handle), "INVALID_ARGUMENT", `${request} can only be written`)
    })
  )
})
