// A client's tokens, what can be read in one, and where new ones go.
import type * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

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
