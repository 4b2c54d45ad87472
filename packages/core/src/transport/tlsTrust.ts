// How a TLS client authenticates the server (protocol.md 10.2), and itself to a server that requests a certificate.
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { X509Certificate } from "node:crypto"
import { readFile } from "node:fs/promises"
import * as Tls from "node:tls"
import * as Endpoint from "../grpc/Endpoint.ts"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"
import * as hostPort from "../grpc/hostPort.ts"
import * as interruptible from "../util/interruptible.ts"
import * as connectFailure from "./connectFailure.ts"
import * as pem from "./pem.ts"

// The TLS options of a connection. They are empty when the system's roots are trusted.
export interface TlsTrust {
  readonly secureContext?: Tls.SecureContext
  readonly servername?: string
  readonly checkServerIdentity?: typeof Tls.checkServerIdentity
}

const unusable = (target: string, details: string, cause?: unknown) =>
  GrpcStatus.refused({ rpc: "connect", target }, "INVALID_ARGUMENT", details, { cause })

const unreachable = (target: string, details: string, cause?: unknown) =>
  GrpcStatus.lost({ rpc: "connect", target }, details, cause)

const secureContext = (target: string, options: Tls.SecureContextOptions) =>
  Effect.try({
    try: () => Tls.createSecureContext(options),
    catch: (cause) =>
      unusable(
        target,
        `the certificates cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`,
        cause
      )
  })

// The client's certificate, as options for Node.
const identity = Effect.fnUntraced(function*({ certificate }: Endpoint.Tls, target: string) {
  if (certificate === undefined) return {}
  const key = Redacted.value(certificate.privateKey)
  const problem = pem.keyProblem(certificate.chain, key)
  if (problem !== undefined) {
    return yield* unusable(target, `the client's certificate cannot be used: ${problem}`)
  }
  const options = { cert: certificate.chain, key }
  // Fails when the certificate and the key do not belong together.
  yield* secureContext(target, options)
  return options
}) satisfies (...args: never) => Effect.Effect<Tls.SecureContextOptions, GrpcStatus.GrpcStatusError>

// As in gRPC, each given certificate is trusted by itself, whether it is a root, an intermediate, or the server's own certificate.
const trustOnly = (certificates: ReadonlyArray<X509Certificate>): Tls.SecureContextOptions => ({
  ca: certificates.map(String),
  allowPartialTrustChain: true
})

// Returns the certificates that a server presents, leaf first, over a connection that verifies nothing.
const presentedChain = (
  endpoint: Endpoint.Tls,
  target: string,
  options: Tls.SecureContextOptions
): Effect.Effect<Array<Buffer>, GrpcStatus.GrpcStatusError> =>
  Effect.async<Array<Buffer>, GrpcStatus.GrpcStatusError>((resume) => {
    const { host, port } = endpoint
    const socket = Tls.connect({
      host,
      port,
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"],
      ...hostPort.serverName(host),
      ...options
    })
    socket.once("secureConnect", () => {
      const chain: Array<Buffer> = []
      let certificate: Tls.DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
      while (certificate?.raw !== undefined && !chain.some((seen) => seen.equals(certificate?.raw ?? seen))) {
        chain.push(certificate.raw)
        certificate = certificate.issuerCertificate
      }
      socket.destroy()
      resume(Effect.succeed(chain))
    })
    socket.on("error", (cause) => {
      socket.destroy()
      const details = `could not read the server's certificate: ${connectFailure.explain(cause, endpoint)}`
      resume(unreachable(target, details, cause))
    })
    return Effect.sync(() => socket.destroy())
  })

// Trusts exactly the certificates that the server presents now. A leaf without its issuer is trusted by itself.
const trustOnFirstUse = Effect.fnUntraced(function*(
  endpoint: Endpoint.Tls,
  target: string,
  options: Tls.SecureContextOptions,
  connectTimeout: Duration.DurationInput
) {
  const chain = yield* interruptible.timeoutFail(presentedChain(endpoint, target, options), {
    duration: connectTimeout,
    onTimeout: () => {
      const cause = connectFailure.timeout(connectTimeout, "the server presented no certificate")
      return unreachable(target, cause.message, cause)
    }
  })
  const leaf = chain[0]
  if (leaf === undefined) {
    return yield* unreachable(target, "the server presented no certificate")
  }
  const presented = yield* Effect.try({
    try: () => chain.map((der) => new X509Certificate(der)),
    catch: (cause) => unreachable(target, "the server presented a certificate that cannot be read", cause)
  })
  return {
    secureContext: yield* secureContext(target, { ...trustOnly(presented), ...options }),
    checkServerIdentity: (_, certificate) =>
      certificate.raw.equals(leaf)
        ? undefined
        : connectFailure.certificateChanged()
  } satisfies TlsTrust
})

