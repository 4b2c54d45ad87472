// The configuration of a lab's client, its token, and its controller.
import * as ClientConfig from "@effect-jumpstarter/core/ClientConfig"
import * as Controller from "@effect-jumpstarter/core/Controller"
import * as Endpoint from "@effect-jumpstarter/core/Endpoint"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as lab from "../lab.ts"
import type { Lab } from "../options.ts"
import { type Check, note, ok, problem } from "./check.ts"

const Claims = Schema.parseJson(Schema.Struct({
  exp: Schema.optional(Schema.Number),
  iat: Schema.optional(Schema.Number),
  nbf: Schema.optional(Schema.Number)
}))

// The times in a token. It is not verified here: the controller does that.
const claimsOf = (token: Redacted.Redacted): Option.Option<typeof Claims.Type> =>
  Option.fromNullable(Redacted.value(token).split(".")[1]).pipe(
    Option.flatMap((part) => Either.getRight(Encoding.decodeBase64UrlString(part))),
    Option.flatMap(Schema.decodeOption(Claims))
  )

const span = (seconds: number): string => Duration.format(Duration.seconds(Math.max(1, Math.round(seconds))))

const skew = 60

const token = (config: ClientConfig.ClientConfig): Effect.Effect<Check> =>
  Effect.map(Clock.currentTimeMillis, (millis) => {
    const now = millis / 1_000
    const claims = claimsOf(config.token)
    if (Option.isNone(claims)) return note("token", "it is no JSON Web Token, so its times are unknown")
    const { exp, iat, nbf } = claims.value
    const begins = nbf ?? iat
    if (begins !== undefined && begins > now + skew) {
      return problem(
        "token",
        `it begins in ${span(begins - now)}, so this clock is behind that of the issuer`,
        "set the clock of this machine"
      )
    }
    if (exp === undefined) return ok("token", "it does not expire")
    if (exp > now) return ok("token", `it expires in ${span(exp - now)}`)
    return config.refreshToken === undefined
      ? problem("token", `it expired ${span(now - exp)} ago`, "log in again with `jmp login`")
      : ok("token", "it has expired, and there is a refresh token")
  })

const bound = "10 seconds"

const reach = (options: Lab) =>
  Effect.gen(function*() {
    const controller = yield* Controller.Controller
    const count = yield* Stream.runCount(controller.within(bound).exporters())
    return ok("controller", `${controller.target} answers, with ${count} ${count === 1 ? "exporter" : "exporters"}`)
  }).pipe(
    Effect.provide(lab.controller(options)),
    Effect.catchAll((error) =>
      Effect.succeed(problem("controller", error.message, "check the endpoint, tls and the token in the configuration"))
    )
  )

/** Without a configuration there is nothing to check, unless the command needs one. */
export const checks = (options: Lab, isNeeded: boolean) =>
  Effect.gen(function*() {
    const config = yield* Effect.either(ClientConfig.load(lab.config(options)))
    const isNamed = Option.isSome(options.client) || Option.isSome(options.clientConfig)
    if (Either.isLeft(config)) {
      const { message, reason } = config.left
      return [
        isNeeded || isNamed || reason !== "NotFound"
          ? problem("configuration", message, "correct the file, or log in with `jmp login`")
          : note("configuration", "there is no client of a lab, which only leases need")
      ]
    }
    const { endpoint, name, namespace, source } = config.right
    return [
      ok("configuration", `${source}: the client ${namespace}/${name} of ${Endpoint.format(endpoint)}`),
      yield* token(config.right),
      yield* reach(options)
    ]
  })
