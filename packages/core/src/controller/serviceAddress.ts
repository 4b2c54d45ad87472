// Where a controller or a router is, and what is trusted there (protocol.md 10.2). The address of a router comes from the controller,
// so both go through the same reading: a token travels over TLS, unless the configuration says that anything goes.
import * as Either from "effect/Either"
import * as Endpoint from "../grpc/Endpoint.ts"

export interface ServiceTls {
  /** Certificates, as PEM or as base64 of PEM. Empty where the system's roots are trusted. */
  readonly ca: string
  /** Whether to trust whatever certificate the server presents at first, and to allow `tcp://`. */
  readonly insecure: boolean
}

// gRPC's own port, where none is given.
const withPort = (address: string): string =>
  /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/i.test(address) && !/\.sock(et)?$/.test(address) ? `${address}:443` : address

const trustOf = ({ ca, insecure }: ServiceTls): Endpoint.Trust =>
  // Before the certificates, as in Python.
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
        ? Either.left("a Unix socket is no address of a controller or router; write HOST:PORT")
        : endpoint._tag === "Tcp" && !tls.insecure
        ? Either.left(
          "tcp:// would send the token in cleartext, which only tls.insecure allows; write HOST:PORT for TLS"
        )
        : Either.right(endpoint)
    )
  )
}
