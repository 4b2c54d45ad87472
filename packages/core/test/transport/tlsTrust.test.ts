// What TLS refuses, on both clients, and how errors explain it.
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Redacted, type Scope } from "effect"
import * as Http2 from "node:http2"
import * as Tls from "node:tls"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as GrpcServer from "../../src/transport/GrpcServer.ts"
import { chain, type Pair, pair, selfSigned } from "../support/certificates.ts"
import * as probeExporter from "../support/probeExporter.ts"

const { CertificateAuthority, SystemRoots, TrustOnFirstUse } = Endpoint.Trust

const clients: ReadonlyArray<readonly [string, ExporterConnection.EndpointOptions]> = [
  ["node:http2", {}],
  ["nice-grpc", { transport: "nice-grpc" }]
]

const localhost = { host: "127.0.0.1", port: 0 } as const

const portOf = (endpoint: Endpoint.Endpoint): number =>
  endpoint._tag === "Unix" ? assert.fail("a Unix socket") : endpoint.port

const exporter = (certificate: GrpcServer.ServerCertificate) =>
  Effect.gen(function*() {
    const { handlers } = yield* Effect.orDie(probeExporter.make)
    return portOf(yield* Effect.orDie(GrpcServer.serve(handlers, { ...localhost, certificate })))
  })

