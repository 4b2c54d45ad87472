// Requests that a client has presigned for a driver (protocol.md 6.4): an image to fetch, or a place to put a dump.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as DriverFailure from "../DriverFailure.ts"
import type { DriverResource, PresignedRequest } from "../Resource.ts"
import * as interruptible from "./interruptible.ts"

export type Open = (
  request: PresignedRequest
) => Effect.Effect<DriverResource, DriverFailure.DriverFailure, Scope.Scope>

export type Admits = (method: PresignedRequest["method"], url: URL) => boolean

const timeLimit = Duration.hours(2)

const maxRedirects = 10

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

// What proves to one server who asks is nothing to tell to another.
const sensitive = /^(authorization|cookie|proxy-authorization|x-amz-|x-ms-|x-goog-|host$)/

// The query of a presigned URL is its signature.
const redacted = ({ origin, pathname, search }: URL): string =>
  `${origin}${pathname}${search === "" ? "" : "?[REDACTED]"}`

interface Hop {
  readonly method: PresignedRequest["method"]
  readonly url: URL
  readonly headers: Headers.Headers
}

const describe = ({ method, url }: Hop): string => `the presigned ${method} of ${redacted(url)}`

const fail = (reason: DriverFailure.FailureReason, hop: Hop, what: string): DriverFailure.DriverFailure =>
  DriverFailure.make(reason, `${describe(hop)} ${what}`)

const tooLong = (hop: Hop) => fail("Timeout", hop, `took longer than ${Duration.format(timeLimit)}`)

// The innermost cause says what happened. The errors around it name the URL as a whole.
const broken = (hop: Hop) => (error: HttpClientError.HttpClientError): DriverFailure.DriverFailure => {
  let cause: unknown = error.cause
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause
  const text = cause instanceof Error ? cause.message : error.description ?? error.reason
  return fail("Connection", hop, `failed: ${hop.url.search === "" ? text : text.replaceAll(hop.url.search, "?…")}`)
}

// A URL may have user information that says no text.
const isText = (encoded: string): boolean => {
  try {
    decodeURIComponent(encoded)
    return true
  } catch {
    return false
  }
}

const toRequest = ({ headers, method, url }: Hop): HttpClientRequest.HttpClientRequest => {
  const bare = new URL(url)
  bare.username = ""
  bare.password = ""
  // As text: a URL object is taken apart and its query written anew, which breaks signatures.
  const request = HttpClientRequest.make(method)(bare.href, { headers })
  return url.username === "" || Headers.has(headers, "authorization")
    ? request
    : HttpClientRequest.basicAuth(request, decodeURIComponent(url.username), decodeURIComponent(url.password))
}

const lengthOf = ({ headers }: HttpClientResponse.HttpClientResponse): number | undefined => {
  // With an encoding it is the length of what was sent, and the client has decoded that already.
  if (Headers.has(headers, "content-encoding")) return undefined
  const length = Option.getOrElse(Headers.get(headers, "content-length"), () => "")
  return /^\d+$/.test(length) ? Number(length) : undefined
}

const bodyOf = (
  hop: Hop,
  response: HttpClientResponse.HttpClientResponse
): Stream.Stream<Uint8Array, DriverFailure.DriverFailure> =>
  Stream.suspend(() => {
    const expected = lengthOf(response)
    let received = 0
    return response.stream.pipe(
      Stream.catchAll((error) => error.reason === "EmptyBody" ? Stream.empty : Stream.fail(broken(hop)(error))),
      Stream.map((chunk) => {
        received += chunk.length
        return chunk
      }),
      Stream.concat(Stream.suspend(() =>
        expected === undefined || expected === received
          ? Stream.empty
          : Stream.fail(fail("Connection", hop, `ended after ${received} of ${expected} bytes`))
      ))
    )
  })

