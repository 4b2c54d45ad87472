// What presigned requests look like on the wire, and which answers count (protocol.md 6.4).
import { Driver, Resource } from "@effect-jumpstarter/core"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Queue, Redacted, Stream, TestClock } from "effect"
import type { Socket } from "node:net"
import { createServer as createSecureServer } from "node:tls"
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib"
import * as bytes from "../support/bytes.ts"
import * as certificates from "../support/certificates.ts"
import * as httpServer from "../support/httpServer.ts"
import { call, chunk, exporter, fails, redirect, routes } from "../support/presigned.ts"
import { sha256 } from "../support/probePattern.ts"
import * as rawHttp from "../support/rawHttp.ts"

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"

const abc = { sha256: sha256([bytes.utf8("abc")]), size: 3 }

const flash = (url: string, headers: Record<string, string> = {}) => call("flash", Resource.presigned(url, { headers }))

const dump = (url: string, count: number, headers: Record<string, string> = {}) =>
  call("dump", Resource.presigned(url, { headers, method: "PUT" }), count)

describe("a presigned request on the wire", () => {
  it.live("is the signed request, byte by byte", () =>
    Effect.gen(function*() {
      const { heads, port } = yield* rawHttp.serve((socket) => void socket.end(ok))
      const targets = [
        "/it's?a='b'&X-Amz-Signature=00ff",
        "/a/%2E%2E/b/%2e/c",
        "/a/../b/./c//d",
        "/a\\b?c\\d",
        "/a|b^c`?\"<>|^`{}",
        "/%41%7e?a=%2f&&c&=+"
      ]
      for (const target of targets) {
        assert.deepStrictEqual(yield* flash(`http://127.0.0.1:${port}${target}#fragment`), abc, target)
      }
      assert.deepStrictEqual(
        heads.map((head) => head.split("\r\n")[0]),
        targets.map((target) => `GET ${target} HTTP/1.1`)
      )
      assert.include(heads[0]?.toLowerCase(), `\r\nhost: 127.0.0.1:${port}`)
      yield* flash(`http://127.0.0.1:${port}/ü b`, { Host: "signed.lab" })
      assert.match(heads.at(-1) ?? "", /^GET \/%C3%BC%20b HTTP\/1\.1\r\n/)
      assert.include(heads.at(-1)?.toLowerCase(), "\r\nhost: signed.lab")
    }).pipe(exporter(), Effect.scoped))

  for (const port of [10_080, 6_667, 6_000, 5_060]) {
    it.live(`goes to port ${port}, which browsers refuse`, () =>
      Effect.gen(function*() {
        yield* rawHttp.serve((socket) => void socket.end(ok), port)
        assert.deepStrictEqual(yield* flash(`http://127.0.0.1:${port}/`), abc)
      }).pipe(exporter(), Effect.scoped))
  }

  it.live("has no headers about the client's connection", () =>
    Effect.gen(function*() {
      const { heads, port } = yield* rawHttp.serve((socket) => void socket.end(ok))
      const headers = {
        "connection": "upgrade",
        "content-length": "0",
        "expect": "100-continue",
        "te": "trailers",
        "transfer-encoding": "chunked",
        "upgrade": "h2c",
        "x-signed": "kept"
      }
      assert.deepStrictEqual(yield* flash(`http://127.0.0.1:${port}/`, headers), abc)
      assert.notMatch(heads[0] ?? "", /expect|upgrade|content-length|transfer-encoding|\nte:/i)
      assert.include(heads[0], "x-signed: kept")
      for (
        const [length, problem] of [["3", "has a Content-Length, but a GET has no content"], [
          "-1",
          "has a Content-Length that is not a number of bytes"
        ]]
      ) {
        yield* fails(
          flash(`http://127.0.0.1:${port}/`, { "content-length": length ?? "" }),
          "INVALID_ARGUMENT",
          `the presigned GET of http://127.0.0.1:${port}/ ${problem}`
        )
      }
    }).pipe(exporter(), Effect.scoped))

  it.live("sends credentials only to their origin", () =>
    Effect.gen(function*() {
      const target = yield* httpServer.serve((_, response) => void response.end("abc"))
      const { asked, origin } = yield* httpServer.serve(routes({
        "/first": redirect("/it's"),
        "/it's": redirect(`${target.origin}/%2E/'`)
      }))
      const secrets = ["PRIVATE-TOKEN", "X-Api-Key", "x-auth-token", "X-JFrog-Art-Api", "x-vault-token", "host"]
      const headers = Object.fromEntries(secrets.map((name) => [name, "s"]))
      assert.deepStrictEqual(yield* flash(`${origin.replace("//", "//me:pw@")}/first`, headers), abc)
      assert.deepStrictEqual(asked.map(({ path }) => path), ["/first", "/it's"])
      for (const { headers } of asked) assert.strictEqual(headers["authorization"], `Basic ${btoa("me:pw")}`)
      assert.strictEqual(target.asked[0]?.path, "/%2E/'")
      const seen = target.asked[0]?.headers ?? {}
      for (const name of [...secrets.slice(0, -1), "authorization"]) assert.notProperty(seen, name.toLowerCase())
      assert.strictEqual(seen["host"], target.origin.slice("http://".length))
    }).pipe(exporter(), Effect.scoped))

  it.live("sends the length of a body that is empty or that the client has declared", () =>
    Effect.gen(function*() {
      const { asked, origin } = yield* httpServer.serve((request, response) => {
        request.resume().on("end", () => response.writeHead(204).end())
      })
      const length = String(chunk.length * 3)
      yield* dump(origin, 3)
      yield* dump(origin, 0)
      yield* dump(origin, 3, { "Content-Length": length })
      assert.deepStrictEqual(asked.map(({ headers }) => [headers["content-length"], headers["transfer-encoding"]]), [
        [undefined, "chunked"],
        ["0", undefined],
        [length, undefined]
      ])
      const request = `the presigned PUT of ${origin}/`
      yield* fails(
        dump(origin, 2, { "Content-Length": length }),
        "UNKNOWN",
        `${request} has a Content-Length of ${length} bytes, but the driver wrote ${chunk.length * 2}`
      )
      yield* fails(
        dump(origin, 4, { "Content-Length": length }),
        "UNKNOWN",
        `${request} has a Content-Length of ${length} bytes, but the driver writes more`
      )
    }).pipe(exporter(), Effect.scoped))
})

