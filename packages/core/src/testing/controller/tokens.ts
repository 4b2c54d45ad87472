// The controller's tokens for clients and exporters, which it verifies in the order of Go's OIDC library, and those for one tunnel
// each, which the router verifies.
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { createHmac, createSign, createVerify, generateKeyPairSync, randomBytes, timingSafeEqual } from "node:crypto"
import * as times from "./times.ts"

/**
 * Claims of a token. Times are in seconds since 1970.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenClaims {
  readonly iss?: string | undefined
  readonly sub?: string | undefined
  readonly aud?: string | ReadonlyArray<string> | undefined
  readonly exp?: number | undefined
  readonly nbf?: number | undefined
  readonly iat?: number | undefined
}

/** How long the token of a client or an exporter is valid, in milliseconds. */
export const tokenLifetime = 365 * 24 * 60 * 60 * 1000

const issuer = "https://localhost:8085"

const audience = "jumpstarter"

// The difference between clocks, in seconds, that `nbf` allows.
const leeway = 5 * 60

const routerIssuer = "https://jumpstarter.dev/stream"

const routerAudience = "https://jumpstarter.dev/router"

// In seconds.
const routerLifetime = 30 * 60

const decodeClaims: (json: string) => Option.Option<TokenClaims> = Schema.decodeOption(Schema.parseJson(Schema.Struct({
  iss: Schema.optional(Schema.String),
  sub: Schema.optional(Schema.String),
  aud: Schema.optional(Schema.Union(Schema.String, Schema.Array(Schema.String))),
  exp: Schema.optional(Schema.Number),
  nbf: Schema.optional(Schema.Number),
  iat: Schema.optional(Schema.Number)
})))

interface Parts {
  readonly claims: TokenClaims
  readonly signed: string
  readonly signature: Buffer
}

// Parses a token without verifying its signature.
const read = (token: string): Option.Option<Parts> => {
  const [header, payload, signature, ...more] = token.split(".")
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0) return Option.none()
  return Option.map(decodeClaims(Buffer.from(payload, "base64url").toString()), (claims) => ({
    claims,
    signed: `${header}.${payload}`,
    signature: Buffer.from(signature, "base64url")
  }))
}

const encode = (json: object): string => Buffer.from(JSON.stringify(json)).toString("base64url")

// Of ES256.
const signatureBytes = 64

const audiences = ({ aud = [] }: TokenClaims): ReadonlyArray<string> => typeof aud === "string" ? [aud] : aud

export class Tokens {
  private readonly keys = generateKeyPairSync("ec", { namedCurve: "P-256" })
  private readonly routerKey = randomBytes(32)
  // Tokens whose signature was verified. Programs send the same token with every call.
  private readonly genuine = new Set<string>()

  /** Issues a token for a client or an exporter. `claims` replace those that the controller would set. */
  issue(now: number, subject: string, claims: TokenClaims = {}): string {
    const seconds = Math.floor(now / 1000)
    const signed = `${encode({ alg: "ES256", typ: "JWT" })}.${
      encode({
        iss: issuer,
        sub: subject,
        aud: [audience],
        exp: Math.floor((now + tokenLifetime) / 1000),
        nbf: seconds,
        iat: seconds,
        jti: crypto.randomUUID(),
        ...claims
      })
    }`
    const signature = createSign("sha256").update(signed).sign({
      key: this.keys.privateKey,
      dsaEncoding: "ieee-p1363"
    })
    return `${signed}.${signature.toString("base64url")}`
  }

  /** Returns the subject of a token, or the text with which the controller refuses it. */
  verify(now: number, token: string, warm: boolean): Either.Either<string, string> {
    const parts = read(token)
    if (Option.isNone(parts) || parts.value.claims.iss !== issuer) return Either.left("failed to authenticate token")
    // The controller does not get this far with a token of another issuer.
    if (!warm) return Either.left("oidc: authenticator not initialized")
    const { claims } = parts.value
    const refuse = (why: string) => Either.left(`oidc: verify token: ${why}`)
    if (!audiences(claims).includes(audience)) {
      return refuse(
        `oidc: expected audience "${audience}" got [${audiences(claims).map((one) => JSON.stringify(one)).join(" ")}]`
      )
    }
    if (claims.exp === undefined || claims.exp * 1000 < now) {
      return refuse(`oidc: token is expired (Token Expiry: ${times.showInstant(claims.exp)})`)
    }
    if (claims.nbf !== undefined && now / 1000 + leeway < claims.nbf) {
      return refuse(
        `oidc: current time ${times.showInstant(Math.floor(now / 1000))} before the nbf (not before) time: ${
          times.showInstant(claims.nbf)
        }`
      )
    }
    if (!this.isGenuine(token, parts.value)) {
      return refuse("failed to verify signature: failed to verify id token signature")
    }
    return Either.right(claims.sub ?? "")
  }

  /** Issues the token that both ends of a new tunnel present to the router. */
  issueForRouter(now: number): string {
    const seconds = Math.floor(now / 1000)
    const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${
      encode({
        iss: routerIssuer,
        sub: crypto.randomUUID(),
        aud: [routerAudience],
        exp: seconds + routerLifetime,
        nbf: seconds,
        iat: seconds,
        jti: crypto.randomUUID()
      })
    }`
    return `${signed}.${this.routerSignature(signed).toString("base64url")}`
  }

  /** Returns the tunnel that a token is for, if the router accepts the token. */
  verifyForRouter(now: number, token: string): Option.Option<string> {
    return Option.flatMap(read(token), ({ claims, signature, signed }) => {
      const expected = this.routerSignature(signed)
      const seconds = now / 1000
      return signature.length === expected.length && timingSafeEqual(signature, expected)
          && claims.iss === routerIssuer && audiences(claims).includes(routerAudience)
          && claims.exp !== undefined && seconds < claims.exp && (claims.nbf ?? 0) <= seconds
        ? Option.some(claims.sub ?? "")
        : Option.none()
    })
  }

  private routerSignature(signed: string): Buffer {
    return createHmac("sha256", this.routerKey).update(signed).digest()
  }

  private isGenuine(token: string, { signature, signed }: Parts): boolean {
    if (this.genuine.has(token)) return true
    // Node throws for a signature of another length.
    const right = signature.length === signatureBytes && createVerify("sha256").update(signed).verify(
      { key: this.keys.publicKey, dsaEncoding: "ieee-p1363" },
      signature
    )
    if (right) this.genuine.add(token)
    return right
  }
}