// Options that check the certificate for `serverName` instead of the host.
const named = (serverName: string | undefined): TlsTrust =>
  serverName === undefined ? {} : {
    ...hostPort.serverName(serverName),
    checkServerIdentity: (_, certificate) => Tls.checkServerIdentity(serverName, certificate)
  }

// A variable that gRPC defines. The certificates in its file replace the system's roots.
const rootsFile = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"

const systemRoots = Effect.fnUntraced(function*(target: string) {
  const path = yield* Config.withDefault(Config.string(rootsFile), "")
  if (path === "") return {}
  const unreadable = (why: string, cause?: unknown) =>
    unusable(target, `the roots in ${rootsFile} cannot be read: ${why}`, cause)
  const text = yield* Effect.tryPromise({
    try: () => readFile(path, "utf8"),
    catch: (cause) => unreadable(cause instanceof Error ? cause.message : String(cause), cause)
  })
  return trustOnly(yield* Either.mapLeft(pem.certificates(text), (problem) => unreadable(`${path}: ${problem}`)))
})

export const make = Effect.fnUntraced(function*(
  endpoint: Endpoint.Endpoint,
  target: string,
  connectTimeout: Duration.DurationInput
) {
  if (endpoint._tag !== "Tls") return undefined
  const options = yield* identity(endpoint, target)
  switch (endpoint.trust._tag) {
    case "SystemRoots": {
      const context = { ...(yield* systemRoots(target)), ...options }
      return Object.keys(context).length === 0 ? {} : { secureContext: yield* secureContext(target, context) }
    }
    case "TrustOnFirstUse":
      return yield* trustOnFirstUse(endpoint, target, options, connectTimeout)
    case "CertificateAuthority": {
      const { ca, serverName } = endpoint.trust
      const nameProblem = serverName === undefined ? undefined : hostPort.hostProblem(serverName)
      if (nameProblem !== undefined) {
        return yield* unusable(target, `serverName cannot be used: ${nameProblem}`)
      }
      const certificates = yield* Either.mapLeft(
        pem.certificates(ca),
        (problem) => unusable(target, `the certificate authority cannot be read: ${problem}`)
      )
      return {
        secureContext: yield* secureContext(target, { ...trustOnly(certificates), ...options }),
        ...named(serverName)
      }
    }
  }
}) satisfies (
  ...args: never
) => Effect.Effect<TlsTrust | undefined, GrpcStatus.GrpcStatusError | ConfigError.ConfigError>

const isNamed = (certificate: X509Certificate, name: string): boolean =>
  Tls.checkServerIdentity(name, certificate.toLegacyObject()) === undefined

// Returns a name that a certificate is valid for.
const nameOf = (certificate: X509Certificate): string | undefined => {
  const names = certificate.subjectAltName ?? ""
  const name = /(?:^|, )DNS:([^,"]+)/.exec(names)?.[1] ?? /(?:^|, )IP Address:([^,"]+)/.exec(names)?.[1] ??
    /^CN=(.+)$/m.exec(certificate.subject)?.[1]
  const one = name?.replace(/^\*/, "exporter")
  return one !== undefined && hostPort.hostProblem(one) === undefined && isNamed(certificate, one) ? one : undefined
}

// Returns the trust with which a client on this machine can connect to a server with this certificate.
export const trusting = (chain: string, host: string): Endpoint.Trust => {
  const [leaf] = Either.getOrElse(pem.certificates(chain), () => [])
  // A certificate without a name that can be checked is trusted on first use.
  if (leaf === undefined) return Endpoint.Trust.TrustOnFirstUse()
  if (isNamed(leaf, host)) return Endpoint.Trust.CertificateAuthority({ ca: chain })
  const serverName = nameOf(leaf)
  return serverName === undefined
    ? Endpoint.Trust.TrustOnFirstUse()
    : Endpoint.Trust.CertificateAuthority({ ca: chain, serverName })
}
