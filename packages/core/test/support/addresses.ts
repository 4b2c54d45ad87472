// Valid and invalid addresses.
import { FastCheck as fc } from "effect"
import * as Endpoint from "../../src/grpc/Endpoint.ts"

const label = fc.stringMatching(/^[a-z]([a-z0-9_-]{0,8}[a-z0-9])?$/)

const zone = fc.stringMatching(/^[A-Za-z0-9_.-]{1,8}$/)

const host = fc.oneof(
  fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join(".")),
  fc.ipV4(),
  fc.ipV6(),
  fc.tuple(fc.ipV6(), zone).map(([address, name]) => `${address}%${name}`),
  // Names of schemes are valid host names too.
  fc.constantFrom("tcp", "tls", "dns", "unix", "ipv4", "ipv6", "localhost", "b\u00fccher.example")
)

const port = fc.integer({ min: 1, max: 65_535 })

const trust = fc.oneof(
  fc.constant(Endpoint.Trust.SystemRoots()),
  fc.constant(Endpoint.Trust.TrustOnFirstUse()),
  fc.string().map((ca) => Endpoint.Trust.CertificateAuthority({ ca }))
)

const path = fc.string({ minLength: 1, unit: "binary" }).filter((text) => !text.includes("\0"))

/** Every endpoint that can be dialled. */
export const endpoint: fc.Arbitrary<Endpoint.Endpoint> = fc.oneof(
  fc.tuple(fc.constantFrom("", "/", "//", "///", "./", " ", "\0"), path).map(([start, rest]) =>
    Endpoint.unix(`${start}${rest}`)
  ),
  fc.tuple(host, port).map(([host, port]) => Endpoint.tcp(host, port)),
  fc.tuple(host, port, trust).map(([host, port, trust]) => Endpoint.tls(host, port, trust))
)

/** Texts that resemble an address. */
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(
    fc.oneof(
      host,
      fc.constantFrom(":", "/", "//", "[", "]", "%", "%25", "@", "?", "#", ",", " ", "\n", "\0", "\\", "unix", "tcp"),
      fc.constantFrom("8090", "0", "-1", "70000", "NaN", "1e3", "\u0668", "http", "\ud800", "xn--", "0x7f.1", "1.2.3")
    ),
    { maxLength: 8 }
  ).map((parts) => parts.join(""))
)

/** Hosts of every kind, and ports. */
export const anyHost: fc.Arbitrary<string> = fc.oneof(host, text)

export const anyPort: fc.Arbitrary<number> = fc.oneof(port, fc.integer(), fc.double())
