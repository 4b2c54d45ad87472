import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Either, FastCheck as fc, Redacted, Schema } from "effect"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as arbitraries from "../support/addresses.ts"

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
      ["LAB_2.example.:8090", undefined, Endpoint.tls("LAB_2.example.", 8090)],
      ["b\u00fccher.example:8090", undefined, Endpoint.tls("b\u00fccher.example", 8090)],
      // A zone names an interface, and is not part of the address.
      ["[fe80::1%eth0]:8090", undefined, Endpoint.tls("fe80::1%eth0", 8090)],
      ["fe80::1%br_lan:8090", undefined, Endpoint.tls("fe80::1%br_lan", 8090)],
      // gRPC's names.
      ["dns:lab:8090", undefined, Endpoint.tls("lab", 8090)],
      ["dns:///lab:8090", { security: "insecure" }, Endpoint.tcp("lab", 8090)],
      ["ipv4:10.0.0.1:8090", undefined, Endpoint.tls("10.0.0.1", 8090)],
      ["ipv6:[::1]:8090", undefined, Endpoint.tls("::1", 8090)],
      ["ipv6:%5B::1%5d:8090", undefined, Endpoint.tls("::1", 8090)],
      ["ipv6:[fe80::1%25eth0]:8090", undefined, Endpoint.tls("fe80::1%eth0", 8090)],
      ["unix-abstract:jumpstarter", undefined, Endpoint.unix("\0jumpstarter")],
      // Schemes of this library, which say whether TLS is used.
      ["tcp://lab:8090", undefined, Endpoint.tcp("lab", 8090)],
      ["tcp:lab:8090", { security: "insecure" }, Endpoint.tcp("lab", 8090)],
      ["tls://lab:8090/", { security: authority }, Endpoint.tls("lab", 8090, authority)],
      ["TLS://[::1]:8090", { security: "insecure" }, Endpoint.tls("::1", 8090)],
      // A host may have the name of a scheme.
      ["tcp:8090", undefined, Endpoint.tls("tcp", 8090)],
      ["tls:dns:8090", undefined, Endpoint.tls("dns", 8090)],
      // A host has no slash. The reference implementation also treats a path that ends like a port as the path of a socket.
      ["/tmp/sock:123", undefined, Endpoint.unix("/tmp/sock:123")],
      ["run/lab:8090", undefined, Endpoint.unix("run/lab:8090")],
      ["a:b.sock", undefined, Endpoint.unix("a:b.sock")],
      ["unix:/tmp/sock:123", undefined, Endpoint.unix("/tmp/sock:123")],
      ["unix:bench", undefined, Endpoint.unix("bench")],
      // A local socket ignores security.
      ["/x.sock", { security: authority }, Endpoint.unix("/x.sock")]
    ]
    it.each(table)("%s with %o", (address, options, expected) => {
      assert.deepStrictEqual(Endpoint.parse(address, options), Either.right(expected))
    })

    it.each([
      ["", "the address is empty"],
      ["  ", "the address is empty"],
      ["unix:", "the path of the socket is missing"],
      ["unix-abstract:", "the name of the socket is missing"],
      ["unix://run/x.sock", "the path after unix:// must start with a slash; write unix:///run/x.sock"],
      ["unix:\0x", "write an abstract socket as unix-abstract:NAME"],
      [" lab:8090", "the address has white space around it; write lab:8090"],
      ["lab:8090\n", "the address has white space around it; write lab:8090"],
      ["/x.sock\n", "the address has white space around it; write /x.sock"],
      ["lab\n:8090", "the address contains a control character"],
      ["~/x.sock", "only shells expand ~; write the full path"],
      [":8090", "the host is missing"],
      ["[]:8090", "the host is missing"],
      [
        "bench-3.lab",
        "the port is missing; write bench-3.lab:8090, or unix:bench-3.lab for a socket of that name"
      ],
      ["::1", "the port is missing; write [::1]:8090"],
      ["[::1]", "the port is missing; write [::1]:8090"],
      ["dns:///lab", "the port is missing; write lab:8090"],
      ["lab:", "the port is missing after the colon"],
      ["lab:0", "0 is not a port; a port is a whole number from 1 to 65535"],
      ["lab:99999", "99999 is not a port; a port is a whole number from 1 to 65535"],
      ["lab:-1", "\"-1\" is not a port; a port is a whole number from 1 to 65535"],
      ["lab:1e3", "\"1e3\" is not a port; a port is a whole number from 1 to 65535"],
      ["lab:\u0668", "\"\u0668\" is not a port; a port is a whole number from 1 to 65535"],
      ["tcp:lab:8090/x", "nothing can follow the port"],
      ["lab:8090/x", "nothing can follow the port of lab:8090; write a path as unix:lab:8090/x"],
      ["my lab:8090", "\"my lab\" is neither a host name nor an IP address"],
      ["300.1.1.1:8090", "\"300.1.1.1\" is neither a host name nor an IP address"],
      ["me@lab:8090", "\"me@lab\" is neither a host name nor an IP address"],
      ["[lab]:8090", "\"lab\" in brackets is not an IPv6 address"],
      ["fe80::1%:8090", "\"fe80::1%\" is not an IPv6 address"],
      ["lab:8090:1", "\"lab:8090\" is not an IPv6 address"],
      ["ipv4:lab:8090", "lab is not an IPv4 address"],
      ["ipv6:10.0.0.1:8090", "10.0.0.1 is not an IPv6 address"],
      ["ipv4:10.0.0.1:1,10.0.0.2:1", "the address lists several hosts; name one"],
      ["dns://8.8.8.8/lab:1", "a DNS server cannot be chosen here; write dns:HOST:PORT"],
      [
        "http://lab:8090",
        "the address of an exporter does not start with http://; for cleartext write tcp://HOST:PORT"
      ],
      ["https://lab", "the address of an exporter does not start with https://; for TLS write tls://HOST:PORT"],
      [
        "ssh://lab:22",
        "the address of an exporter does not start with ssh://; use HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT or unix:PATH"
      ]
    ])("refuses %o", (address, reason) => {
      const error = Either.getOrThrow(Either.flip(Endpoint.parse(address)))
      assert.strictEqual(error.message, `invalid exporter address ${JSON.stringify(address)}: ${reason}`)
    })

    it("does not fall back to cleartext when trust is given", () => {
      const error = Either.getOrThrow(Either.flip(Endpoint.parse("tcp://lab:8090", { security: authority })))
      assert.match(error.reason, /for TLS write tls:\/\/HOST:PORT$/)
    })

    it.prop("parses or refuses any text", { text: fc.string() }, ({ text }) => {
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

    it.prop("is parsed back to the same endpoint", { endpoint: arbitraries.endpoint }, ({ endpoint }) => {
      const security = endpoint._tag === "Tls" ? endpoint.trust : undefined
      assert.deepStrictEqual(Endpoint.parse(Endpoint.format(endpoint), { security }), Either.right(endpoint))
    }, { fastCheck: { numRuns: 1_000 } })
  })

  describe("config", () => {
    const read = (variables: Readonly<Record<string, string>>, config: Config.Config<Endpoint.Endpoint>) =>
      ConfigProvider.fromMap(new Map(Object.entries(variables))).load(config)

    it.effect("parses a variable like parse does", () =>
      Effect.gen(function*() {
        const variables = { BENCH: "lab:8090", "nested.BENCH": "/run/x.sock" }
        assert.deepStrictEqual(yield* read(variables, Endpoint.config("BENCH")), Endpoint.tls("lab", 8090))
        assert.deepStrictEqual(
          yield* read(variables, Endpoint.config("BENCH", { security: "insecure" })),
          Endpoint.tcp("lab", 8090)
        )
        assert.deepStrictEqual(
          yield* read(variables, Config.nested(Endpoint.config("BENCH"), "nested")),
          Endpoint.unix("/run/x.sock")
        )
        const other = Endpoint.unix("/other.sock")
        assert.deepStrictEqual(yield* read({}, Config.withDefault(Endpoint.config("BENCH"), other)), other)
      }))

    it.effect("refuses an invalid address, and names its variable", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(
          read({ BENCH: "lab" }, Config.withDefault(Endpoint.config("BENCH"), Endpoint.unix("/x")))
        )
        assert.strictEqual(
          String(error),
          "(Invalid data at BENCH: \"invalid exporter address \"lab\": the port is missing; write lab:8090, or " +
            "unix:lab for a socket of that name\")"
        )
      }))
  })

  describe("schemaFromString", () => {
    const decode = Schema.decodeEither(Endpoint.schemaFromString)
    const encode = Schema.encodeEither(Endpoint.schemaFromString)

    it.prop("decodes what it encodes, and refuses to encode anything else", { endpoint: arbitraries.endpoint }, ({
      endpoint
    }) => {
      const encoded = encode(endpoint)
      if (endpoint._tag === "Tls" && endpoint.trust._tag !== "SystemRoots") return assert.isTrue(Either.isLeft(encoded))
      assert.deepStrictEqual(encoded, Either.right(Endpoint.format(endpoint)))
      assert.deepStrictEqual(Either.flatMap(encoded, decode), Either.right(endpoint))
    })

    it("says what is wrong", () => {
      const wrong = (result: Either.Either<unknown, Error>) => Either.getOrThrow(Either.flip(result)).message
      assert.include(wrong(decode("http://lab:1")), "for cleartext write tcp://HOST:PORT")
      const certificate = { chain: "pem", privateKey: Redacted.make("secret") }
      const refusal = wrong(encode(Endpoint.tls("lab", 1, Endpoint.Trust.SystemRoots(), { certificate })))
      assert.include(
        refusal,
        "tls:lab:1 cannot be written as an address: an address carries neither trust nor a client certificate"
      )
      assert.notInclude(refusal, "secret")
    })

    it("tells endpoints from other values", () => {
      const is = Schema.is(Endpoint.schemaFromSelf)
      const privateKey = Redacted.make("secret")
      assert.isTrue(is(Endpoint.tls("lab", 1, authority, { certificate: { chain: "pem", privateKey } })))
      for (const other of ["lab:1", { _tag: "Tcp", host: "lab" }, { _tag: "Tls", host: "lab", port: 1, trust: {} }]) {
        assert.isFalse(is(other))
      }
    })
  })

  it("trusts the system's roots by default", () => {
    assert.deepStrictEqual(Endpoint.tls("lab", 1), Endpoint.tls("lab", 1, Endpoint.Trust.SystemRoots()))
  })
})
