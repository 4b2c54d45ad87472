// Requests a new token from the issuer of the old one (protocol.md 11.5): discovery, then the refresh_token grant. Errors carry texts
// only, because requests and responses contain tokens.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as hostPort from "../grpc/hostPort.ts"
import * as interruptible from "../util/interruptible.ts"
import type { Tokens } from "./tokens.ts"

/** Why there is no new token. */
export class NoToken extends Data.TaggedError("NoToken")<{ readonly details: string }> {}

// The client id that Jumpstarter's issuers know.
const clientId = "jumpstarter-cli"

const answerWithin = "15 seconds"

const Discovery = Schema.Struct({ token_endpoint: Schema.String })

const Granted = Schema.Struct({
  access_token: Schema.NonEmptyString,
  refresh_token: Schema.optional(Schema.NullOr(Schema.String))
})

const Refused = Schema.Struct({ error: Schema.String, error_description: Schema.optional(Schema.String) })

const no = (details: string) => new NoToken({ details })

// A refresh token is worth as much as a password.
const safeUrl = (text: string, what: string): Either.Either<URL, NoToken> => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url?.protocol === "https:" ||
      url?.protocol === "http:" && hostPort.isLoopback(hostPort.withoutBrackets(url.hostname))
    ? Either.right(url)
    : Either.left(no(`${what} is not an https:// URL`))
}

const ask = <A, I>(
  http: HttpClient.HttpClient,
  request: HttpClientRequest.HttpClientRequest,
  schema: Schema.Schema<A, I>,
  { host }: URL,
  whenRefused: (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<string>
): Effect.Effect<A, NoToken> =>
  http.execute(request).pipe(
    // A redirect could send the refresh token to any address.
    Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
    Effect.mapError(({ description, reason }) => no(`the issuer ${host} cannot be reached: ${description ?? reason}`)),
    Effect.flatMap((response) =>
      response.status === 200
        ? Effect.mapError(
          Effect.flatMap(response.json, Schema.decodeUnknown(schema)),
          () => no(`the issuer ${host} sent an unexpected response`)
        )
        : Effect.flatMap(
          whenRefused(response),
          (why) => no(`the issuer ${host} responded with ${response.status}${why}`)
        )
    ),
    interruptible.timeoutFail({
      duration: answerWithin,
      onTimeout: () => no(`the issuer ${host} did not respond within ${answerWithin}`)
    })
  )

// Returns printable text of at most one line.
const shown = (text: string): string => text.replace(/[^ -~]+/g, " ").slice(0, 200)

const refusal = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<string> =>
  response.json.pipe(
    Effect.flatMap(Schema.decodeUnknown(Refused)),
    Effect.map(({ error, error_description: description }) =>
      `: ${shown(error)}${description === undefined ? "" : ` (${shown(description)})`}`
    ),
    Effect.orElseSucceed(() => "")
  )

export const refresh = (
  client: HttpClient.HttpClient,
  issuer: string | undefined,
  refreshToken: Redacted.Redacted
): Effect.Effect<Tokens, NoToken> =>
  Effect.gen(function*() {
    if (issuer === undefined) return yield* no("the token does not name its issuer")
    // A span would show the headers of requests and responses.
    const http = HttpClient.withTracerDisabledWhen(client, () => true)
    const url = yield* safeUrl(issuer, "the address of the issuer")
    const { token_endpoint: endpoint } = yield* ask(
      http,
      HttpClientRequest.get(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`),
      Discovery,
      url,
      () => Effect.succeed(" to the request for its configuration")
    )
    const tokenUrl = yield* safeUrl(endpoint, "the address of the issuer's tokens")
    const granted = yield* ask(
      http,
      HttpClientRequest.bodyUrlParams(HttpClientRequest.post(tokenUrl), {
        grant_type: "refresh_token",
        client_id: clientId,
        refresh_token: Redacted.value(refreshToken)
      }),
      Granted,
      tokenUrl,
      refusal
    )
    return {
      token: Redacted.make(granted.access_token),
      // An issuer that returns no refresh token keeps accepting the old one.
      refreshToken: Option.match(Option.fromNullable(granted.refresh_token), {
        onNone: () => refreshToken,
        onSome: Redacted.make
      })
    }
  })
