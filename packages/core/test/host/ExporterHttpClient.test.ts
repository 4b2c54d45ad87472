// Which presigned requests an exporter makes, and with which HTTP client. The clients here are fakes.
import { Driver, Resource } from "@effect-jumpstarter/core"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import { Headers, HttpClient, HttpClientError, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream, TestClock } from "effect"
import * as bytes from "../support/bytes.ts"
import * as httpServer from "../support/httpServer.ts"
import { call, chunk, exporter, fails, image, redirect, routes, theImage } from "../support/presigned.ts"
import * as probe from "../support/probe.ts"
import { sha256 } from "../support/probePattern.ts"

describe("which requests are made", () => {
  it.live("is up to the exporter, for every redirect too", () =>
    Effect.gen(function*() {
      const other = yield* httpServer.serve(image)
      const { asked, origin } = yield* httpServer.serve(routes({
        "/image": image,
        "/away": redirect(`${other.origin}/image?sig=secret`)
      }))
      const flash = (path: string) => call("flash", Resource.presigned(`${origin}/${path}`))
      const seen: Array<string> = []
      yield* Effect.gen(function*() {
        assert.deepStrictEqual(yield* flash("image"), theImage)
        yield* fails(
          flash("away"),
          "INVALID_ARGUMENT",
          `the presigned GET of ${other.origin}/image?[REDACTED] is not allowed by this exporter`
        )
        yield* fails(
          call("dump", Resource.presigned(`${origin}/image`, { method: "PUT" }), 1),
          "INVALID_ARGUMENT",
          `the presigned PUT of ${origin}/image is not allowed by this exporter`
        )
      }).pipe(exporter({
        presigned: (method, url) => {
          seen.push(`${method} ${url.href}`)
          return method === "GET" && url.origin === origin
        }
      }))
      assert.deepStrictEqual(seen, [
        `GET ${origin}/image`,
        `GET ${origin}/away`,
        `GET ${other.origin}/image?sig=secret`,
        `PUT ${origin}/image`
      ])
      assert.strictEqual(other.asked.length, 0)
      const before = asked.length
      yield* fails(
        flash("image"),
        "INVALID_ARGUMENT",
        `the presigned GET of ${origin}/image is not allowed by this exporter`
      ).pipe(exporter({ presigned: false }))
      assert.strictEqual(asked.length, before)
    }).pipe(Effect.scoped))

  it.effect("requires well-formed handles", () =>
    Effect.gen(function*() {
      const handle = { kind: "presigned_request", url: "http://127.0.0.1/", method: "GET", headers: {} }
      for (
        const change of [
          { method: "POST" },
          { headers: { "a b": "c" } },
          { headers: { authorization: "secret\r\nx: y" } },
          { headers: { a: 1 } },
          { url: null }
        ]
      ) {
        yield* fails(
          call("flash", { ...handle, ...change }),
          "INVALID_ARGUMENT",
          "the argument is neither a resource handle nor a presigned request"
        )
      }
      for (const url of ["/image", "file:///etc/passwd", "data:,x", "ftp://x/y", "http://"]) {
        yield* fails(
          call("flash", { ...handle, url }),
          "INVALID_ARGUMENT",
          "the URL of the presigned GET is not an http or https URL"
        )
      }
    }).pipe(exporter()))
})

// A fake HTTP client.
const answering = (
  answer: (request: Parameters<Parameters<typeof HttpClient.make>[0]>[0]) => Effect.Effect<Response>
) =>
  HttpClient.make((request) => Effect.map(answer(request), (response) => HttpClientResponse.fromWeb(request, response)))

