/**
 * Where an exporter listens, and how to trust it.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"

/**
 * How the server of a TLS endpoint is authenticated (`protocol.md` 10.2).
 *
 * - `SystemRoots`: the certificates the runtime trusts
 * - `CertificateAuthority`: only this authority, as PEM or as base64 of PEM
 * - `TrustOnFirstUse`: whatever the server presents at first, and nothing else for as long as the channel lives. The
 *   host name is not checked, where the Python client still insists on it.
 *
 * @since 0.1.0
 * @category models
 */
export type Trust = Data.TaggedEnum<{
  readonly SystemRoots: {}
  readonly CertificateAuthority: { readonly ca: string }
  readonly TrustOnFirstUse: {}
}>

/**
 * @since 0.1.0
 * @category constructors
 */
export const Trust = Data.taggedEnum<Trust>()

/**
 * @since 0.1.0
 * @category models
 */
export interface Unix {
  readonly _tag: "Unix"
  readonly path: string
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Tcp {
  readonly _tag: "Tcp"
  readonly host: string
  readonly port: number
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Tls {
  readonly _tag: "Tls"
  readonly host: string
  readonly port: number
  readonly trust: Trust
}

/**
 * An exporter's address: a Unix socket, cleartext TCP, or TLS.
 *
 * @since 0.1.0
 * @category models
 */
export type Endpoint = Unix | Tcp | Tls

const constructors = Data.taggedEnum<Endpoint>()

/**
 * A Unix socket.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unix = (path: string): Unix => constructors.Unix({ path })

/**
 * Cleartext HTTP/2 over TCP.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tcp = (host: string, port: number): Tcp => constructors.Tcp({ host, port })

/**
 * HTTP/2 over TLS; trusts the system's roots unless told otherwise.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tls = (host: string, port: number, trust: Trust = Trust.SystemRoots()): Tls =>
  constructors.Tls({ host, port, trust })

/**
 * Text that is no address.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidAddress extends Schema.TaggedError<InvalidAddress>(
  "@effect-jumpstarter/core/Endpoint/InvalidAddress"
)("InvalidAddress", { address: Schema.String, reason: Schema.String }) {
  override get message(): string {
    return `invalid exporter address ${JSON.stringify(this.address)}: ${this.reason}`
  }
}

/**
 * Reads an address as Jumpstarter writes it in `JUMPSTARTER_HOST` (`protocol.md` 10.1): `host:port` is TCP, anything
 * else the path of a Unix socket. A path may carry the prefix `unix:`, which also settles the case of a path that ends
 * in a colon and digits. TCP addresses are TLS unless `security` says `insecure`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Endpoint } from "@effect-jumpstarter/core"
 * import { Either } from "effect"
 *
 * const local = Endpoint.parse("/run/user/1000/jumpstarter-x/socket")
 * const bench = Endpoint.parse("bench-3.lab:8090", { security: "insecure" })
 * Either.map(bench, Endpoint.format) // tcp:bench-3.lab:8090
 * ```
 */
export const parse = (
  address: string,
  options?: { readonly security?: Trust | "insecure" | undefined }
): Either.Either<Endpoint, InvalidAddress> => {
  if (address.trim() === "") {
    return Either.left(new InvalidAddress({ address, reason: "it is empty" }))
  }
  if (address.startsWith("unix:")) {
    const path = address.slice("unix:".length).replace(/^\/\/(?=\/)/, "")
    return path === ""
      ? Either.left(new InvalidAddress({ address, reason: "the path of the socket is missing" }))
      : Either.right(unix(path))
  }
  const colon = address.lastIndexOf(":")
  const digits = address.slice(colon + 1)
  const port = Number(digits)
  if (colon === -1 || !/^\d+$/.test(digits) || port < 1 || port > 65535) {
    return Either.right(unix(address))
  }
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1")
  if (host === "") {
    return Either.left(new InvalidAddress({ address, reason: "the host is missing" }))
  }
  return Either.right(
    options?.security === "insecure" ? tcp(host, port) : tls(host, port, options?.security ?? Trust.SystemRoots())
  )
}

const authority = (host: string, port: number): string => host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

/**
 * Writes an endpoint for people, as in `unix:/run/x.sock` or `tls:lab:8090`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const format = (endpoint: Endpoint): string => {
  switch (endpoint._tag) {
    case "Unix":
      return `unix:${endpoint.path}`
    case "Tcp":
      return `tcp:${authority(endpoint.host, endpoint.port)}`
    case "Tls":
      return `tls:${authority(endpoint.host, endpoint.port)}`
  }
}