export const make = (httpClient: HttpClient.HttpClient, admits: Admits): Open => {
  const client = httpClient.pipe(
    // Spans carry whole URLs.
    HttpClient.withTracerDisabledWhen(() => true),
    HttpClient.withScope
  )
  const send = (hop: Hop, request: HttpClientRequest.HttpClientRequest) =>
    client.execute(request).pipe(
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
      Effect.mapError(broken(hop))
    )

  const admit = (
    method: PresignedRequest["method"],
    address: string,
    base: URL | undefined,
    headers: Headers.Headers
  ): Effect.Effect<Hop, DriverFailure.DriverFailure> => {
    const url = URL.canParse(address, base?.href) ? new URL(address, base) : undefined
    if (url === undefined || url.protocol !== "http:" && url.protocol !== "https:") {
      return DriverFailure.make("InvalidArgument", `the URL of the presigned ${method} is no http or https URL`)
    }
    if (!isText(url.username) || !isText(url.password)) {
      return DriverFailure.make("InvalidArgument", `the URL of the presigned ${method} has malformed user information`)
    }
    const hop = { method, url, headers }
    return admits(method, url) ? Effect.succeed(hop) : fail("InvalidArgument", hop, "is not allowed by this exporter")
  }

  const follow = Effect.fnUntraced(function*(from: Hop, { headers, status }: HttpClientResponse.HttpClientResponse) {
    const location = Headers.get(headers, "location")
    if (Option.isNone(location)) return yield* fail("Other", from, `was redirected (${status}) to nowhere`)
    const to = yield* admit(from.method, location.value, from.url, from.headers)
    return to.url.origin === from.url.origin
      ? to
      : { ...to, headers: Headers.fromInput(Object.entries(to.headers).filter(([name]) => !sensitive.test(name))) }
  })

  // Redirects are followed here, because a client would take all headers along. What answered with one is closed.
  const fetch = Effect.fnUntraced(function*(first: Hop) {
    const scope = yield* Effect.scope
    let hop = first
    for (let count = 0; count <= maxRedirects; count++) {
      const exchange = yield* Scope.fork(scope, ExecutionStrategy.sequential)
      const response = yield* Scope.extend(send(hop, toRequest(hop)), exchange)
      if (response.status >= 200 && response.status < 300) return { hop, response }
      if (!redirects.has(response.status)) return yield* fail("Other", hop, `was answered with ${response.status}`)
      hop = yield* follow(hop, response)
      yield* Scope.close(exchange, Exit.void)
    }
    return yield* fail("Other", first, `was redirected more than ${maxRedirects} times`)
  })

  const get = Effect.fnUntraced(function*(first: Hop) {
    const expired = yield* Deferred.make<never, DriverFailure.DriverFailure>()
    yield* Deferred.fail(expired, tooLong(first)).pipe(
      Effect.delay(timeLimit),
      interruptible.forkScoped
    )
    const expiry = Deferred.await(expired)
    const { hop, response } = yield* interruptible.raceFirst(fetch(first), expiry)
    let used = false
    const resource: DriverResource = {
      read: Stream.unwrapScoped(Effect.suspend(() => {
        if (used) return fail("Other", hop, "can be read once only")
        used = true
        return Effect.map(
          Stream.toPull(bodyOf(hop, response)),
          (pull) => Stream.repeatEffectChunkOption(interruptible.raceFirst(pull, Effect.mapError(expiry, Option.some)))
        )
      })),
      write: () => fail("InvalidArgument", first, "takes nothing, it is there to be read")
    }
    return resource
  })

  // Sends a body as it is made. The driver's stream runs in the driver's own fiber, so that its finalizers are waited for,
  // and one that fails breaks the request off: the server must not take what it has for the whole.
  const put = Effect.fnUntraced(function*(hop: Hop, bytes: Stream.Stream<Uint8Array, DriverFailure.DriverFailure>) {
    const chunks = yield* Mailbox.make<Uint8Array>(1)
    let sent = false
    const body = Stream.concat(
      Mailbox.toStream(chunks),
      Stream.execute(Effect.sync(() => {
        sent = true
      }))
    )
    const request = HttpClientRequest.setBody(
      toRequest(hop),
      // No type of its own: what the client presigned says which, if any.
      HttpBody.stream(body, "")
    )
    yield* Effect.all([
      Effect.zipRight(Stream.runForEach(bytes, (chunk) => chunks.offer(chunk)), chunks.end),
      Effect.flatMap(send(hop, request), ({ status }) =>
        redirects.has(status)
          ? fail("Other", hop, `was redirected (${status}), and what was sent cannot be sent again`)
          : status < 200 || status >= 300
          ? fail("Other", hop, `was answered with ${status}`)
          : sent
          ? Effect.void
          : fail("Other", hop, `was answered with ${status} before everything was sent`))
    ], { concurrency: "unbounded", discard: true })
  })

  return ({ headers, method, url }) =>
    Effect.gen(function*() {
      const given = Headers.fromInput(headers)
      // Unencoded, its length tells whether all of it has come.
      const hop = yield* admit(
        method,
        url,
        undefined,
        method === "PUT" || Headers.has(given, "accept-encoding")
          ? given
          : Headers.set(given, "accept-encoding", "identity")
      )
      if (method === "GET") return yield* get(hop)
      let used = false
      const resource: DriverResource = {
        read: Stream.suspend(() =>
          Stream.fail(fail("InvalidArgument", hop, "gives nothing, it is there to be written"))
        ),
        write: (bytes) =>
          Effect.suspend(() => {
            if (used) return fail("Other", hop, "can be written once only")
            used = true
            return put(hop, bytes).pipe(
              Effect.scoped,
              interruptible.timeoutFail({ duration: timeLimit, onTimeout: () => tooLong(hop) })
            )
          })
      }
      return resource
    })
}
