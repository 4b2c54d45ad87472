// The reasons of failures that the transport reports.
import { assert, describe, it } from "@effect/vitest"
import * as controllerTexts from "../../src/controller/controllerTexts.ts"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import * as connectFailure from "../../src/transport/connectFailure.ts"

const reasonOf = (cause: Error) =>
  controllerTexts.reasonOf(GrpcStatus.lost({ rpc: "", target: "lab:443" }, cause.message, cause))

const failed = (code: string) => connectFailure.toError({ message: "from Node", code })

describe("the reason of a failed connection is", () => {
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
  ])("Untrusted for %s", (code) => {
    assert.strictEqual(reasonOf(failed(code)), "Untrusted")
  })

  it("Untrusted for a different certificate than on first use", () => {
    assert.strictEqual(reasonOf(connectFailure.certificateChanged()), "Untrusted")
  })

  it.each(["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "ETIMEDOUT"])("Unavailable for %s", (code) => {
    assert.strictEqual(reasonOf(failed(code)), "Unavailable")
  })
})
