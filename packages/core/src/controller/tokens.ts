// A client's tokens, what can be read in one, and where new ones go.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/**
 * What a client proves itself with: the token that goes along with every RPC, and the one that gets a new token from the issuer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tokens {
  readonly token: Redacted.Redacted
  readonly refreshToken?: Redacted.Redacted | undefined
}

/**
 * Where the tokens of a configuration are kept. Most issuers take a refresh token once only, so a program that keeps its tokens
 * elsewhere than in a configuration file gives one of its own, or has to log in again after each run that refreshed them.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenStore {
  /**
   * Runs `renew` on the tokens that are stored now, keeps what it answers, and answers with that. Nothing else may renew the stored
   * tokens meanwhile. Tokens that cannot be kept are answered all the same: the store logs a warning, without them.
   */
  readonly exchange: <E>(renew: (stored: Tokens) => Effect.Effect<Tokens, E>) => Effect.Effect<Tokens, E>
}

/** For a program that keeps its tokens nowhere. */
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

/** Why a token cannot be sent. It does not show the token. */
export const problem = (token: string): string | undefined =>
  token === ""
    ? "is empty"
    : token !== token.trim()
    ? "has white space at its ends"
    : /^[!-~]+$/.test(token)
    ? undefined
    : "has characters that no token has, such as spaces"

const Claims = Schema.parseJson(
  Schema.Struct({ iss: Schema.optional(Schema.String), exp: Schema.optional(Schema.Number) })
)

/**
 * The issuer of a token and when it expires, in milliseconds since 1970, as the token says; nobody has verified that. A token that is
 * no JWT says nothing.
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
