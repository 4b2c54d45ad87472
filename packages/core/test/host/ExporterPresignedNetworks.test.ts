// Where presigned requests may go: not to this machine, its links or metadata services, unless an exporter allows it.
import { Resource } from "@effect-jumpstarter/core"
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as bytes from "../support/bytes.ts"
import * as httpServer from "../support/httpServer.ts"
import { call, exporter, fails, redirect, routes } from "../support/presigned.ts"
import { sha256 } from "../support/probePattern.ts"

const flash = (url: string) => call("flash", Resource.presigned(url))

const abc = { sha256: sha256([bytes.utf8("abc")]), size: 3 }

const refusal = (request: string, address: string, network: string) =>
  `the presigned ${request} goes to ${address}, a ${network} address, which this exporter allows only with ` +
  `the option presignedNetworks: ["${network}"]`

const unlessAllowed = exporter({ presignedNetworks: undefined })

describe("a presigned request", () => {
  it.live("reaches neither this machine nor a metadata service, in any notation", () =>
    Effect.gen(function*() {
      const { asked, origin } = yield* httpServer.serve((_, response) => void response.end("abc"))
      const port = origin.replace(/.*:/, "")
      for (
        const [host, address, network] of [
          ["127.0.0.1", "127.0.0.1", "loopback"],
          ["2130706433", "127.0.0.1", "loopback"],
          ["0x7f.1", "127.0.0.1", "loopback"],
          ["0177.0.0.1", "127.0.0.1", "loopback"],
          ["127.1.", "127.0.0.1", "loopback"],
          ["%31%32%37.0.0.1", "127.0.0.1", "loopback"],
          ["0", "0.0.0.0", "loopback"],
          ["[::]", "[::]", "loopback"],
          ["[::1]", "[::1]", "loopback"],
          ["[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "loopback"],
          ["localhost", "localhost", "loopback"],
          ["LocalHost.", "localhost.", "loopback"],
          ["x@127.0.0.1", "127.0.0.1", "loopback"],
          ["169.254.1.1", "169.254.1.1", "link-local"],
          ["169.254.169.254", "169.254.169.254", "metadata"],
          ["[fd00:ec2::254]", "[fd00:ec2::254]", "metadata"],
          ["100.100.100.200", "100.100.100.200", "metadata"]
        ] as const
      ) {
        const shown = host.includes("@") ? "127.0.0.1" : address
        yield* fails(
          flash(`http://${host}:${port}/x?sig=secret`),
          "INVALID_ARGUMENT",
          refusal(`GET of http://${shown}:${port}/x?[REDACTED]`, address, network)
        )
      }
      yield* fails(
        call("dump", Resource.presigned(origin, { method: "PUT" }), 1),
        "INVALID_ARGUMENT",
        refusal(`PUT of ${origin}/`, "127.0.0.1", "loopback")
      )
      assert.strictEqual(asked.length, 0)
    }).pipe(unlessAllowed, Effect.scoped))

  it.live("reaches only allowed networks, also after a redirect", () =>
    Effect.gen(function*() {
      const { asked, origin } = yield* httpServer.serve(routes({
        "/image": (_, response) => void response.end("abc"),
        "/here": redirect("/image"),
        "/metadata": redirect("http://169.254.169.254/latest/meta-data/iam", 307),
        "/mapped": redirect("//[::ffff:169.254.169.254]/latest")
      }))
      assert.deepStrictEqual(yield* flash(`${origin}/here`), abc)
      yield* fails(
        flash(`${origin}/metadata`),
        "INVALID_ARGUMENT",
        refusal("GET of http://169.254.169.254/latest/meta-data/iam", "169.254.169.254", "metadata")
      )
      yield* fails(
        flash(`${origin}/mapped`),
        "INVALID_ARGUMENT",
        refusal("GET of http://[::ffff:a9fe:a9fe]/latest", "[::ffff:a9fe:a9fe]", "metadata")
      )
      assert.deepStrictEqual(asked.map(({ path }) => path), ["/here", "/image", "/metadata", "/mapped"])
    }).pipe(exporter({ presignedNetworks: ["loopback", "link-local"] }), Effect.scoped))

  it.live("is refused even if a function admits it, or another network is allowed", () =>
    Effect.gen(function*() {
      const { asked, origin } = yield* httpServer.serve((_, response) => void response.end("abc"))
      yield* fails(flash(origin), "INVALID_ARGUMENT", refusal(`GET of ${origin}/`, "127.0.0.1", "loopback"))
      assert.strictEqual(asked.length, 0)
    }).pipe(exporter({ presigned: () => true, presignedNetworks: ["metadata", "link-local"] }), Effect.scoped))

  it.effect("is checked only by its host when the program's own client makes it", () => {
    const httpClient = HttpClient.make((request) =>
      Effect.succeed(HttpClientResponse.fromWeb(
        request,
        request.url.endsWith("/away")
          ? new Response(null, { status: 302, headers: { location: "http://localhost/" } })
          : new Response("abc")
      ))
    )
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* flash("http://192.168.1.5/"), abc)
      yield* fails(
        flash("http://127.0.0.1/"),
        "INVALID_ARGUMENT",
        refusal("GET of http://127.0.0.1/", "127.0.0.1", "loopback")
      )
      yield* fails(
        flash("http://images.lab/away"),
        "INVALID_ARGUMENT",
        refusal("GET of http://localhost/", "localhost", "loopback")
      )
    }).pipe(exporter({ httpClient, presignedNetworks: [] }))
  })
})