// A TLS server that is not an exporter of this library, such as a proxy in front of one.
const listening = <Server extends Tls.Server | Http2.Http2SecureServer>(make: () => Server) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<Server>((resume) => {
        const server = make()
        server.on("tlsClientError", () => {})
        server.listen(localhost, () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    ),
    (server) => {
      const address = server.address()
      return typeof address === "object" && address !== null ? address.port : 0
    }
  )

const options = ({ certificate }: Pair): Tls.TlsOptions => ({
  cert: certificate.chain,
  key: Redacted.value(certificate.privateKey)
})

for (const [client, connectOptions] of clients) {
  const connect = (port: number, trust: Endpoint.Trust, certificate?: Endpoint.ClientCertificate) =>
    ExporterConnection.fromEndpoint(Endpoint.tls("127.0.0.1", port, trust, { certificate }), {
      connectTimeout: "5 seconds",
      ...connectOptions
    })

  const refusal = (port: number, trust: Endpoint.Trust, certificate?: Endpoint.ClientCertificate) =>
    Effect.flip(connect(port, trust, certificate))

  describe(`TLS over ${client}`, () => {
    it.scopedLive("trusts a root, an intermediate, or the exporter's own certificate, in PEM or base64 of it", () =>
      Effect.gen(function*() {
        const { intermediate, leaf, root } = yield* chain("127.0.0.1")
        const port = yield* exporter(leaf.certificate)
        for (const ca of [root.pem, intermediate.pem, leaf.pem, `${leaf.pem}\n${root.pem}`]) {
          yield* connect(port, CertificateAuthority({ ca }))
          yield* connect(port, CertificateAuthority({ ca: Buffer.from(ca).toString("base64") }))
        }
        const other = yield* chain("127.0.0.1")
        for (const ca of [other.root.pem, other.intermediate.pem, other.leaf.pem]) {
          const error = yield* refusal(port, CertificateAuthority({ ca }))
          assert.strictEqual(error.reason, "Unreachable")
          assert.match(
            error.details,
            /; Trust\.CertificateAuthority contains neither the exporter's certificate nor one that issued it/
          )
        }
      }))

    it.scopedLive("checks the host name, or the given serverName", () =>
      Effect.gen(function*() {
        const { leaf } = yield* chain("bench-3.lab")
        const port = yield* exporter(leaf.certificate)
        const error = yield* refusal(port, CertificateAuthority({ ca: leaf.pem }))
        assert.match(
          error.details,
          /connect to a name in the certificate, or give one as serverName of Trust\.Certificate/
        )
        yield* connect(port, CertificateAuthority({ ca: leaf.pem, serverName: "bench-3.lab" }))
        const named = yield* refusal(port, CertificateAuthority({ ca: leaf.pem, serverName: "bench-4.lab" }))
        assert.strictEqual(named.reason, "Unreachable")
        const none = yield* refusal(port, CertificateAuthority({ ca: leaf.pem, serverName: "a b" }))
        assert.strictEqual(none.reason, "Address")
      }))

    it.scopedLive("says when a certificate has expired or is not valid yet", () =>
      Effect.gen(function*() {
        const day = 24 * 60 * 60 * 1_000
        const now = yield* Effect.clockWith(({ currentTimeMillis }) => currentTimeMillis)
        for (const from of [now - 10 * day, now + 5 * day]) {
          const own = yield* pair({
            names: ["127.0.0.1"],
            notBefore: new Date(from),
            notAfter: new Date(from + 3 * day)
          })
          const error = yield* refusal(yield* exporter(own.certificate), CertificateAuthority({ ca: own.pem }))
          assert.strictEqual(error.reason, "Unreachable")
          assert.match(
            error.details,
            /certificate (has expired|is not yet valid).*is this machine's clock right\?$/
          )
        }
      }))

    it.scopedLive("presents the client's certificate to a server that asks for it", () =>
      Effect.gen(function*() {
        const server = yield* selfSigned("127.0.0.1")
        const mine = yield* selfSigned("harness")
        const other = yield* selfSigned("harness")
        const trust = CertificateAuthority({ ca: server.ca })
        for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
          const port = yield* listening(() => {
            const proxy = Http2.createSecureServer({
              ...options(server),
              ca: mine.ca,
              requestCert: true,
              rejectUnauthorized: true,
              maxVersion
            })
            proxy.on("stream", (stream) =>
              stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "12" }, {
                endStream: true
              }))
            return proxy
          })
          const without = yield* refusal(port, trust)
          assert.strictEqual(without.reason, "Unreachable")
          assert.match(without.details, /client certificate/, maxVersion)
          // The server accepts this client's certificate, but is not an exporter.
          for (const one of [trust, TrustOnFirstUse()]) {
            assert.strictEqual((yield* refusal(port, one, mine.certificate)).reason, "Refused", maxVersion)
          }
          const wrong = yield* refusal(port, trust, other.certificate)
          assert.strictEqual(wrong.reason, "Unreachable")
          assert.notInclude(wrong.details, "undefined")
        }
      }))

    it.scopedLive("does not connect with an invalid client certificate", () =>
      Effect.gen(function*() {
        const { ca, certificate } = yield* selfSigned("harness")
        const another = yield* selfSigned("harness")
        const table: ReadonlyArray<readonly [string, string, RegExp]> = [
          ["", "key", /the certificate chain cannot be read: it is empty/],
          [ca, "key", /the private key is not PEM/],
          [ca, ca, /the private key is "CERTIFICATE", not a private key/],
          [Redacted.value(certificate.privateKey), "key", /it is a private key, not a certificate/],
          [ca, Redacted.value(another.certificate.privateKey), /the certificates cannot be used: /]
        ]
        for (const [chain, key, details] of table) {
          for (const trust of [SystemRoots(), TrustOnFirstUse(), CertificateAuthority({ ca })]) {
            const error = yield* refusal(1, trust, { chain, privateKey: Redacted.make(key) })
            assert.strictEqual(error.reason, "Address")
            assert.match(error.details, details)
          }
        }
      }))

    it.scopedLive("explains a server that speaks TLS 1.1", () =>
      Effect.gen(function*() {
        const own = yield* selfSigned("127.0.0.1")
        const port = yield* listening(() =>
          Tls.createServer({
            ...options(own),
            minVersion: "TLSv1",
            maxVersion: "TLSv1.1",
            ciphers: "DEFAULT@SECLEVEL=0"
          })
        )
        for (const trust of [SystemRoots(), TrustOnFirstUse(), CertificateAuthority({ ca: own.ca })]) {
          const error = yield* refusal(port, trust)
          assert.strictEqual(error.reason, "Unreachable")
          assert.match(error.details, /speaks neither TLS 1\.2 nor 1\.3/)
        }
      }))

    it.scopedLive("explains a server that offers no HTTP/2", () =>
      Effect.gen(function*() {
        const own = yield* selfSigned("127.0.0.1")
        const trust = CertificateAuthority({ ca: own.ca })
        const ports = [
          yield* listening(() => Tls.createServer(options(own), (socket) => socket.end("HTTP/1.1 400 Bad\r\n\r\n"))),
          yield* listening(() => Tls.createServer(options(own), (socket) => socket.on("error", () => {}).destroy())),
          yield* listening(() => Tls.createServer({ ...options(own), ALPNProtocols: ["http/1.1"] }))
        ]
        for (const port of ports) {
          const error = yield* refusal(port, trust)
          assert.strictEqual(error.reason, "Unreachable")
          assert.match(error.details, client === "node:http2" ? /does not offer HTTP\/2 through ALPN/ : /HTTP\/2/)
        }
      }))

    it.live("says what was given instead of a certificate authority", () =>
      Effect.gen(function*() {
        const { ca, certificate } = yield* selfSigned("127.0.0.1")
        const der = Buffer.from(ca.replace(/-----[^-]+-----|\s/g, ""), "base64")
        const table: ReadonlyArray<readonly [string, RegExp]> = [
          ["", /it is empty$/],
          ["\n", /it is empty$/],
          [Redacted.value(certificate.privateKey), /it is a private key, not a certificate$/],
          [Buffer.from(Redacted.value(certificate.privateKey)).toString("base64"), /it is a private key/],
          ["-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----", /it is a public key/],
          ["-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----", /it is a request for/],
          ["-----BEGIN PKCS7-----\nAA==\n-----END PKCS7-----", /it is "PKCS7", not a certificate$/],
          [ca.slice(0, -20), /it has no complete certificate/],
          [`${ca}\n${ca.replace(/\n[A-Za-z0-9+/]{64}\n/, "\n")}`, /certificate 2 of 2 cannot be read: /],
          [der.toString("base64"), /it is base64 of DER; decode it, and convert it to PEM with `openssl/],
          [der.toString("latin1"), /it is DER; convert it to PEM with `openssl/],
          [der.toString("utf8"), /it is DER; /],
          ["/etc/jumpstarter/ca.pem", /it looks like the path of a file; give the content of the file$/],
          ["\0\ud800", /it is neither PEM nor base64 of PEM$/]
        ]
        for (const [ca, details] of table) {
          const error = yield* Effect.flip(Effect.scoped(connect(1, CertificateAuthority({ ca }))))
          assert.strictEqual(error.reason, "Address")
          assert.match(error.details, details)
          assert.notInclude(error.message, "PRIVATE KEY")
        }
      }))
  })
}

