// The tokens of a client: their claims and their store.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/**
 * The credentials of a client: the token that every RPC carries, and the refresh token that gets a new one from the issuer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tokens {
  readonly token: Redacted.Redacted
  readonly refreshToken?: Redacted.Redacted | undefined
}

/**
 * Stores the tokens of a configuration. Most issuers accept a refresh token only once. A program that does not use a configuration file
 * therefore provides a store, or logs in again after each run that refreshed its tokens.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenStore {
  /**
   * Runs `renew` on the stored tokens, and stores and returns its result. Until then, nothing else may renew the stored tokens. When the
   * store cannot keep the new tokens, it logs a warning that does not show them, and returns them.
   */
  readonly exchange: <E>(renew: (stored: Tokens) => Effect.Effect<Tokens, E>) => Effect.Effect<Tokens, E>
}

/** A store in memory. */
export const memoryStore = (loaded: Tokens): TokenStore => {
  const turn = Effect.unsafeMakeSemaphore(1)
  let stored = loaded
  return {
    exchange: <E>(renew: (stored: Tokens) => Effect.Effect<Tokens, E>): Effect.Effect<Tokens, E> =>
      turn.withPermits(1)(
        Effect.tap(Effect.suspend(() => renew(stored)), (renewed) =>
          Effect.sync(() => {
            stored = renewed
          }))
      )
  }
}

export const isSame = (one: Redacted.Redacted | undefined, other: Redacted.Redacted | undefined): boolean =>
  (one === undefined ? undefined : Redacted.value(one)) === (other === undefined ? undefined : Redacted.value(other))

/** Returns why a token cannot be sent, without showing it. */
export const problem = (token: string): string | undefined =>
  token === ""
    ? "is empty"
    : token !== token.trim()
    ? "starts or ends with white space"
    : /^[!-~]+$/.test(token)
    ? undefined
    : "has characters that a token cannot have, such as spaces"

const Claims = Schema.parseJson(
  Schema.Struct({ iss: Schema.optional(Schema.String), exp: Schema.optional(Schema.Number) })
)

/**
 * Returns the issuer of a token and the time when it expires, in milliseconds since 1970. Both are unverified claims. A token that is not
 * a JWT has neither.
 */
export const claims = (
  token: Redacted.Redacted
): { readonly issuer: string | undefined; readonly expires: number | undefined } => {
  const [, payload = ""] = Redacted.value(token).split(".")
  const read = Option.flatMap(
    Either.getRight(Encoding.decodeBase64UrlString(payload.replace(/=+$/, ""))),
    Schema.decodeOption(Claims)
  )
  return Option.match(read, {
    onNone: () => ({ issuer: undefined, expires: undefined }),
    onSome: ({ exp, iss }) => ({ issuer: iss, expires: exp === undefined ? undefined : exp * 1000 })
  })
}