describe("an answer to a presigned request", () => {
  it.live("is either what was requested, or a failure", () =>
    Effect.gen(function*() {
      const { origin } = yield* httpServer.serve(routes({
        "/nothing": (_, response) => void response.writeHead(204).end(),
        "/part": (_, response) => void response.writeHead(206, { "content-range": "bytes 0-2/9" }).end("abc"),
        "/short": (_, response) => void response.writeHead(206, { "content-range": "bytes 0-3/9" }).end("abc"),
        "/all": (_, response) => void response.end("abcdefghi"),
        "/accepted": (_, response) => void response.writeHead(202).end("soon")
      }))
      const request = (path: string) => `the presigned GET of ${origin}/${path}`
      yield* fails(
        flash(`${origin}/nothing`),
        "UNKNOWN",
        `${request("nothing")} was answered with 204, which has no content to read`
      )
      yield* fails(
        flash(`${origin}/accepted`),
        "UNKNOWN",
        `${request("accepted")} was answered with 202, which has no content to read`
      )
      yield* fails(
        flash(`${origin}/part`),
        "UNKNOWN",
        `${request("part")} was answered with a part (206, Content-Range: bytes 0-2/9), but no range was requested`
      )
      assert.deepStrictEqual(yield* flash(`${origin}/part`, { range: "bytes=0-2" }), abc)
      yield* fails(
        flash(`${origin}/part`, { range: "bytes=0-5" }),
        "UNKNOWN",
        `${
          request("part")
        } was answered with a part (206, Content-Range: bytes 0-2/9), but the requested range is bytes=0-5`
      )
      yield* fails(
        flash(`${origin}/all`, { range: "bytes=0-5" }),
        "UNKNOWN",
        `${request("all")} was answered with the whole content (200), but the requested range is bytes=0-5`
      )
      yield* fails(
        flash(`${origin}/short`, { range: "bytes=0-3" }),
        "UNAVAILABLE",
        `${request("short")} ended after 3 of 4 bytes`
      )
      for (const [status, text] of [[205, "205"], [206, "206"]]) {
        const { origin } = yield* httpServer.serve((request, response) => {
          request.resume().on("end", () => response.writeHead(Number(status)).end())
        })
        yield* fails(dump(origin, 1), "UNKNOWN", `the presigned PUT of ${origin}/ was answered with ${text}`)
      }
    }).pipe(exporter(), Effect.scoped))

  it.live("is decoded, or fails when it cannot be decoded", () =>
    Effect.gen(function*() {
      const encoded = (encoding: string, body: Uint8Array) =>
        httpServer.serve((_, response) => void response.writeHead(200, { "content-encoding": encoding }).end(body))
      for (
        const [encoding, body] of [
          ["gzip", gzipSync("abc")],
          ["x-gzip", gzipSync("abc")],
          ["deflate", deflateSync("abc")],
          ["br", brotliCompressSync("abc")],
          ["deflate, gzip", gzipSync(deflateSync("abc"))],
          ["identity", Buffer.from("abc")],
          ["aws-chunked", Buffer.from("abc")]
        ] as const
      ) {
        const { origin } = yield* encoded(encoding, body)
        assert.deepStrictEqual(yield* flash(origin), abc, encoding)
      }
      const cut = yield* encoded("gzip", gzipSync(chunk).subarray(0, 50))
      yield* fails(
        flash(cut.origin),
        "UNAVAILABLE",
        `the presigned GET of ${cut.origin}/ failed: the answer could not be decoded with its Content-Encoding (unexpected end of file)`
      )
      const { origin } = yield* encoded("compress", bytes.utf8("abc"))
      yield* fails(
        flash(origin),
        "UNAVAILABLE",
        `the presigned GET of ${origin}/ failed: the answer is encoded with "compress", which the exporter cannot decode`
      )
    }).pipe(exporter(), Effect.scoped))

  it.live("gives the server's reason, without the signed parts", () =>
    Effect.gen(function*() {
      const xml =
        "<?xml version=\"1.0\"?>\n<Error><Code>SignatureDoesNotMatch</Code><Message>The request\n signature abcdef0123456789 does not match</Message>" +
        "<AWSAccessKeyId>AKIAIOSFODNN7EXAMPLE</AWSAccessKeyId></Error>"
      const { origin } = yield* httpServer.serve(routes({
        "/xml": (_, response) => void response.writeHead(403, { "content-type": "application/xml" }).end(xml),
        "/page": (_, response) =>
          void response.writeHead(502, { "content-type": "text/html; charset=utf-8" })
            .end("<html><style>x</style><h1>Bad \u001b[31mGateway</h1></html>"),
        "/binary": (_, response) => void response.writeHead(500).end("secret bytes"),
        "/endless": (_, response) => {
          response.writeHead(500, { "content-type": "text/plain" }).on("drain", () => response.write(chunk))
          while (response.write(chunk.map(() => 97)));
        },
        "/length": (request, response) => {
          request.resume().on("end", () => response.writeHead(411).end())
        }
      }))
      const request = (path: string) => `the presigned GET of ${origin}/${path}`
      yield* fails(
        flash(`${origin}/xml?X-Amz-Signature=abcdef0123456789`),
        "UNKNOWN",
        `${
          request("xml")
        }?[REDACTED] was answered with 403: SignatureDoesNotMatch: The request signature [REDACTED] does not match`
      )
      yield* fails(flash(`${origin}/page`), "UNKNOWN", `${request("page")} was answered with 502: Bad [31mGateway`)
      yield* fails(flash(`${origin}/binary`), "UNKNOWN", `${request("binary")} was answered with 500`)
      yield* fails(
        flash(`${origin}/endless`),
        "UNKNOWN",
        `${request("endless")} was answered with 500: ${"a".repeat(300)}…`
      )
      yield* fails(
        dump(`${origin}/length`, 1),
        "UNKNOWN",
        `the presigned PUT of ${origin}/length was answered with 411; if the server needs the length in advance, add a Content-Length header`
      )
    }).pipe(exporter(), Effect.scoped))

  it.live("shows no beginning of a secret when its page is cut or breaks off", () =>
    Effect.gen(function*() {
      const before = "<p>You sent</p> "
      const { origin } = yield* httpServer.serve((request, response) => {
        const [path, signature] = (request.url ?? "").split("?X-Amz-Signature=")
        const page = (sent: string) => `${before.padStart(4_096 - sent.length)}${decodeURIComponent(signature ?? "")}`
        response.writeHead(403, { "content-type": "text/html", "content-length": 8_192 })
        if (path === "/cut") response.end(page("abcdef0123456789").padEnd(8_192))
        else response.write(page("abcdef0123456789").slice(0, 4_090), () => response.destroy())
      })
      for (const path of ["cut", "broken"]) {
        // One in hexadecimal digits, and one in base64, of which the page lacks the last character.
        for (const signature of ["abcdef0123456789abcdef0123456789", "abcdef012345678%3D%3D"]) {
          yield* fails(
            flash(`${origin}/${path}?X-Amz-Signature=${signature}`),
            "UNKNOWN",
            `the presigned GET of ${origin}/${path}?[REDACTED] was answered with 403: You sent`
          )
        }
      }
    }).pipe(exporter(), Effect.scoped))

  it.live("is heard in the middle of a body", () =>
    Effect.gen(function*() {
      const { origin } = yield* httpServer.serve((_, response) => {
        response.writeHead(507, { "content-type": "text/plain", "connection": "close" }).end("the bucket is full")
      })
      yield* fails(
        dump(origin, 100_000),
        "UNKNOWN",
        `the presigned PUT of ${origin}/ was answered with 507: the bucket is full`
      )
    }).pipe(exporter(), Effect.scoped))

  it.live("may follow informational answers", () =>
    Effect.gen(function*() {
      const { port } = yield* rawHttp.serve((socket) =>
        void socket.end(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok}`)
      )
      assert.deepStrictEqual(yield* flash(`http://127.0.0.1:${port}/`), abc)
    }).pipe(exporter(), Effect.scoped))

  for (
    const [name, answer, problem] of [
      [
        "switches the protocol",
        "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nabc",
        /switched to another protocol \(101\)$/
      ],
      ["is no HTTP", "220 mail.lab ESMTP\r\n", /failed: the server did not answer with valid HTTP\/1\.1 \(.+\)$/],
      [
        "has two lengths",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        /failed: the server did not answer with valid HTTP/
      ],
      [
        "has a length and chunks",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        /failed: the server did not answer with valid HTTP/
      ],
      [
        "has a head without an end",
        `HTTP/1.1 200 OK\r\nx: ${"a".repeat(100_000)}`,
        /failed: the server did not answer with valid HTTP/
      ],
      [
        "has a bad chunk",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        /failed: the server did not answer with valid HTTP/
      ],
      ["is short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", /failed: .+/],
      ["is nothing", "", /failed: the server closed the connection \(socket hang up\)$/]
    ] as const
  ) {
    it.live(`that ${name} fails with a text`, () =>
      Effect.gen(function*() {
        const { port } = yield* rawHttp.serve((socket) => void socket.end(answer))
        const { code, details } = yield* Effect.flip(flash(`http://127.0.0.1:${port}/`))
        assert.strictEqual(code, "UNAVAILABLE")
        assert.match(details, problem)
      }).pipe(exporter(), Effect.scoped))
  }
})

describe("a server of presigned requests", () => {
  it.live("that cannot be reached is named in the failure, with the reason", () =>
    Effect.gen(function*() {
      const closed = yield* Effect.scoped(Effect.map(rawHttp.serve(() => {}), ({ port }) => port))
      const plain = yield* httpServer.serve((_, response) => void response.end("abc"))
      const pair = yield* certificates.pair({ names: ["else.lab"] })
      const secure = yield* rawHttp.serve((socket) => void socket.end(ok), 0, (listener) =>
        createSecureServer(
          { cert: pair.certificate.chain, key: Redacted.value(pair.certificate.privateKey) },
          listener
        ).on("tlsClientError", () => {}))
      for (
        const [url, problem] of [
          [`http://127.0.0.1:${closed}/`, /failed: connect ECONNREFUSED 127\.0\.0\.1:\d+: nobody listens there$/],
          [`http://localhost:${closed}/`, /failed: connect ECONNREFUSED .+: nobody listens there$/],
          [
            "http://nowhere.invalid/",
            /failed: getaddrinfo \w+ nowhere\.invalid: the exporter cannot resolve the host name$/
          ],
          [
            plain.origin.replace("http:", "https:"),
            /failed: the server does not speak TLS, which https needs \(wrong version number\)$/
          ],
          [
            `https://127.0.0.1:${secure.port}/`,
            /failed: self-signed certificate; the exporter trusts its runtime's roots, and those in the file that NODE_EXTRA_CA_CERTS names$/
          ],
          [`http://127.0.0.1:${secure.port}/`, /failed: .+/]
        ] as const
      ) {
        const { code, details } = yield* Effect.flip(flash(url))
        assert.strictEqual(code, "UNAVAILABLE", url)
        assert.match(details, problem)
      }
    }).pipe(exporter(), Effect.scoped))

  it.effect("that does not answer is given up after five minutes", () =>
    Effect.gen(function*() {
      const arrived = yield* Deferred.make<void>()
      const { port } = yield* rawHttp.serve(() => Deferred.unsafeDone(arrived, Effect.void))
      const running = yield* Effect.fork(Effect.flip(flash(`http://127.0.0.1:${port}/`)))
      yield* Deferred.await(arrived)
      yield* TestClock.adjust("5 minutes")
      const { code, details } = yield* Fiber.join(running)
      assert.deepStrictEqual([code, details], [
        "DEADLINE_EXCEEDED",
        `the presigned GET of http://127.0.0.1:${port}/ failed: the server has not answered for 5m`
      ])
    }).pipe(exporter(), Effect.scoped))

  it.effect("that stops sending is given up as well", () =>
    Effect.gen(function*() {
      const read = yield* Deferred.make<void>()
      const driver = Driver.make({
        client: "flasher",
        methods: {
          flash: Driver.call(([handle], { resource }) =>
            Effect.scoped(Effect.flatMap(resource(handle), ({ read: bytes }) =>
              Stream.runForEach(bytes, () =>
                Deferred.succeed(read, undefined))))
          )
        }
      })
      const { port } = yield* rawHttp.serve((socket) =>
        void socket.write(ok.slice(0, -1))
      )
      const url = `http://127.0.0.1:${port}/`
      yield* Effect.gen(function*() {
        const running = yield* Effect.fork(Effect.flip(flash(url)))
        yield* Deferred.await(read)
        yield* TestClock.adjust("15 minutes")
        const { code, details } = yield* Fiber.join(running)
        assert.deepStrictEqual([code, details], [
          "DEADLINE_EXCEEDED",
          `the presigned GET of ${url} failed: the server has sent no data for 5m`
        ])
      }).pipe(Effect.provide(ExporterTest.layer({ flasher: driver }, { presignedNetworks: ["loopback"] })))
    }).pipe(Effect.scoped))

  for (const [reader, then] of [["waits for it", "wait"], ["is busy", "go"]] as const) {
    it.effect(`that sends a byte now and then is given up after two hours when the driver ${reader}`, () =>
      Effect.gen(function*() {
        const read = yield* Queue.unbounded<void>()
        const go = yield* Deferred.make<void>()
        const sockets: Array<Socket> = []
        const { port } = yield* rawHttp.serve((socket) => {
          sockets.push(socket)
          socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\na")
        })
        const driver = Driver.make({
          client: "flasher",
          methods: {
            flash: Driver.call(([handle], { resource }) =>
              Effect.scoped(
                Effect.flatMap(resource(handle), ({ read: bytes }) =>
                  Stream.runForEach(bytes, () =>
                    Effect.zipRight(Queue.offer(read, undefined), then === "go" ? Deferred.await(go) : Effect.void)))
              )
            )
          }
        })
        const url = `http://127.0.0.1:${port}/`
        yield* Effect.gen(function*() {
          const running = yield* Effect.fork(Effect.flip(flash(url)))
          yield* Queue.take(read)
          for (let minutes = 0; minutes < 120; minutes += 4) {
            yield* TestClock.adjust("4 minutes")
            sockets[0]?.write("b")
            if (then === "wait" && minutes < 116) yield* Queue.take(read)
          }
          yield* Deferred.succeed(go, undefined)
          const { code, details } = yield* Fiber.join(running)
          assert.deepStrictEqual([code, details], [
            "DEADLINE_EXCEEDED",
            `the presigned GET of ${url} took longer than 2h`
          ])
          // Data that has already arrived does not extend the time.
          assert.strictEqual(yield* Queue.size(read), 0)
        }).pipe(Effect.provide(ExporterTest.layer({ flasher: driver }, { presignedNetworks: ["loopback"] })))
      }).pipe(Effect.scoped))
  }

  it.effect("that stops reading is given up as well", () =>
    Effect.gen(function*() {
      const arrived = yield* Deferred.make<void>()
      const { port } = yield* rawHttp.serve((socket) => {
        socket.pause()
        Deferred.unsafeDone(arrived, Effect.void)
      })
      const url = `http://127.0.0.1:${port}/`
      const running = yield* Effect.fork(Effect.flip(dump(url, 1_024)))
      yield* Deferred.await(arrived)
      // The system buffers a few megabytes before the transfer stalls.
      const minutes = Effect.forever(TestClock.adjust("1 minute"))
      const { code, details } = yield* Effect.raceFirst(Fiber.join(running), minutes)
      assert.deepStrictEqual([code, details], [
        "DEADLINE_EXCEEDED",
        `the presigned PUT of ${url} failed: the server has accepted no data for 5m`
      ])
    }).pipe(exporter(), Effect.scoped))
})