describe("a server", () => {
  const refusalOf = (certificate: GrpcServer.ServerCertificate): Effect.Effect<string, never, Scope.Scope> =>
    Effect.map(Effect.flip(GrpcServer.serve(new Map(), { ...localhost, certificate })), ({ details }) => details).pipe(
      Effect.orDieWith(() => new Error("it was served"))
    )

  it.scopedLive("does not start with an invalid certificate or key", () =>
    Effect.gen(function*() {
      const { ca, certificate } = yield* selfSigned("127.0.0.1")
      const another = (yield* selfSigned("127.0.0.1")).certificate
      assert.match(
        yield* refusalOf({ ...certificate, chain: "" }),
        /^the certificate chain cannot be read: it is empty/
      )
      assert.match(yield* refusalOf({ ...certificate, privateKey: Redacted.make("x") }), /^the private key is not PEM/)
      assert.match(yield* refusalOf({ ...certificate, privateKey: Redacted.make(ca) }), /not a private key$/)
      assert.isNotEmpty(yield* refusalOf({ ...certificate, privateKey: another.privateKey }))
    }))
})

// A certificate or key that was changed somehow.
const damaged = (pem: string) =>
  fc.tuple(fc.nat(pem.length), fc.nat(40), fc.string({ unit: "binary", maxLength: 40 })).map(([at, count, text]) =>
    pem.slice(0, at) + text + pem.slice(at + count)
  )

describe("certificates of any kind", () => {
  it.live("are accepted or refused with a reason, by clients and servers", () =>
    Effect.gen(function*() {
      const { ca, certificate } = yield* selfSigned("127.0.0.1")
      const key = Redacted.value(certificate.privateKey)
      const any = fc.oneof(fc.string({ unit: "binary" }), damaged(ca), damaged(key))
      // The port has no listener, so an accepted certificate ends as unreachable.
      const outcomes = (trust: Endpoint.Trust, own: Endpoint.ClientCertificate | undefined) =>
        Effect.map(
          Effect.exit(Effect.scoped(
            ExporterConnection.fromEndpoint(Endpoint.tls("127.0.0.1", 1, trust, { certificate: own }))
          )),
          (exit) => {
            if (exit._tag === "Success" || exit.cause._tag !== "Fail") return assert.fail(String(exit))
            assert.include(["Address", "Unreachable"], exit.cause.error.reason)
            assert.isNotEmpty(exit.cause.error.details)
            assert.notInclude(exit.cause.error.message, key.slice(40, 80))
          }
        )
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(any, any, any, async (ca, chain, key) => {
            const own = { chain, privateKey: Redacted.make(key) }
            await Effect.runPromise(outcomes(CertificateAuthority({ ca }), undefined))
            await Effect.runPromise(outcomes(TrustOnFirstUse(), own))
            const served = await Effect.runPromiseExit(Effect.scoped(
              GrpcServer.serve(new Map(), { ...localhost, certificate: own })
            ))
            if (served._tag === "Failure") assert.strictEqual(served.cause._tag, "Fail", String(served))
          }),
          { numRuns: 200 }
        )
      )
    }), 30_000)
})
