// Makes requests with an HTTP client of the program.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as interruptible from "../../util/interruptible.ts"
import * as pull from "../../util/pull.ts"
import * as exchange from "./exchange.ts"
import * as httpHeaders from "./httpHeaders.ts"
import * as requestUrl from "./requestUrl.ts"

/** Uses the program's own client for requests. */
export const toExchange = (httpClient: HttpClient.HttpClient): exchange.Exchange => {
  // Tracing is off, because spans carry whole URLs.
  const client = httpClient.pipe(HttpClient.withTracerDisabledWhen(() => true), HttpClient.withScope)
  return ({ body, headers, method, url }, expiry) => {
    // A race for each piece is the only way to end a stream that comes from another client.
    const untilExpiry = (bytes: Stream.Stream<Uint8Array, exchange.Failure>) =>
      Stream.unwrapScoped(Effect.map(
        Stream.toPull(bytes),
        (next) => pull.chunks(interruptible.raceFirst(next, Effect.mapError(expiry, Option.some)))
      ))
    // As text: the client would split a URL object and rewrite its query, which breaks signatures.
    const request = HttpClientRequest.make(method)(requestUrl.format(url), { headers })
    return client.execute(
      // No content type of its own: the client's presigned headers decide.
      body === undefined ? request : HttpClientRequest.setBody(request, HttpBody.stream(body, ""))
    ).pipe(
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
      Effect.mapBoth({
        onFailure: (error) => exchange.broken(error.cause ?? error),
        onSuccess: (response) => ({
          status: response.status,
          headers: httpHeaders.make(response.headers),
          body: untilExpiry(Stream.catchAll(
            response.stream,
            (error) => error.reason === "EmptyBody" ? Stream.empty : Stream.fail(exchange.broken(error.cause ?? error))
          ))
        })
      })
    )
  }
}
