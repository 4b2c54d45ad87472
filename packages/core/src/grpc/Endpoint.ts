/**
 * Where an exporter listens, and how a client authenticates it.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as hostPort from "./hostPort.ts"

/**
 * How the server of a TLS endpoint is authenticated (`protocol.md` 10.2).
 *
 * - `SystemRoots`: trusts the certificates that the runtime trusts
 * - `CertificateAuthority`: trusts only these certificates, given as PEM or as base64 of PEM. As in gRPC, each can be a root, an
 *   intermediate, or the exporter's own certificate. Set `serverName` to the name in the exporter's certificate when it differs
 *   from the host of the endpoint, for instance behind a forwarded port
 * - `TrustOnFirstUse`: trusts the certificate that the server presents first, and no other as long as the channel is open. The
 *   host name is not checked; the Python client still checks it.
 *
 * @since 0.1.0
 * @category models
 */
export type Trust = Data.TaggedEnum<{
  readonly SystemRoots: {}
  readonly CertificateAuthority: { readonly ca: string; readonly serverName?: string | undefined }
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
 * A client certificate, for servers that request one: the certificate chain and the private key, both as PEM.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientCertificate {
  readonly chain: string
  readonly privateKey: Redacted.Redacted
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
  readonly certificate?: ClientCertificate | undefined
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
 * HTTP/2 over TLS. `trust` defaults to the system's roots. Jumpstarter's own exporters request no client `certificate`, but a
 * proxy in front of them may.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tls = (
  host: string,
  port: number,
  trust: Trust = Trust.SystemRoots(),
  options?: { readonly certificate?: ClientCertificate | undefined }
): Tls =>
  constructors.Tls({
    host,
    port,
    trust,
    ...(options?.certificate === undefined ? {} : { certificate: options.certificate })
  })

/**
 * The text is not a valid address. `reason` says why.
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

const refuse = (address: string, reason: string): Either.Either<never, InvalidAddress> =>
  Either.left(new InvalidAddress({ address, reason }))

// gRPC names are URIs, so brackets and the percent sign of a zone may be escaped.
const unescape = (text: string): string =>
  text.replace(/%(5b|5d|25)/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))

// The `host:port` that follows a scheme, one of gRPC's or one of ours.
const withoutScheme = (scheme: string, rest: string): Either.Either<string, string> => {
  if (scheme === "tcp" || scheme === "tls") {
    const text = rest.replace(/^\/\//, "").replace(/\/$/, "")
    return text.includes("/") ? Either.left("nothing can follow the port") : Either.right(text)
  }
  if (rest.startsWith("//") && !rest.startsWith("///")) {
    return Either.left(`a DNS server cannot be chosen here; write ${scheme}:HOST:PORT`)
  }
  const text = unescape(rest.replace(/^\/\/\//, ""))
  return text.includes(",") ? Either.left("the address lists several hosts; name one") : Either.right(text)
}

const schemes = /^(tcp|tls|dns|ipv4|ipv6):(?!\d+$)(.*)$/is

const isSocketName = (text: string): boolean => /(^|\.)(sock|socket)$/.test(text)

// A host contains neither a slash nor a backslash.
const isPath = (text: string): boolean => /[\\/]/.test(text)

const unknownScheme = (scheme: string): string => {
  const right = scheme === "http" || scheme === "grpc"
    ? "for cleartext write tcp://HOST:PORT"
    : scheme === "https" || scheme === "grpcs"
    ? "for TLS write tls://HOST:PORT"
    : "use HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT or unix:PATH"
  return `the address of an exporter does not start with ${scheme}://; ${right}`
}

/**
 * Parses an address in the form that Jumpstarter writes to `JUMPSTARTER_HOST` (`protocol.md` 10.1), or that `format` returns:
 *
 * - `bench-3.lab:8090`, `10.0.0.7:8090`, `[fe80::1%eth0]:8090`: TLS, or cleartext TCP when `security` is `insecure`
 * - `tls://bench-3.lab:8090`, `tcp://bench-3.lab:8090`: always TLS, and always cleartext TCP, even when `security` is `insecure`
 * - `dns:bench-3.lab:8090`, `dns:///bench-3.lab:8090`, `ipv4:10.0.0.7:8090`, `ipv6:[::1]:8090`: gRPC's names for the
 *   first form
 * - `/run/x.sock`, `./x.sock`, `x.sock`: a Unix socket. The path contains a slash, or ends in `.sock` or `.socket`
 * - `unix:PATH`, `unix:///run/x.sock`: a Unix socket at any path
 * - `unix-abstract:NAME`: an abstract Unix socket, on Linux
 *
 * Any other text fails with `InvalidAddress`, which says what is wrong. An address cannot say what a TLS endpoint trusts;
 * `security` does. A `tcp://` address fails when `security` is a `Trust`.
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
  if (address.trim() === "") return refuse(address, "the address is empty")
  const abstract = /^unix-abstract:(.*)$/s.exec(address)?.[1]
  if (abstract !== undefined) {
    return abstract === "" ? refuse(address, "the name of the socket is missing") : Either.right(unix(`\0${abstract}`))
  }
  const socket = /^unix:(.*)$/s.exec(address)?.[1]
  if (socket !== undefined) {
    const path = socket.replace(/^\/\/(?=\/)/, "")
    return path === ""
      ? refuse(address, "the path of the socket is missing")
      : path.startsWith("//") && !socket.startsWith("////")
      ? refuse(address, `the path after unix:// must start with a slash; write unix:/${path}`)
      : path.startsWith("\0")
      ? refuse(address, "write an abstract socket as unix-abstract:NAME")
      : Either.right(unix(path))
  }
  if (address !== address.trim()) {
    return refuse(address, `the address has white space around it; write ${address.trim()}`)
  }
  if (/\p{Cc}/u.test(address)) return refuse(address, "the address contains a control character")
  const named = schemes.exec(address)
  const scheme = named?.[1]?.toLowerCase()
  if (scheme === undefined) {
    const unknown = /^([a-z][a-z0-9+.-]*):\/\//i.exec(address)?.[1]
    if (unknown !== undefined) return refuse(address, unknownScheme(unknown.toLowerCase()))
    if (address.startsWith("~")) return refuse(address, "only shells expand ~; write the full path")
    if (isPath(address)) {
      const before = address.split("/", 1)[0] ?? ""
      return before.length < address.length && Either.isRight(hostPort.parse(before))
        ? refuse(address, `nothing can follow the port of ${before}; write a path as unix:${address}`)
        : Either.right(unix(address))
    }
    if (isSocketName(address)) return Either.right(unix(address))
  }
  return withoutScheme(scheme ?? "tcp", named?.[2] ?? address).pipe(
    Either.flatMap(hostPort.parse),
    Either.filterOrLeft(
      ({ host }) =>
        scheme === "ipv4" ? hostPort.isAddress(host) && !host.includes(":") : scheme !== "ipv6" || host.includes(":"),
      ({ host }) => `${host} is not an ${scheme === "ipv4" ? "IPv4" : "IPv6"} address`
    ),
    Either.flatMap(({ host, port }): Either.Either<Endpoint, string> => {
      const security = options?.security
      if (scheme === "tls") {
        return Either.right(tls(host, port, security === "insecure" ? undefined : security))
      }
      if (scheme !== "tcp") {
        return Either.right(security === "insecure" ? tcp(host, port) : tls(host, port, security))
      }
      return security === undefined || security === "insecure"
        ? Either.right(tcp(host, port))
        : Either.left("tcp:// means cleartext, which has nothing to trust; for TLS write tls://HOST:PORT")
    }),
    Either.mapLeft((reason) =>
      new InvalidAddress({
        address,
        reason: scheme === undefined && !address.includes(":")
          ? `${reason}, or unix:${address} for a socket of that name`
          : reason
      })
    )
  )
}

/**
 * Reads an endpoint from Effect's `Config`, by default from an environment variable. Its value is an address, parsed by `parse`.
 * `ExporterConnection.layerConfig` connects to the endpoint.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Endpoint, ExporterConnection } from "@effect-jumpstarter/core"
 * import { Config } from "effect"
 *
 * const Bench = ExporterConnection.layerConfig(
 *   Endpoint.config("BENCH_ADDRESS").pipe(Config.withDefault(Endpoint.unix("/run/jumpstarter.sock")))
 * )
 * ```
 */
export const config = (
  name?: string,
  options?: { readonly security?: Trust | "insecure" | undefined }
): Config.Config<Endpoint> =>
  Config.mapOrFail(
    Config.string(name),
    (address) => Either.mapLeft(parse(address, options), ({ message }) => ConfigError.InvalidData([], message))
  )

/**
 * Formats an endpoint as text that `parse` accepts, such as `unix:/run/x.sock` or `tls:lab:8090`. The trust and the client
 * certificate of a TLS endpoint are left out.
 *
 * @since 0.1.0
 * @category combinators
 */
export const format = (endpoint: Endpoint): string => {
  switch (endpoint._tag) {
    case "Unix":
      return endpoint.path.startsWith("\0")
        ? `unix-abstract:${endpoint.path.slice(1)}`
        : `unix:${endpoint.path.startsWith("//") ? "//" : ""}${endpoint.path}`
    case "Tcp":
      return `tcp:${hostPort.format(endpoint)}`
    case "Tls":
      return `tls:${hostPort.format(endpoint)}`
  }
}

const isEndpoint = Schema.is(Schema.Union(
  Schema.TaggedStruct("Unix", { path: Schema.String }),
  Schema.TaggedStruct("Tcp", { host: Schema.String, port: Schema.Number }),
  Schema.TaggedStruct("Tls", {
    host: Schema.String,
    port: Schema.Number,
    trust: Schema.Union(
      Schema.TaggedStruct("SystemRoots", {}),
      Schema.TaggedStruct("CertificateAuthority", {
        ca: Schema.String,
        serverName: Schema.optional(Schema.String)
      }),
      Schema.TaggedStruct("TrustOnFirstUse", {})
    ),
    certificate: Schema.optional(
      Schema.Struct({ chain: Schema.String, privateKey: Schema.RedactedFromSelf(Schema.String) })
    )
  })
))

/**
 * A schema for `Endpoint` values that are already in memory.
 *
 * @since 0.1.0
 * @category schemas
 */
export const schemaFromSelf: Schema.Schema<Endpoint> = Schema.declare(
  (value): value is Endpoint => isEndpoint(value),
  { identifier: "Endpoint" }
)

/**
 * A schema for endpoints as text, for files and messages. It decodes with `parse` and encodes with `format`. Encoding fails for
 * a TLS endpoint that trusts anything but the system's roots or has a client certificate, because an address cannot carry them.
 *
 * @since 0.1.0
 * @category schemas
 * @example
 * ```ts
 * import { Endpoint } from "@effect-jumpstarter/core"
 * import { Schema } from "effect"
 *
 * const Lab = Schema.parseJson(Schema.Struct({ benches: Schema.Record({ key: Schema.String, value: Endpoint.schemaFromString }) }))
 *
 * const lab = Schema.decode(Lab)(`{ "benches": { "left": "unix:/run/left.sock", "right": "tcp://10.0.0.7:8090" } }`)
 * ```
 */
export const schemaFromString: Schema.Schema<Endpoint, string> = Schema.transformOrFail(
  Schema.String.annotations({ description: "the address of an exporter" }),
  schemaFromSelf,
  {
    strict: true,
    decode: (address, _, ast) =>
      Either.mapLeft(parse(address), ({ message }) => new ParseResult.Type(ast, address, message)),
    encode: (endpoint, _, ast) =>
      endpoint._tag !== "Tls" || (endpoint.trust._tag === "SystemRoots" && endpoint.certificate === undefined)
        ? ParseResult.succeed(format(endpoint))
        : ParseResult.fail(
          new ParseResult.Type(
            ast,
            endpoint,
            `${
              format(endpoint)
            } cannot be written as an address: an address carries neither trust nor a client certificate`
          )
        )
  }
).annotations({ identifier: "EndpointFromString" })
