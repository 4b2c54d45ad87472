import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc } from "effect"
import * as Endpoint from "../src/Endpoint.ts"

const authority = Endpoint.Trust.CertificateAuthority({ ca: "pem" })

describe("Endpoint", () => {
  describe("parse", () => {
    const table: ReadonlyArray<
      readonly [string, { readonly security?: Endpoint.Trust | "insecure" } | undefined, Endpoint.Endpoint]
    > = [
      ["/run/user/1000/jumpstarter-x/socket", undefined, Endpoint.unix("/run/user/1000/jumpstarter-x/socket")],
      ["relative.sock", undefined, Endpoint.unix("relative.sock")],
      ["unix:/x.sock", undefined, Endpoint.unix("/x.sock")],
      ["unix:///x.sock", undefined, Endpoint.unix("/x.sock")],
      ["unix:x.sock", undefined, Endpoint.unix("x.sock")],
      ["/a:b/c", undefined, Endpoint.unix("/a:b/c")],
      ["lab:8090", undefined, Endpoint.tls("lab", 8090)],
      ["lab:8090", { security: "insecure" }, Endpoint.tcp("lab", 8090)],
      ["lab:8090", { security: authority }, Endpoint.tls("lab", 8090, authority)],
      ["10.0.0.1:1", { security: "insecure" }, Endpoint.tcp("10.0.0.1", 1)],
      ["[::1]:65535", { security: "insecure" }, Endpoint.tcp("::1", 65535)],
      // The reference implementation splits at the last colon, brackets or not.
      ["::1:8090", { security: "insecure" }, Endpoint.tcp("::1", 8090)],
      // A port that is none makes the whole a path.
      ["lab:0", undefined, Endpoint.unix("lab:0")],
      ["lab:65536", undefined, Endpoint.unix("lab:65536")],
      ["lab:", undefined, Endpoint.unix("lab:")],
      ["lab:80a", undefined, Endpoint.unix("lab:80a")],
      ["lab:1e3", undefined, Endpoint.unix("lab:1e3")],
      // A path that ends in a port is an address, unless it says what it is.
      ["/tmp/sock:123", { security: "insecure" }, Endpoint.tcp("/tmp/sock", 123)],
      ["unix:/tmp/sock:123", undefined, Endpoint.unix("/tmp/sock:123")],
      // Security is no concern of a local socket.
      ["/x.sock", { security: authority }, Endpoint.unix("/x.sock")]
    ]
    it.each(table)("%s with %o", (address, options, expected) => {
      assert.deepStrictEqual(Endpoint.parse(address, options), Either.right(expected))
    })

    it.each([
      ["", "it is empty"],
      ["  ", "it is empty"],
      ["unix:", "the path of the socket is missing"],
      [":8090", "the host is missing"],
      ["[]:8090", "the host is missing"]
    ])("refuses %o", (address, reason) => {
      const error = Either.getOrThrow(Either.flip(Endpoint.parse(address)))
      assert.strictEqual(error.message, `invalid exporter address ${JSON.stringify(address)}: ${reason}`)
    })

    it.prop("reads any text as an address or refuses it", { text: fc.string() }, ({ text }) => {
      assert.isTrue(Either.isEither(Endpoint.parse(text)))
    })
  })

  describe("format", () => {
    it.each<[Endpoint.Endpoint, string]>([
      [Endpoint.unix("/run/x.sock"), "unix:/run/x.sock"],
      [Endpoint.tcp("lab", 8090), "tcp:lab:8090"],
      [Endpoint.tcp("::1", 8090), "tcp:[::1]:8090"],
      [Endpoint.tls("lab", 8090), "tls:lab:8090"],
      [Endpoint.tls("fe80::1", 1, authority), "tls:[fe80::1]:1"]
    ])("%o", (endpoint, text) => {
      assert.strictEqual(Endpoint.format(endpoint), text)
    })

    it.prop("of a Unix socket is read back", { path: fc.string({ minLength: 1 }) }, ({ path }) => {
      fc.pre(!path.startsWith("//"))
      assert.deepStrictEqual(Endpoint.parse(Endpoint.format(Endpoint.unix(path))), Either.right(Endpoint.unix(path)))
    })
  })

  it("trusts the system's roots unless told otherwise", () => {
    assert.deepStrictEqual(Endpoint.tls("lab", 1), Endpoint.tls("lab", 1, Endpoint.Trust.SystemRoots()))
  })
})