describe("the exporter's HTTP client", () => {
  it.effect("can be replaced", () => {
    const httpClient = answering((request) =>
      Effect.succeed(new Response(`${request.method} ${request.url}`, { headers: { "content-length": "19" } }))
    )
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* call("flash", Resource.presigned("http://x.example/")), {
        sha256: sha256([bytes.utf8("GET http://x.example/")].map((text) => text.subarray(0, 21))),
        size: 21
      })
    }).pipe(
      Effect.flip,
      Effect.map((error) => {
        assert.strictEqual(error.details, "the presigned GET of http://x.example/ ended after 21 of 19 bytes")
      }),
      exporter({ httpClient })
    )
  })

  it.effect("may take two hours, on Effect's clock", () => {
    const httpClient = answering(({ url }) =>
      url.endsWith("/silent")
        ? Effect.never
        : Effect.succeed(new Response(new ReadableStream({ start: (controller) => controller.enqueue(chunk) })))
    )
    return Effect.gen(function*() {
      for (
        const [method, path, call_] of [["GET", "silent", "flash"], ["GET", "slow", "flash"], [
          "PUT",
          "silent",
          "dump"
        ]] as const
      ) {
        const url = `http://x.example/${path}`
        const running = yield* Effect.fork(Effect.flip(call(call_, Resource.presigned(url, { method }), 1)))
        yield* TestClock.adjust("7199 seconds")
        assert.isNull(running.unsafePoll())
        yield* TestClock.adjust("1 seconds")
        const error = yield* Fiber.join(running)
        assert.deepStrictEqual(
          [error.code, error.details],
          ["DEADLINE_EXCEEDED", `the presigned ${method} of ${url} took longer than 2h`]
        )
      }
    }).pipe(exporter({ httpClient }))
  })

  it.effect("that answers a PUT before it has the whole body fails the PUT", () =>
    fails(
      call("dump", Resource.presigned("http://x.example/?sig", { method: "PUT" }), 10),
      "UNKNOWN",
      "the presigned PUT of http://x.example/?[REDACTED] was answered with 200 before everything was sent"
    ).pipe(exporter({ httpClient: answering(() => Effect.succeed(new Response())) })))

  it.effect("does not leak the query in its errors", () => {
    const httpClient = HttpClient.make((request) =>
      new HttpClientError.RequestError({ request, reason: "Transport", cause: new Error(`no route to ${request.url}`) })
    )
    return fails(
      call("flash", Resource.presigned("http://x.example/?sig=secret")),
      "UNAVAILABLE",
      "the presigned GET of http://x.example/?[REDACTED] failed: no route to http://x.example/?…"
    ).pipe(exporter({ httpClient }))
  })

  it.effect("is not traced, because spans show the whole URL", () => {
    const httpClient = answering(({ headers }) =>
      Effect.succeed(new Response(String(Headers.has(headers, "traceparent") || Headers.has(headers, "b3"))))
    )
    return Effect.gen(function*() {
      const answer = yield* call("flash", Resource.presigned("http://x.example/?sig=secret"))
      assert.deepStrictEqual(answer, { sha256: sha256([bytes.utf8("false")]), size: 5 })
    }).pipe(exporter({ httpClient }))
  })

  it.effect("waits for the finalizers of the driver's stream", () =>
    Effect.gen(function*() {
      const writing = yield* probe.make
      const driver = Driver.make({
        client: "flasher",
        methods: {
          dump: Driver.call(([handle], { resource }) =>
            Effect.gen(function*() {
              const { write } = yield* resource(handle)
              return yield* write(Stream.fromEffect(writing.watch(Effect.never))).pipe(
                Effect.catchAll(({ message }) => Effect.map(writing.finalizations, (count) => [message, count]))
              )
            }).pipe(Effect.scoped)
          )
        }
      })
      const httpClient = answering(() => Effect.as(writing.started, new Response(null, { status: 507 })))
      const answer = yield* call("dump", Resource.presigned("http://x.example/", { method: "PUT" })).pipe(
        Effect.provide(ExporterTest.layer({ flasher: driver }, { httpClient }))
      )
      assert.deepStrictEqual(answer, ["the presigned PUT of http://x.example/ was answered with 507", 1])
    }))
})
