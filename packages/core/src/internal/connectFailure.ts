// Why there is no connection, with what it is likely to mean. OpenSSL and Node speak to those who know their insides.
const explanations: ReadonlyArray<readonly [RegExp, (message: string) => string]> = [
  [/wrong version number/, () => "no TLS is spoken there; for cleartext it is Endpoint.tcp, or JMP_GRPC_INSECURE=1"],
  [
    /self[- ]signed certificate|unable to (verify|get)/,
    (message) => `${message}; what else to trust is said by Endpoint.Trust`
  ],
  [/^connect ENOENT/, (message) => `${message}: there is no such socket; is the exporter running?`],
  [/^connect ECONNREFUSED/, (message) => `${message}: nobody listens there; is the exporter running?`],
  [/^Protocol error$/, (message) => `what answers there does not speak HTTP/2 (${message})`],
  [
    /^(the connection was closed before|Client network socket disconnected before)/,
    (message) => `${message}; are both sides set up for TLS?`
  ]
]

export const explain = (message: string): string =>
  explanations.find(([pattern]) => pattern.test(message))?.[1](message) ?? message
