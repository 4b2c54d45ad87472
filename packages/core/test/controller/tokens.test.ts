// Tokens that expire: when and how often they are refreshed, and what a failed refresh does. And the places that never show a token.
import { NodeFileSystem, NodePath } from "@effect/platform-node"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scheduler from "effect/Scheduler"
import * as TestClock from "effect/TestClock"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { inspect } from "node:util"
import * as ClientConfig from "../../src/controller/ClientConfig.ts"
import * as tokenSource from "../../src/controller/tokenSource.ts"
import * as fake from "../support/fakeController.ts"
import * as httpServer from "../support/httpServer.ts"
import * as spans from "../support/spans.ts"
import * as temporary from "../support/temporary.ts"

const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url")

/** A token of the lab's issuer that expires `exp` seconds after 1970. */
const jwt = (exp: number, id = "", iss = "https://issuer.lab/realm"): string =>
  `${base64({ alg: "none" })}.${base64({ iss, exp, id })}.signature`

interface Asked {
  readonly url: string
  readonly form: Readonly<Record<string, string>>
}

const formOf = ({ body }: HttpClientRequest.HttpClientRequest): Readonly<Record<string, string>> =>
  body._tag === "Uint8Array" ? Object.fromEntries(new URLSearchParams(new TextDecoder().decode(body.body))) : {}

const discovery = { token_endpoint: "https://issuer.lab/realm/token" }

/** An issuer that answers requests for tokens with these statuses and bodies in turn. */
const issuer = (
  answers: ReadonlyArray<readonly [status: number, body: unknown]>,
  options: { readonly discovery?: unknown; readonly before?: Effect.Effect<void> } = {}
) => {
  const asked: Array<Asked> = []
  let next = 0
  const client = HttpClient.make((request, url) =>
    Effect.suspend(() => {
      const isToken = request.method === "POST"
      if (isToken) asked.push({ url: url.toString(), form: formOf(request) })
      const [status, body] = isToken
        ? answers[next++] ?? [500, "no answer is left"]
        : [200, options.discovery ?? discovery]
      const response = HttpClientResponse.fromWeb(
        request,
        new Response(typeof body === "string" ? body : JSON.stringify(body), { status })
      )
      return Effect.as(isToken ? options.before ?? Effect.void : Effect.void, response)
    })
  )
  return { client, asked }
}

const expired = "oidc: verify token: oidc: token is expired (Token Expiry: 2026-11-29 00:07:24 +0000 UTC)"

/** A controller that accepts these tokens, and the tokens that it received. */
const taking = (...accepted: ReadonlyArray<string>) => {
  const seen: Array<string> = []
  const answers: fake.Answers = {
    getLease: (_, { metadata }) => {
      const token = (metadata.entries.get("authorization") ?? "").replace("Bearer ", "")
      seen.push(token)
      return accepted.includes(token) ? Effect.succeed(fake.lease()) : fake.fail("UNKNOWN", expired)
    }
  }
  return { answers, seen }
}

const [old, fresh, third] = [jwt(1_000, "old"), jwt(10_000, "fresh"), jwt(20_000, "third")]

const config = (values: Partial<ClientConfig.ClientConfigValues> = {}) =>
  fake.config({ token: Redacted.make(old), refreshToken: Redacted.make("r1"), ...values })

const grant = (token: string, refresh?: string) => [200, { access_token: token, refresh_token: refresh }] as const

const quietly = Logger.withMinimumLogLevel(LogLevel.None)

