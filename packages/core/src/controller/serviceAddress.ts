// The address of a controller or a router, and the certificates to trust there (protocol.md 10.2). The controller names the routers, so
// their addresses obey the same rule: a token travels over TLS, unless the configuration is insecure.
import * as Either from "effect/Either"
import * as Endpoint from "../grpc/Endpoint.ts"

export interface ServiceTls {
  /** Certificates, as PEM or as base64 of PEM. Empty for the system's roots. */
  readonly ca: string
  /** Whether to trust a server on first use, and to allow `tcp://`. */
  readonly insecure: boolean
}

// Without a port gRPC uses 443.
const withPort = (address: string): string =>
  /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/i.test(address) && !/\.sock(et)?$/.test(address) ? `${address}:443` : address

const trustOf = ({ ca, insecure }: ServiceTls): Endpoint.Trust =>
  // As in Python, `insecure` wins over `ca`.
  insecure
    ? Endpoint.Trust.TrustOnFirstUse()
    : ca === ""
    ? Endpoint.Trust.SystemRoots()
    : Endpoint.Trust.CertificateAuthority({ ca })

export const parse = (address: string, tls: ServiceTls): Either.Either<Endpoint.Tcp | Endpoint.Tls, string> => {
  const cleartext = /^tcp:/i.test(address)
  return Endpoint.parse(withPort(address), cleartext ? {} : { security: trustOf(tls) }).pipe(
    Either.mapLeft(({ reason }) => reason),
    Either.flatMap((endpoint): Either.Either<Endpoint.Tcp | Endpoint.Tls, string> =>
      endpoint._tag === "Unix"
        ? Either.left("a controller or router cannot be at a Unix socket; write HOST:PORT")
        : endpoint._tag === "Tcp" && !tls.insecure
        ? Either.left(
          "tcp:// would send the token in cleartext, which only tls.insecure allows; write HOST:PORT for TLS"
        )
        : Either.right(endpoint)
    )
  )
}
