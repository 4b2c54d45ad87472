// Explains why an HTTP exchange failed, and the likely cause.

interface NodeError {
  readonly code: string | undefined
  readonly text: string
}

// Wrong version number, packet length too long, HTTP request: signs of a peer without TLS.
const notTls: ReadonlySet<number> = new Set([267, 198, 156])

// When OpenSSL fails during a write, its error is one text: number, place, reason, and a line of its source.
const fromOpenSsl = (message: string): NodeError | undefined => {
  const [, number, reason] = /error:([\dA-F]{8}):[^:]*:[^:]*:([^:]+)/.exec(message) ?? []
  if (number === undefined || reason === undefined) return undefined
  return {
    code: notTls.has(Number.parseInt(number, 16) & 0x7f_ff_ff) ? "ERR_SSL_WRONG_VERSION_NUMBER" : "ERR_SSL_OTHER",
    text: reason
  }
}

const nodeError = (cause: Error): NodeError => {
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : undefined
  return fromOpenSsl(cause.message) ?? {
    code,
    text: cause.message === "" ? code ?? "no reason was given" : cause.message
  }
}

const explanations: ReadonlyArray<readonly [code: RegExp, say: (text: string) => string]> = [
  [
    /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)$/,
    (text) => `the server does not speak TLS, which https needs (${text})`
  ],
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(VERIFY|GET)_\w+|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE)$/,
    // Later releases of Node add their own advice.
    (text) =>
      `${
        text.replace(/;.*/s, "")
      }; the exporter trusts its runtime's roots, and those in the file that NODE_EXTRA_CA_CERTS names`
  ],
  [
    /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/,
    (text) => `${text}, the server's or its issuer's: is the exporter's clock right?`
  ],
  [/^ERR_SSL_/, (text) => `the TLS handshake failed (${text})`],
  [/^ECONNREFUSED$/, (text) => `${text}: nobody listens there`],
  [/^(ENOTFOUND|EAI_\w+)$/, (text) => `${text}: the exporter cannot resolve the host name`],
  [/^HPE_/, (text) => `the server did not answer with valid HTTP/1.1 (${text})`],
  [/^Z_/, (text) => `the answer could not be decoded with its Content-Encoding (${text})`],
  [/^(ECONNRESET|EPIPE)$/, (text) => `the server closed the connection (${text})`]
]

/** The innermost cause has the actual reason; the errors around it contain the whole URL. */
export const explain = (cause: unknown): string => {
  if (!(cause instanceof Error)) return typeof cause === "string" && cause !== "" ? cause : "no reason was given"
  // Each address of a host has its own error, and the error around them has no text.
  if (cause instanceof AggregateError) return [...new Set(cause.errors.map((each) => explain(each)))].join(", ")
  if (cause.cause instanceof Error) return explain(cause.cause)
  const { code, text } = nodeError(cause)
  return explanations.find(([pattern]) => code !== undefined && pattern.test(code))?.[1](text) ?? text
}