describe("a token that expires", () => {
  it.scoped("is refreshed two minutes before it expires", () =>
    Effect.gen(function*() {
      const { asked, client } = issuer([grant(fresh, "r2")])
      const { answers, seen } = taking(old, fresh)
      const controller = yield* fake.client(answers, { config: config(), issuer: client })
      yield* TestClock.setTime(879_000)
      yield* controller.lease("l1")
      yield* TestClock.setTime(881_000)
      yield* controller.lease("l1")
      yield* controller.lease("l1")
      deepStrictEqual(seen, [old, fresh, fresh])
      deepStrictEqual(asked, [{
        url: "https://issuer.lab/realm/token",
        form: { grant_type: "refresh_token", client_id: "jumpstarter-cli", refresh_token: "r1" }
      }])
    }))

  it.scoped("is refreshed when the controller says that it has expired, and the request is repeated once", () =>
    Effect.gen(function*() {
      const { asked, client } = issuer([grant(fresh, "r2"), grant(third)])
      const { answers, seen } = taking(fresh)
      const controller = yield* fake.client(answers, { config: config(), issuer: client })
      yield* controller.lease("l1")
      deepStrictEqual(seen, [old, fresh])
      strictEqual(asked.length, 1)
    }))

  it.scoped("is not refreshed again when the controller rejects the new one too", () =>
    Effect.gen(function*() {
      const { client } = issuer([grant(fresh, "r2"), grant(third)])
      const { answers, seen } = taking()
      const controller = yield* fake.client(answers, { config: config(), issuer: client })
      strictEqual((yield* Effect.flip(controller.lease("l1"))).reason, "TokenExpired")
      deepStrictEqual(seen, [old, fresh])
    }))

  it.scoped("is refreshed with the latest refresh token", () =>
    Effect.gen(function*() {
      const { asked, client } = issuer([grant(fresh, "r2"), grant(third)])
      const { answers } = taking(old, fresh, third)
      const controller = yield* fake.client(answers, { config: config(), issuer: client })
      yield* TestClock.setTime(900_000)
      yield* controller.lease("l1")
      yield* TestClock.setTime(9_900_000)
      yield* controller.lease("l1")
      deepStrictEqual(asked.map(({ form }) => form["refresh_token"]), ["r1", "r2"])
    }))

  it.scoped("is refreshed once for all waiting requests, even when the first of them is interrupted", () =>
    Effect.gen(function*() {
      const asking = yield* Deferred.make<void>()
      const answer = yield* Deferred.make<void>()
      const { asked, client } = issuer([grant(fresh, "r2")], {
        before: Effect.zipRight(Deferred.succeed(asking, undefined), Deferred.await(answer))
      })
      const { answers, seen } = taking(fresh)
      const controller = yield* fake.client(answers, { config: config(), issuer: client })
      yield* TestClock.setTime(900_000)
      const first = yield* Effect.fork(controller.lease("l1"))
      yield* Deferred.await(asking)
      const others = yield* Effect.fork(
        Effect.all(Array.from({ length: 10 }, () => controller.lease("l1")), { concurrency: 10 })
      )
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(others)
      strictEqual(asked.length, 1)
      deepStrictEqual(new Set(seen), new Set([fresh]))
    }))

  it.scoped("is refreshed once for all clients of one configuration", () =>
    Effect.gen(function*() {
      const { asked, client } = issuer([grant(fresh, "r2")])
      const { answers } = taking(fresh)
      const shared = config()
      const one = yield* fake.client(answers, { config: shared, issuer: client })
      const other = yield* fake.client(answers, { config: shared, issuer: client })
      yield* Effect.all([one.lease("l1"), other.lease("l1")], { concurrency: 2 })
      strictEqual(asked.length, 1)
    }))

  it.scoped("is stored before the scope closes when a refresh is running", () =>
    Effect.gen(function*() {
      const asking = yield* Deferred.make<void>()
      const answer = yield* Deferred.make<void>()
      const { client } = issuer([grant(fresh, "r2")], {
        before: Effect.zipRight(Deferred.succeed(asking, undefined), Deferred.await(answer))
      })
      const kept: Array<string> = []
      const stored = { token: Redacted.make(old), refreshToken: Redacted.make("r1") }
      const store: ClientConfig.TokenStore = {
        exchange: (renew) =>
          Effect.tap(renew(stored), ({ token }) => Effect.sync(() => void kept.push(Redacted.value(token))))
      }
      yield* TestClock.setTime(900_000)
      const program = Effect.scoped(
        Effect.flatMap(
          fake.client(taking(fresh).answers, { config: config({ tokenStore: store }), issuer: client }),
          (controller) => controller.lease("l1")
        )
      )
      const fiber = yield* Effect.fork(program)
      yield* Deferred.await(asking)
      const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(interrupting)
      deepStrictEqual(kept, [fresh])
    }))

  it.scoped("is used until it expires when the issuer fails, with one warning and one refresh in 30 seconds", () =>
    Effect.gen(function*() {
      const { asked, client } = issuer([[503, "<html>"], grant(fresh)])
      const { answers, seen } = taking(old, fresh)
      const controller = yield* fake.client(answers, { config: config(), issuer: client })
      yield* TestClock.setTime(900_000)
      const warnings: Array<string> = []
      const lease = controller.lease("l1").pipe(
        Effect.provide(
          Logger.replace(Logger.defaultLogger, Logger.make(({ message }) => void warnings.push(String(message))))
        )
      )
      yield* Effect.repeatN(lease, 2)
      strictEqual(asked.length, 1)
      deepStrictEqual(warnings, [
        "the token is about to expire, and could not be renewed: the issuer issuer.lab responded with 503"
      ])
      yield* TestClock.adjust("30 seconds")
      yield* lease
      deepStrictEqual(seen, [old, old, old, fresh])
    }))

  it.scoped("is refreshed at most every 30 seconds when new tokens live shorter than two minutes", () =>
    Effect.gen(function*() {
      const [first, second] = [jwt(960, "first"), jwt(990, "second")]
      const { asked, client } = issuer([grant(first, "r2"), grant(second, "r3")])
      const { answers, seen } = taking(first, second)
      const controller = yield* fake.client(answers, { config: config(), issuer: client })
      yield* TestClock.setTime(900_000)
      yield* Effect.repeatN(controller.lease("l1"), 2)
      yield* TestClock.adjust("29 seconds")
      yield* controller.lease("l1")
      strictEqual(asked.length, 1)
      yield* TestClock.adjust("1 second")
      yield* controller.lease("l1")
      deepStrictEqual(seen, [first, first, first, first, second])
    }))

  it.scoped("fails with RefreshFailed when the issuer is silent, at once for 30 seconds, until somebody logs in", () =>
    Effect.gen(function*() {
      let stored: ClientConfig.Tokens = { token: Redacted.make(old), refreshToken: Redacted.make("r1") }
      const tokenStore: ClientConfig.TokenStore = { exchange: (renew) => Effect.suspend(() => renew(stored)) }
      let asked = 0
      const controller = yield* fake.client(taking(fresh).answers, {
        config: config({ tokenStore }),
        issuer: HttpClient.make(() =>
          Effect.suspend(() => {
            asked++
            return Effect.never
          })
        )
      })
      yield* TestClock.setTime(1_001_000)
      const attempt = Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.timed(Effect.either(controller.lease("l1"))))
        while (Option.isNone(yield* Fiber.poll(fiber))) yield* TestClock.adjust("1 second")
        const [duration, result] = yield* Fiber.join(fiber)
        return [
          Duration.toSeconds(duration),
          Either.match(result, { onLeft: ({ reason }) => reason, onRight: ({ name }) => name })
        ]
      })
      const quiet = quietly(attempt)
      deepStrictEqual([yield* quiet, yield* quiet, asked], [[15, "RefreshFailed"], [0, "RefreshFailed"], 1])
      yield* TestClock.adjust("30 seconds")
      deepStrictEqual([yield* quiet, yield* quiet, asked], [[15, "RefreshFailed"], [0, "RefreshFailed"], 2])
      stored = { token: Redacted.make(fresh) }
      deepStrictEqual([yield* quiet, asked], [[0, "l1"], 2])
    }))

  const failures: ReadonlyArray<
    readonly [string, Partial<ClientConfig.ClientConfigValues>, ReturnType<typeof issuer>, string]
  > = [
    [
      "the issuer refuses",
      {},
      issuer([[400, { error: "invalid_grant", error_description: "Token is not active\n\u001b[31m" }]]),
      "the token has expired, and the issuer issuer.lab responded with 400: invalid_grant (Token is not active [31m); log in again with `jmp login`"
    ],
    [
      "the issuer answers with a page",
      {},
      issuer([[200, "<html>"]]),
      "the token has expired, and the issuer issuer.lab sent an unexpected response; log in again with `jmp login`"
    ],
    [
      "the issuer names an address in cleartext",
      {},
      issuer([], { discovery: { token_endpoint: "http://issuer.lab/token" } }),
      "the token has expired, and the address of the issuer's tokens is not an https:// URL; log in again with `jmp login`"
    ],
    [
      "the issuer is in cleartext",
      { token: Redacted.make(jwt(1_000, "", "http://issuer.lab")) },
      issuer([]),
      "the token has expired, and the address of the issuer is not an https:// URL; log in again with `jmp login`"
    ],
    [
      "the token names no issuer",
      { token: Redacted.make("opaque") },
      issuer([]),
      "the token has expired, and the token does not name its issuer; log in again with `jmp login`"
    ]
  ]

  for (const [name, values, { client }, details] of failures) {
    it.scoped(`fails the request when ${name}`, () =>
      Effect.gen(function*() {
        const controller = yield* fake.client(taking().answers, { config: config(values), issuer: client })
        const { message, reason } = yield* quietly(Effect.flip(controller.lease("l1")))
        deepStrictEqual([reason, message], [
          "RefreshFailed",
          `GetLease l1 on lab failed (RefreshFailed, UNKNOWN): ${details}`
        ])
      }))
  }

  it.scoped("fails the request when the issuer cannot be reached, with an error that does not show the request", () =>
    Effect.gen(function*() {
      const client = HttpClient.make((request) =>
        Effect.fail(
          new HttpClientError.RequestError({ request, reason: "Transport", description: "connect ECONNREFUSED" })
        )
      )
      const controller = yield* fake.client(taking().answers, { config: config(), issuer: client })
      const error = yield* quietly(Effect.flip(controller.lease("l1")))
      strictEqual(
        error.message,
        "GetLease l1 on lab failed (RefreshFailed, UNKNOWN): the token has expired, and the issuer issuer.lab cannot be " +
          "reached: connect ECONNREFUSED; log in again with `jmp login`"
      )
      assertTrue(!inspect(error, { depth: Infinity }).includes("refresh_token"))
    }))

  it.scopedLive("does not take the refresh token to where the issuer redirects", () =>
    Effect.gen(function*() {
      const other = yield* httpServer.serve((_, response) => response.writeHead(200).end("{}"))
      const redirecting = yield* httpServer.serve((request, response) => {
        if (request.method === "GET") {
          response.end(JSON.stringify({ token_endpoint: `http://${request.headers.host}/token` }))
        } else response.writeHead(307, { location: `${other.origin}/token` }).end()
      })
      const token = Redacted.make(jwt(9e9, "", redirecting.origin))
      const { details, reason } = yield* Effect.flatMap(HttpClient.HttpClient, (client) =>
        Effect.flatMap(
          fake.client(taking().answers, { config: config({ token }), issuer: client }),
          (controller) => quietly(Effect.flip(controller.lease("l1")))
        )).pipe(Effect.provide(FetchHttpClient.layer))
      deepStrictEqual(other.asked, [])
      deepStrictEqual([reason, details], [
        "RefreshFailed",
        `the token has expired, and the issuer ${new URL(redirecting.origin).host} responded with 307`
      ])
    }))

  it.scoped("fails the request when there is no refresh token", () =>
    Effect.gen(function*() {
      const controller = yield* fake.client(taking().answers, { config: config({ refreshToken: undefined }) })
      strictEqual((yield* Effect.flip(controller.lease("l1"))).reason, "TokenExpired")
    }))
})

