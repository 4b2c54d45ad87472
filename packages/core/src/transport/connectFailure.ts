// Explains why a connection could not be made, and what the likely cause is. The messages of OpenSSL and Node are for experts, but
// come with codes. grpc-js gives no codes, so niceGrpc/texts finds the code in the text.
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import type { Endpoint } from "../grpc/Endpoint.ts"

export type Reason = Pick<Error, "message"> & { readonly code?: unknown }

interface Explanation {
  readonly code: RegExp
  // Whether the server has to change before an attempt can succeed.
  readonly isLasting?: true
  readonly say: (message: string, endpoint: Endpoint | undefined) => string
}

const closedEarly = "CLOSED_EARLY"

export const otherCertificate = "OTHER_CERTIFICATE"

/** The reason for a connection that the server closed in good order before it sent anything. */
export const closedBeforeHttp2: Reason = {
  message: "the connection was closed before the HTTP/2 handshake",
  code: closedEarly
}

const trustOf = (endpoint: Endpoint | undefined) => endpoint?._tag === "Tls" ? endpoint.trust._tag : undefined

const explanations: ReadonlyArray<Explanation> = [
  {
    code: /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)$/,
    isLasting: true,
    say: () => "the server does not speak TLS; for cleartext use Endpoint.tcp, or JMP_GRPC_INSECURE=1"
  },
  {
    code:
      /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(VERIFY|GET)_\w+|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE)$/,
    isLasting: true,
    say: (message, endpoint) =>
      trustOf(endpoint) === "CertificateAuthority"
        ? `${message}; Trust.CertificateAuthority contains neither the exporter's certificate nor one that issued it`
        : `${message}; to trust certificates other than the system's roots, pass an Endpoint.Trust`
  },
  {
    code: new RegExp(`^${otherCertificate}$`),
    isLasting: true,
    say: (message) => message
  },
  {
    code: /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/,
    isLasting: true,
    say: (message) => `${message}: the exporter's certificate or one that issued it; is this machine's clock right?`
  },
  {
    code: /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    isLasting: true,
    say: (message) =>
      `${message}; connect to a name in the certificate, or give one as serverName of Trust.CertificateAuthority`
  },
  {
    code: /^ERR_SSL_(TLSV1_ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|NO_PROTOCOLS_AVAILABLE)$/,
    isLasting: true,
    say: (message) => `the server speaks neither TLS 1.2 nor 1.3, and older versions are not safe (${message})`
  },
  {
    code: /^ERR_SSL_\S*ALERT_NO_APPLICATION_PROTOCOL$/,
    isLasting: true,
    say: (message) => `the server does not offer HTTP/2 through ALPN, which gRPC needs (${message})`
  },
  {
    code: /^ERR_SSL_\S*ALERT_(\w*CERTIFICATE\w*|UNKNOWN_CA|ACCESS_DENIED|DECRYPT_ERROR)$/,
    isLasting: true,
    say: (message, endpoint) =>
      endpoint?._tag === "Tls" && endpoint.certificate !== undefined
        ? `the server does not accept the client's certificate (${message})`
        : `the server asks for a client certificate (${message}); pass one to Endpoint.tls`
  },
  {
    code: /^ERR_SSL_\S*ALERT_HANDSHAKE_FAILURE$/,
    isLasting: true,
    say: (message) =>
      `the server refuses the TLS handshake (${message}); does it ask for a client certificate, or share no cipher with this client?`
  },
  {
    code: /^ENOENT$/,
    say: (message, endpoint) =>
      endpoint?._tag === "Unix" && endpoint.path !== endpoint.path.trim()
        ? `${message}: there is no such socket; its path starts or ends with white space`
        : `${message}: there is no such socket; is the exporter running?`
  },
  {
    code: /^ECONNREFUSED$/,
    say: (message) => `${message}: nothing listens there; is the server running?`
  },
  {
    code: /^EACCES$/,
    say: (message, endpoint) =>
      endpoint?._tag === "Unix"
        ? `${message}: the socket belongs to another user; the exporter sets its mode, which decides who may connect`
        : `${message}: this machine does not let the program connect; does a firewall block it?`
  },
  {
    code: /^(ENOTFOUND|EAI_\w+)$/,
    say: (message) => `${message}: the host name is not known on this machine`
  },
  {
    code: /^ERR_HTTP2_(ERROR|SESSION_ERROR)$/,
    isLasting: true,
    say: (message, endpoint) =>
      endpoint?._tag === "Tls"
        ? `the server does not speak HTTP/2, or does not offer it through ALPN (${message})`
        : `the server does not speak HTTP/2 (${message})`
  },
  {
    code: new RegExp(`^(ECONNRESET|${closedEarly})$`),
    say: (message, endpoint) => {
      switch (endpoint?._tag) {
        case "Unix":
          return `${message}; does an exporter listen there, or has the lease of its \`jmp shell\` ended?`
        case "Tls":
          return `${message}; does the server speak TLS, and offer HTTP/2 through ALPN?`
        default:
          return `${message}; does the server expect TLS?`
      }
    }
  }
]

// OpenSSL's own form is "error:number:library:function:reason:file". Node turns the reasons into codes, except for a failed write,
// which gets the code EPROTO.
const openSslCode = (message: string): string | undefined => {
  const reason = /\berror:[\dA-F]{8}:[^:]*:[^:]*:([^:]+)/.exec(message)?.[1]
  return reason === undefined ? undefined : `ERR_SSL_${reason.toUpperCase().replaceAll(" ", "_")}`
}

const codeOf = ({ code, message }: Reason): string | undefined =>
  openSslCode(message) ?? (typeof code === "string" ? code : undefined)

const explanationOf = (reason: Reason): Explanation | undefined => {
  const code = codeOf(reason)
  return code === undefined ? undefined : explanations.find((one) => one.code.test(code))
}

export const explain = (reason: Reason, endpoint?: Endpoint): string =>
  explanationOf(reason)?.say(reason.message, endpoint) ??
    (reason.message === "" ? codeOf(reason) ?? "no reason was given" : reason.message)

/** Returns a reason as the cause of a failure. */
export const toError = ({ code, message }: Reason): Error => Object.assign(new Error(message), { code })

/** The failure of a server that does not present the certificate that was trusted on first use. */
export const certificateChanged = (): Error =>
  toError({ message: "the server presents a different certificate than on first use", code: otherCertificate })

/**
 * Whether every attempt to connect fails as the one with this cause did, until somebody changes the server or what is trusted: the
 * certificate does not fit, or the server speaks something else.
 */
export const isLasting = (cause: unknown): boolean => cause instanceof Error && explanationOf(cause)?.isLasting === true

// The cause of an RPC that got no connection in time. No other failure has this cause.
export const timeout = (
  connectTimeout: Duration.DurationInput,
  missing = "no connection"
): Cause.TimeoutException =>
  new Cause.TimeoutException(`${missing} within ${Duration.format(Duration.decode(connectTimeout))} (connectTimeout)`)

// The details of a failure where the TLS handshake succeeded, but HTTP/2 did not follow.
export const withoutAlpn = (message: string): string =>
  `the server does not offer HTTP/2 through ALPN, which gRPC needs (${message})`
