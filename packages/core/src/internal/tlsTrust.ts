// What proves a server to be the endpoint's (protocol.md 10.2).
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { X509Certificate } from "node:crypto"
import * as Tls from "node:tls"
import type { Endpoint } from "../Endpoint.ts"
import { GrpcStatusError } from "../GrpcStatus.ts"
import * as connectFailure from "./connectFailure.ts"
import * as hostPort from "./hostPort.ts"
import * as interruptible from "./interruptible.ts"

// Empty where the system's roots are trusted.
export interface TlsTrust {
  readonly secureContext?: Tls.SecureContext
  readonly checkServerIdentity?: typeof Tls.checkServerIdentity
}

const failure = (target: string, code: "INVALID_ARGUMENT" | "UNAVAILABLE", details: string, cause?: unknown) =>
  new GrpcStatusError({
    code,
    details,
    origin: code === "UNAVAILABLE" ? "transport" : "client",
    rpc: "connect",
    target,
    cause
  })

const pemHeader = "-----BEGIN CERTIFICATE-----"

const certificateBlock = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g

const decodePem = (ca: string): string | undefined => {
  if (ca.includes(pemHeader)) return ca
  const decoded = Buffer.from(ca, "base64").toString("utf8")
  return decoded.includes(pemHeader) ? decoded : undefined
}

const secureContext = (target: string, ca: string, options: Tls.SecureContextOptions) =>
  Effect.try({
    try: () => {
      // Node skips what it cannot read, and would then fail every connection without saying why.
      const blocks = ca.match(certificateBlock)
      if (blocks === null) throw new Error("it has no complete certificate")
      for (const block of blocks) new X509Certificate(block)
      return Tls.createSecureContext({ ca, ...options })
    },
    catch: (cause) =>
      failure(
        target,
        "INVALID_ARGUMENT",
        `the certificate authority cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
        cause
      )
  })

const toPem = (der: Buffer): string =>
  `${pemHeader}\n${der.toString("base64").replace(/.{64}/g, "$&\n").trimEnd()}\n-----END CERTIFICATE-----\n`

// The certificates a server presents, the leaf first, from a connection that verifies nothing.
const presentedChain = (host: string, port: number, target: string): Effect.Effect<Array<Buffer>, GrpcStatusError> =>
  Effect.async<Array<Buffer>, GrpcStatusError>((resume) => {
    const socket = Tls.connect({
      host,
      port,
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"],
      // An IP address is no server name.
      ...(hostPort.isAddress(host) ? {} : { servername: host })
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
    socket.once("error", (cause) => {
      socket.destroy()
      resume(
        failure(
          target,
          "UNAVAILABLE",
          `could not look at the server's certificate: ${connectFailure.explain(cause.message)}`,
          cause
        )
      )
    })
    return Effect.sync(() => socket.destroy())
  })

// Trusts exactly what the server presents now. A leaf whose issuer is not presented is trusted as it is.
const trustOnFirstUse = Effect.fnUntraced(function*(
  host: string,
  port: number,
  target: string,
  connectTimeout: Duration.DurationInput
) {
  const chain = yield* interruptible.timeoutFail(presentedChain(host, port, target), {
    duration: connectTimeout,
    onTimeout: () =>
      failure(
        target,
        "UNAVAILABLE",
        `the server presented no certificate within ${
          Duration.format(Duration.decode(connectTimeout))
        } (connectTimeout)`
      )
  })
  const leaf = chain[0]
  if (leaf === undefined) {
    return yield* failure(target, "UNAVAILABLE", "the server presented no certificate")
  }
  const context = yield* secureContext(target, chain.map(toPem).join(""), { allowPartialTrustChain: true })
  return {
    secureContext: context,
    checkServerIdentity: (_, certificate) =>
      certificate.raw.equals(leaf) ? undefined : new Error("the server presents another certificate than at first")
  } satisfies TlsTrust
})

export const make = Effect.fnUntraced(function*(
  endpoint: Endpoint,
  target: string,
  connectTimeout: Duration.DurationInput = "10 seconds"
) {
  if (endpoint._tag !== "Tls") return undefined
  switch (endpoint.trust._tag) {
    case "SystemRoots":
      return {}
    case "TrustOnFirstUse":
      return yield* trustOnFirstUse(endpoint.host, endpoint.port, target, connectTimeout)
    case "CertificateAuthority": {
      const pem = decodePem(endpoint.trust.ca)
      if (pem === undefined) {
        return yield* failure(
          target,
          "INVALID_ARGUMENT",
          "the certificate authority is neither PEM nor base64 of PEM"
        )
      }
      return { secureContext: yield* secureContext(target, pem, {}) }
    }
  }
}) satisfies (...args: never) => Effect.Effect<TlsTrust | undefined, GrpcStatusError>