describe("a refresh", () => {
  const source = Effect.gen(function*() {
    let exchanges = 0
    const loaded = { token: Redacted.make(old), refreshToken: Redacted.make("r1") }
    const store: ClientConfig.TokenStore = {
      exchange: () =>
        Effect.suspend(() => {
          exchanges++
          return Effect.succeed({ token: Redacted.make(fresh) })
        })
    }
    const { renew } = yield* tokenSource.make(loaded, store, fake.noIssuer)
    return { exchanges: () => exchanges, renew: renew(loaded.token) }
  })

  /** Lets other fibers run once, before the given step of an effect. */
  const pausingAt = (pause: number) => {
    let step = 0
    return Effect.withScheduler({
      scheduleTask: (task, priority, fiber) => Scheduler.defaultScheduler.scheduleTask(task, priority, fiber),
      shouldYield: () => ++step === pause ? 0 : false
    })
  }

  const steps = Array.from({ length: 40 }, (_, index) => index + 1)

  it.scoped("starts once when a second request comes at any step of its start", () =>
    Effect.forEach(steps, (step) =>
      Effect.gen(function*() {
        const { exchanges, renew } = yield* source
        const first = yield* Effect.fork(pausingAt(step)(renew))
        yield* Effect.yieldNow()
        yield* renew
        yield* Fiber.join(first)
        strictEqual(exchanges(), 1)
      })))

  it.scoped(
    "does not block the next request when the first is interrupted at any step of its start",
    () =>
      Effect.forEach(steps, (step) =>
        Effect.gen(function*() {
          const { exchanges, renew } = yield* source
          const first = yield* Effect.fork(pausingAt(step)(renew))
          yield* Effect.yieldNow()
          yield* Fiber.interrupt(first)
          yield* renew
          strictEqual(exchanges(), 1)
        })),
    10_000
  )
})

