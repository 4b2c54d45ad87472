// Why an HTTP exchange failed, with what it is likely to mean.

interface NodeError {
  readonly code: string | undefined
  readonly text: string
}

// Wrong version number, packet length too long, HTTP request: what is no TLS.
const notTls: ReadonlySet<number> = new Set([267, 198, 156])

// Where OpenSSL fails while something is written, its error is a text: number, place, reason, and a line of its source.
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
    (text) => `the server does not speak the TLS that https needs (${text})`
  ],
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(VERIFY|GET)_\w+|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE)$/,
    // Later releases of Node add an advice of their own.
    (text) =>
      `${
        text.replace(/;.*/s, "")
      }; the exporter trusts its runtime's roots, and those in the file that NODE_EXTRA_CA_CERTS names`
  ],
  [
    /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/,
    (text) => `${text}: the server's, or one that issued it; is the clock of the exporter right?`
  ],
  [/^ERR_SSL_/, (text) => `the TLS handshake failed (${text})`],
  [/^ECONNREFUSED$/, (text) => `${text}: nobody listens there`],
  [/^(ENOTFOUND|EAI_\w+)$/, (text) => `${text}: the exporter does not know the name of the host`],
  [/^HPE_/, (text) => `what the server sent is no HTTP/1.1 (${text})`],
  [/^Z_/, (text) => `the answer does not decode as its Content-Encoding says (${text})`],
  [/^(ECONNRESET|EPIPE)$/, (text) => `the server closed the connection (${text})`]
]

/** The innermost cause says what happened; the errors around it name the URL as a whole. */
export const explain = (cause: unknown): string => {
  if (!(cause instanceof Error)) return typeof cause === "string" && cause !== "" ? cause : "no reason was given"
  // Each address of a host has an error of its own, and the error around them has no text.
  if (cause instanceof AggregateError) return [...new Set(cause.errors.map((each) => explain(each)))].join(", ")
  if (cause.cause instanceof Error) return explain(cause.cause)
  const { code, text } = nodeError(cause)
  return explanations.find(([pattern]) => code !== undefined && pattern.test(code))?.[1](text) ?? text
}
