// The token of a running client. It is refreshed before it expires, once for all requests that wait for it, and kept in its store.
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as interruptible from "../util/interruptible.ts"
import * as monotonicClock from "../util/monotonicClock.ts"
import * as oidc from "./oidc.ts"
import type { Tokens, TokenStore } from "./tokens.ts"
import * as tokens from "./tokens.ts"

export interface TokenSource {
  /** The token to send. A token that is about to expire is refreshed first. */
  readonly current: Effect.Effect<Redacted.Redacted>
  /** Replaces a token that the controller rejected as expired, unless another request has replaced it. */
  readonly renew: (expired: Redacted.Redacted) => Effect.Effect<void, oidc.NoToken>
  /** Uses and stores a token that the controller has issued. */
  readonly adopt: (token: Redacted.Redacted) => Effect.Effect<void>
}

// protocol.md 11.5.
const renewBefore = 120_000

// Between refreshes, so that requests do not wait for an issuer that is down, or for a new token each when tokens live shorter than
// `renewBefore`.
const pause = 30_000

export const make = Effect.fnUntraced(function*(
  loaded: Tokens,
  store: TokenStore,
  http: HttpClient.HttpClient
) {
  let own = loaded
  let running: Deferred.Deferred<void, oidc.NoToken> | undefined
  let refused: { readonly until: number; readonly why: oidc.NoToken } | undefined
  let taken = -Infinity
  // A store that cannot be written keeps returning tokens of the past.
  const past = new Set([Redacted.value(loaded.token)])

  const take = (next: Tokens) =>
    Effect.map(monotonicClock.currentMillis, (now) => {
      own = next
      taken = now
      refused = undefined
      past.add(Redacted.value(next.token))
    })

  const refreshed = (refreshToken: Redacted.Redacted): Effect.Effect<Tokens, oidc.NoToken> =>
    Effect.flatMap(monotonicClock.currentMillis, (now) =>
      refused !== undefined && now < refused.until
        ? Effect.fail(refused.why)
        : Effect.tapError(oidc.refresh(http, tokens.claims(own.token).issuer, refreshToken), (why) =>
          Effect.map(monotonicClock.currentMillis, (now) => {
            refused = { until: now + pause, why }
          })))

  const renewed: Effect.Effect<void, oidc.NoToken> = Effect.suspend(() =>
    store.exchange((stored): Effect.Effect<Tokens, oidc.NoToken> => {
      // Another process has refreshed the tokens, or somebody has logged in.
      if (!past.has(Redacted.value(stored.token))) return Effect.succeed(stored)
      const refreshToken = tokens.isSame(stored.token, own.token)
        ? stored.refreshToken ?? own.refreshToken
        : own.refreshToken
      return refreshToken === undefined
        ? new oidc.NoToken({ details: "there is no refresh token" })
        : refreshed(refreshToken)
    })
  ).pipe(
    Effect.flatMap(take),
    // A refresh token that was used and not stored would be lost. Each wait in here has a time limit.
    Effect.uninterruptible
  )

  const renew = (expired: Redacted.Redacted): Effect.Effect<void, oidc.NoToken> =>
    Effect.uninterruptibleMask((restore) =>
      // Nothing can come between the look at `running` and the fork.
      Effect.suspend(() => {
        if (!tokens.isSame(own.token, expired)) return Effect.void
        if (running !== undefined) return restore(Deferred.await(running))
        const outcome = Deferred.unsafeMake<void, oidc.NoToken>(FiberId.none)
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
          Effect.zipRight(restore(Deferred.await(outcome)))
        )
      })
    )

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => running === undefined ? Effect.void : Effect.ignore(Deferred.await(running)))
  )

  const isEnding = Effect.gen(function*() {
    const { expires } = tokens.claims(own.token)
    if (own.refreshToken === undefined || expires === undefined) return false
    // eslint-disable-next-line no-restricted-syntax -- tokens have times of day
    const time = yield* Clock.currentTimeMillis
    const now = yield* monotonicClock.currentMillis
    return expires - time < renewBefore && now >= taken + pause && now >= (refused?.until ?? now)
  })

  const source: TokenSource = {
    current: Effect.gen(function*() {
      if (yield* isEnding) {
        yield* Effect.catchAll(
          renew(own.token),
          ({ details }) => Effect.logWarning(`the token is about to expire, and could not be renewed: ${details}`)
        )
      }
      return own.token
    }),
    renew,
    adopt: (token) =>
      Effect.zipRight(
        store.exchange((stored) =>
          Effect.succeed(
            // Tokens that somebody else has stored meanwhile stay.
            past.has(Redacted.value(stored.token)) ? { token, refreshToken: stored.refreshToken } : stored
          )
        ),
        Effect.suspend(() => take({ ...own, token }))
      )
  }
  return source
}) satisfies (...args: never) => Effect.Effect<TokenSource, never, Scope.Scope>