const file = (text: string) =>
  Effect.gen(function*() {
    const directory = yield* temporary.directory
    const path = join(directory, "c.yaml")
    yield* Effect.promise(() => writeFile(path, text, { mode: 0o600 }))
    const loaded = yield* ClientConfig.load({ path }).pipe(
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map())),
      Effect.provide(Layer.merge(NodeFileSystem.layer, NodePath.layer))
    )
    return { path, loaded, read: Effect.promise(() => readFile(path, "utf8")) }
  })

const head = "metadata: {namespace: lab, name: c1}\nendpoint: lab.example:1\n"

describe("a token from a file", () => {
  // These have not expired by the clock of this machine.
  const [old, fresh, third] = [jwt(9e9, "old"), jwt(9e9, "fresh"), jwt(9e9, "third")]

  it.scopedLive("is written back after a refresh", () =>
    Effect.gen(function*() {
      const { loaded, read } = yield* file(`${head}token: ${old}\nrefresh_token: r1\n`)
      const { client } = issuer([grant(fresh, "r2")])
      const controller = yield* fake.client(taking(fresh).answers, { config: loaded, issuer: client })
      yield* controller.lease("l1")
      strictEqual(yield* read, `${head}token: ${fresh}\nrefresh_token: r2\n`)
    }))

  it.scopedLive("is read from the file again when somebody has logged in meanwhile", () =>
    Effect.gen(function*() {
      const { loaded, path, read } = yield* file(`${head}token: ${old}\n`)
      const newer = `${head}token: ${fresh}\n`
      yield* Effect.promise(() => writeFile(path, newer))
      const { answers, seen } = taking(fresh)
      const controller = yield* fake.client(answers, { config: loaded })
      yield* controller.lease("l1")
      deepStrictEqual(seen, [old, fresh])
      strictEqual(yield* read, newer)
    }))

  it.scopedLive("is refreshed again even if the first new one could not be written", () =>
    Effect.gen(function*() {
      const { loaded, path } = yield* file(`${head}token: ${old}\nrefresh_token: r1\n`)
      const { asked, client } = issuer([grant(fresh, "r2"), grant(third, "r3")])
      const accepted = taking(third)
      const controller = yield* fake.client(accepted.answers, { config: loaded, issuer: client })
      yield* Effect.flip(controller.lease("l1"))
      // Like a file that cannot be written.
      yield* Effect.promise(() => writeFile(path, `${head}token: ${old}\nrefresh_token: r1\n`))
      yield* controller.lease("l1")
      deepStrictEqual(asked.map(({ form }) => form["refresh_token"]), ["r1", "r2"])
      deepStrictEqual(accepted.seen, [old, fresh, fresh, third])
    }))

  it.scopedLive("is written back and used when the controller has rotated it", () =>
    Effect.gen(function*() {
      const { loaded, read } = yield* file(`${head}token: ${old}\n`)
      const { answers, seen } = taking(fresh)
      const controller = yield* fake.client(
        { ...answers, rotateToken: () => Effect.succeed({ token: fresh, expiry: { seconds: 10n, nanos: 0 } }) },
        { config: loaded }
      )
      strictEqual(Redacted.value((yield* controller.rotateToken).token), fresh)
      yield* controller.lease("l1")
      deepStrictEqual(seen, [fresh])
      strictEqual(yield* read, `${head}token: ${fresh}\n`)
    }))
})

