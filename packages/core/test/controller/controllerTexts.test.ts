// The reasons that only a text of our own transport gives.
import { assert, describe, it } from "@effect/vitest"
import * as controllerTexts from "../../src/controller/controllerTexts.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import * as connectFailure from "../../src/transport/connectFailure.ts"

const roots = Endpoint.tls("lab", 443)
const authority = Endpoint.tls("lab", 443, Endpoint.Trust.CertificateAuthority({ ca: "PEM" }))

const reasonOf = (details: string) => controllerTexts.reasonOf(GrpcStatus.lost({ rpc: "", target: "lab:443" }, details))

describe("the reason of a failed connection is", () => {
  for (const endpoint of [roots, authority]) {
    it.each([
      "DEPTH_ZERO_SELF_SIGNED_CERT",
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      "CERT_HAS_EXPIRED",
      "ERR_TLS_CERT_ALTNAME_INVALID",
      "ERR_SSL_WRONG_VERSION_NUMBER",
      "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
      "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
      "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
      "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE",
      "ERR_HTTP2_ERROR"
    ])(`Untrusted for %s, with ${endpoint.trust._tag}`, (code) => {
      assert.strictEqual(reasonOf(connectFailure.explain({ message: "from Node", code }, endpoint)), "Untrusted")
    })
  }

  it.each(["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "ETIMEDOUT"])("Unavailable for %s", (code) => {
    assert.strictEqual(reasonOf(connectFailure.explain({ message: "from Node", code }, roots)), "Unavailable")
  })

  it("Untrusted without HTTP/2 through ALPN", () => {
    assert.strictEqual(reasonOf(connectFailure.withoutAlpn("from Node")), "Untrusted")
  })
})
