// Why there is no connection, with what it is likely to mean. OpenSSL and Node speak to those who know their insides.
import type { Endpoint } from "../Endpoint.ts"

type Reason = Pick<Error, "message"> & { readonly code?: unknown }

interface Explanation {
  // By the code of the error, or by its text where grpc-js leaves nothing else.
  readonly code: RegExp
  readonly text: RegExp
  readonly say: (message: string, endpoint: Endpoint | undefined) => string
}

const trustOf = (endpoint: Endpoint | undefined) => endpoint?._tag === "Tls" ? endpoint.trust._tag : undefined

const explanations: ReadonlyArray<Explanation> = [
  {
    code: /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)$/,
    text: /wrong version number|packet length too long/,
    say: () => "no TLS is spoken there; for cleartext it is Endpoint.tcp, or JMP_GRPC_INSECURE=1"
  },
  {
    code:
      /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(VERIFY|GET)_\w+|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE)$/,
    text: /self[- ]signed certificate|unable to (verify|get)|certificate signature failure/,
    say: (message, endpoint) =>
      trustOf(endpoint) === "CertificateAuthority"
        ? `${message}; none of the certificates in Trust.CertificateAuthority has issued that of the exporter, or is it`
        : `${message}; what else to trust is said by Endpoint.Trust`
  },
  {
    code: /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/,
    text: /certificate (has expired|is not yet valid)/,
    say: (message) => `${message}: that of the exporter, or one that issued it; is the clock of this machine right?`
  },
  {
    code: /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    text: /does not match certificate's altnames|Cert(ificate)? (does not contain|is empty)/,
    say: (message) =>
      `${message}; connect to a name that it has, or name it as serverName in Trust.CertificateAuthority`
  },
  {
    code: /^ERR_SSL_(TLSV1_ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|NO_PROTOCOLS_AVAILABLE)$/,
    text: /alert protocol version|unsupported protocol/,
    say: (message) => `the server there speaks no TLS 1.2 or later, and no older TLS is safe (${message})`
  },
  {
    code: /^ERR_SSL_\S*ALERT_NO_APPLICATION_PROTOCOL$/,
    text: /alert no application protocol/,
    say: (message) => `the server there offers no HTTP/2 by ALPN, which gRPC needs (${message})`
  },
  {
    code: /^ERR_SSL_\S*ALERT_(\w*CERTIFICATE\w*|UNKNOWN_CA|ACCESS_DENIED|DECRYPT_ERROR)$/,
    text: /alert (\w+ )*certificate|alert unknown ca|alert access denied|alert decrypt error/,
    say: (message, endpoint) =>
      endpoint?._tag === "Tls" && endpoint.certificate !== undefined
        ? `the server does not accept the client's certificate (${message})`
        : `the server asks for a certificate of the client (${message}); give one as the certificate of Endpoint.tls`
  },
  {
    code: /^ERR_SSL_\S*ALERT_HANDSHAKE_FAILURE$/,
    text: /alert handshake failure/,
    say: (message) =>
      `the server refuses what is offered (${message}); does it ask for a certificate of the client, or have no cipher in common?`
  },
  {
    code: /^ENOENT$/,
    text: /^connect ENOENT/,
    say: (message, endpoint) =>
      endpoint?._tag === "Unix" && endpoint.path !== endpoint.path.trim()
        ? `${message}: there is no such socket, and its path begins or ends with white space`
        : `${message}: there is no such socket; is the exporter running?`
  },
  {
    code: /^ECONNREFUSED$/,
    text: /^connect ECONNREFUSED/,
    say: (message) => `${message}: nobody listens there; is the exporter running?`
  },
  {
    code: /^EACCES$/,
    text: /^connect EACCES/,
    say: (message) =>
      `${message}: the socket is another user's; an exporter says who may connect with the mode of its socket`
  },
  {
    code: /^(ENOTFOUND|EAI_\w+)$/,
    text: /^getaddrinfo |Name resolution failed/,
    say: (message) => `${message}: the name of the host is not known here`
  },
  {
    code: /^ERR_HTTP2_(ERROR|SESSION_ERROR)$/,
    text: /^Protocol error$/,
    say: (message, endpoint) =>
      endpoint?._tag === "Tls"
        ? `what answers there does not speak HTTP/2, or does not offer it by ALPN (${message})`
        : `what answers there does not speak HTTP/2 (${message})`
  },
  {
    code: /^$/,
    text: /^(the connection was closed before|Client network socket disconnected before|Failed to connect$)/,
    say: (message, endpoint) =>
      endpoint?._tag === "Tls"
        ? `${message}; does what listens there speak TLS, and offer HTTP/2 by ALPN?`
        : `${message}; are both sides set up for TLS?`
  }
]

export const explain = (reason: Reason, endpoint?: Endpoint): string => {
  const code = typeof reason.code === "string" ? reason.code : undefined
  const found = explanations.find((one) => code !== undefined && one.code.test(code)) ??
    explanations.find(({ text }) => text.test(reason.message))
  return found?.say(reason.message, endpoint) ??
    (reason.message === "" ? code ?? "no reason was given" : reason.message)
}

// TLS stood, and what came then was no HTTP/2.
export const withoutAlpn = (message: string): string =>
  `the server there offers no HTTP/2 by ALPN, which gRPC needs (${message})`