describe("tokens are not shown", () => {
  // Every token contains this text, so one search finds them all.
  const secret = "recognisable"

  it.scoped("in logs, spans, errors and printed values", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const see = (...values: ReadonlyArray<unknown>) => {
        for (const value of values) {
          seen.push(String(value), inspect(value, { depth: Infinity, showHidden: true, maxStringLength: Infinity }))
          if (value instanceof Error) seen.push(value.message, value.stack ?? "")
        }
      }
      const { ended, tracer } = spans.make()
      const { client } = issuer([grant(`${secret}-new`, `${secret}-refresh-new`), [400, { error: "invalid_grant" }]])
      const answers: fake.Answers = {
        getLease: (_, { metadata }) =>
          metadata.entries.get("authorization") === `Bearer ${secret}-new`
            ? Effect.succeed(fake.lease())
            : fake.fail("UNKNOWN", expired),
        rotateToken: () => fake.fail("UNKNOWN", expired),
        dial: () => Effect.succeed({ routerEndpoint: "router.lab:1", routerToken: `${secret}-router` })
      }
      const loaded = config({
        token: Redacted.make(`a.${base64({ iss: "https://issuer.lab" })}.${secret}`),
        refreshToken: Redacted.make(`${secret}-r`)
      })
      const program = Effect.gen(function*() {
        const controller = yield* fake.client(answers, { config: loaded, issuer: client })
        yield* controller.lease("l1")
        const address = yield* controller.dial("l1")
        yield* Effect.logInfo("connecting", address, controller.config)
        const error = yield* Effect.flip(controller.rotateToken)
        yield* Effect.logError("failed", error)
        see(controller, address, error, loaded)
      }).pipe(Effect.withSpan("program"), Effect.scoped)
      const exit = yield* Effect.exit(program).pipe(
        Effect.withTracer(tracer),
        Effect.provide(Logger.replace(
          Logger.defaultLogger,
          Logger.make(({ annotations, cause, message }) => see(message, annotations, Cause.pretty(cause)))
        )),
        Logger.withMinimumLogLevel(LogLevel.All)
      )
      see(exit, ended)
      assertTrue(Exit.isSuccess(exit), String(exit))
      assertTrue(ended.length > 3, String(ended.length))
      deepStrictEqual(seen.filter((text) => text.includes(secret)), [])
    }))
})
