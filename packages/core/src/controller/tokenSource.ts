// The token of a client that goes on: renewed before it ends, once however many ask, and put into its store.
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as interruptible from "../util/interruptible.ts"
import * as monotonicClock from "../util/monotonicClock.ts"
import * as oidc from "./oidc.ts"
import type { Tokens, TokenStore } from "./tokens.ts"
import * as tokens from "./tokens.ts"

export interface TokenSource {
  /** The token to send. One that is about to expire is renewed first. */
  readonly current: Effect.Effect<Redacted.Redacted>
  /** Has another token than the one that the controller takes for expired. */
  readonly renew: (expired: Redacted.Redacted) => Effect.Effect<void, oidc.NoToken>
  /** Takes a token that the controller gave. */
  readonly adopt: (token: Redacted.Redacted) => Effect.Effect<void>
}

// protocol.md 11.5.
const renewBefore = 120_000

// An issuer that is down is not asked before each request.
const pauseAfterFailure = 30_000

export const make = Effect.fnUntraced(function*(
  loaded: Tokens,
  store: TokenStore,
  http: HttpClient.HttpClient
) {
  let own = loaded
  let running: Deferred.Deferred<void, oidc.NoToken> | undefined
  let notBefore = -Infinity
  // Where nothing can be stored the old tokens stay there.
  const past = new Set([Redacted.value(loaded.token)])

  const take = (next: Tokens) =>
    Effect.sync(() => {
      own = next
      past.add(Redacted.value(next.token))
    })

  const renewed: Effect.Effect<void, oidc.NoToken> = Effect.suspend(() =>
    store.exchange((stored): Effect.Effect<Tokens, oidc.NoToken> => {
      // Another process has renewed it, or somebody has logged in.
      if (!past.has(Redacted.value(stored.token))) return Effect.succeed(stored)
      const refreshToken = tokens.isSame(stored.token, own.token)
        ? stored.refreshToken ?? own.refreshToken
        : own.refreshToken
      return refreshToken === undefined
        ? new oidc.NoToken({ details: "there is no refresh token" })
        : oidc.refresh(http, tokens.claims(own.token).issuer, refreshToken)
    })
  ).pipe(
    Effect.flatMap(take),
    // A refresh token that was used and not stored would be lost. All that it waits for has a limit.
    Effect.uninterruptible
  )

  const renew = (expired: Redacted.Redacted): Effect.Effect<void, oidc.NoToken> =>
    Effect.suspend(() => {
      if (!tokens.isSame(own.token, expired)) return Effect.void
      if (running !== undefined) return Deferred.await(running)
      return Effect.flatMap(Deferred.make<void, oidc.NoToken>(), (outcome) => {
        running = outcome
        return renewed.pipe(
          Effect.onExit((exit) =>
            Effect.zipRight(
              Effect.sync(() => {
                running = undefined
              }),
              Deferred.done(outcome, exit)
            )
          ),
          interruptible.forkDaemon,
          Effect.zipRight(Deferred.await(outcome))
        )
      })
    })

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => running === undefined ? Effect.void : Effect.ignore(Deferred.await(running)))
  )

  const isEnding = Effect.gen(function*() {
    const { expires } = tokens.claims(own.token)
    if (own.refreshToken === undefined || expires === undefined) return false
    // eslint-disable-next-line no-restricted-syntax -- tokens have times of day
    const now = yield* Clock.currentTimeMillis
    return expires - now < renewBefore && (yield* monotonicClock.currentMillis) >= notBefore
  })

  const source: TokenSource = {
    current: Effect.gen(function*() {
      if (yield* isEnding) {
        yield* Effect.catchAll(renew(own.token), ({ details }) =>
          Effect.gen(function*() {
            notBefore = (yield* monotonicClock.currentMillis) + pauseAfterFailure
            yield* Effect.logWarning(`the token is about to expire, and could not be renewed: ${details}`)
          }))
      }
      return own.token
    }),
    renew,
    adopt: (token) =>
      Effect.zipRight(
        store.exchange((stored) =>
          Effect.succeed(
            // What somebody else has stored meanwhile is theirs.
            past.has(Redacted.value(stored.token)) ? { token, refreshToken: stored.refreshToken } : stored
          )
        ),
        Effect.suspend(() => take({ ...own, token }))
      )
  }
  return source
}) satisfies (...args: never) => Effect.Effect<TokenSource, never, Scope.Scope>
