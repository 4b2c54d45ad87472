// Requests that a client has presigned for a driver (protocol.md 6.4): a GET of an image, or a PUT of a dump.
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Mailbox from "effect/Mailbox"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as DriverFailure from "../../protocol/DriverFailure.ts"
import type { DriverResource, PresignedRequest } from "../../resource/Resource.ts"
import * as interruptible from "../../util/interruptible.ts"
import { errorText } from "./errorText.ts"
import * as exchange from "./exchange.ts"
import { guardedHost, type GuardedNetwork } from "./guardedNetwork.ts"
import * as httpHeaders from "./httpHeaders.ts"
import * as requestUrl from "./requestUrl.ts"
import * as wholeAnswer from "./wholeAnswer.ts"

export type Open = (
  request: PresignedRequest
) => Effect.Effect<DriverResource, DriverFailure.DriverFailure, Scope.Scope>

export interface Policy {
  /** Whether to make a request at all. */
  readonly admits: (method: PresignedRequest["method"], url: URL) => boolean
  /** The guarded networks that requests may go to. */
  readonly networks: ReadonlySet<GuardedNetwork>
}

const timeLimit = Duration.hours(2)

const maxRedirects = 10

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

// Statuses that confirm a PUT. Others confirm only a part of the body (206), or nothing.
const confirmations: ReadonlySet<number> = new Set([200, 201, 202, 204])

// Never forward one origin's credentials to another.
const sensitive =
  /^(cookie|host$|x-amz-|x-ms-|x-goog-|x-jfrog-)|(^|-)(auth|authorization|credentials?|password|secret|signature|token|api-?key)(-|$)/

// Headers about a connection. The connection here is the exporter's own.
const ofConnection: ReadonlySet<string> = new Set([
  "connection",
  "expect",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade"
])

interface Hop {
  readonly method: PresignedRequest["method"]
  readonly url: requestUrl.RequestUrl
  readonly headers: httpHeaders.HttpHeaders
}

const describe = ({ method, url }: Hop): string => `the presigned ${method} of ${requestUrl.redacted(url)}`

const fail = (reason: DriverFailure.FailureReason, hop: Hop, what: string): DriverFailure.DriverFailure =>
  DriverFailure.make(reason, `${describe(hop)} ${what}`)

const tooLong = (hop: Hop) => fail("Timeout", hop, `took longer than ${Duration.format(timeLimit)}`)

const guarded = (hop: Hop, address: string, network: GuardedNetwork): DriverFailure.DriverFailure =>
  fail(
    "InvalidArgument",
    hop,
    `goes to ${address}, a ${network} address, which this exporter allows only with the option presignedNetworks: ["${network}"]`
  )

// `first` is the request that the client presigned.
const broken = (hop: Hop, first = hop) => (failure: exchange.Failure): DriverFailure.DriverFailure => {
  if (failure._tag === "Expired") return tooLong(first)
  if (failure._tag === "RefusedAddress") return guarded(hop, failure.address, failure.network)
  const { query, url } = hop.url
  const text = [query, url.search].reduce(
    (text, search) => search === "" ? text : text.replaceAll(search, "?…"),
    failure.details
  )
  return fail(failure.timedOut ? "Timeout" : "Connection", hop, `failed: ${text}`)
}

// An answer other than success, with the server's own text.
const refused = (hop: Hop, answer: exchange.Answer, hint = ""): Effect.Effect<never, DriverFailure.DriverFailure> =>
  Effect.flatMap(
    errorText(answer, [hop.url.query, ...Object.values(hop.headers)]),
    (text) => fail("Other", hop, `was answered with ${answer.status}${text === "" ? "" : `: ${text}`}${hint}`)
  )

const bodyOf = (
  first: Hop,
  hop: Hop,
  answer: exchange.Answer
): Stream.Stream<Uint8Array, DriverFailure.DriverFailure> =>
  Stream.suspend(() => {
    const expected = wholeAnswer.length(answer)
    let received = 0
    return answer.body.pipe(
      Stream.mapError(broken(hop, first)),
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

// How many bytes the client has declared.
const declaredLength = (hop: Hop): Effect.Effect<number | undefined, DriverFailure.DriverFailure> => {
  const length = hop.headers["content-length"]
  if (length === undefined) return Effect.succeed(undefined)
  return /^\d+$/.test(length) && Number.isSafeInteger(Number(length))
    ? Effect.succeed(Number(length))
    : fail("InvalidArgument", hop, "has a Content-Length that is not a number of bytes")
}

export const make = (perform: exchange.Exchange, { admits, networks }: Policy): Open => {
  const send = (
    request: Hop & { readonly body?: Stream.Stream<Uint8Array> },
    expiry: Effect.Effect<never, exchange.Expired>
  ) => Effect.mapError(perform(request, expiry), broken(request))

  const admit = (
    method: PresignedRequest["method"],
    address: string,
    headers: httpHeaders.HttpHeaders
  ): Effect.Effect<Hop, DriverFailure.DriverFailure> =>
    Effect.suspend(() => {
      const parsed = requestUrl.parse(address)
      if (Either.isLeft(parsed)) {
        return DriverFailure.make("InvalidArgument", `the URL of the presigned ${method} ${parsed.left}`)
      }
      const url = parsed.right
      const hop = {
        method,
        url,
        headers: url.authorization === undefined || headers["authorization"] !== undefined
          ? headers
          : { ...headers, authorization: url.authorization }
      }
      if (!admits(method, new URL(url.url))) return fail("InvalidArgument", hop, "is not allowed by this exporter")
      const network = guardedHost(url.url.hostname)
      return network === undefined || networks.has(network)
        ? Effect.succeed(hop)
        : guarded(hop, url.url.hostname, network)
    })

  const follow = Effect.fnUntraced(function*(from: Hop, { headers, status }: exchange.Answer) {
    const { location } = headers
    if (location === undefined) return yield* fail("Other", from, `was redirected (${status}) without a Location`)
    const address = requestUrl.resolve(from.url, location)
    const elsewhere = !URL.canParse(address) || new URL(address).origin !== from.url.url.origin
    return yield* admit(
      from.method,
      address,
      elsewhere
        ? httpHeaders.filter(from.headers, (name) => !sensitive.test(name))
        : from.headers
    )
  })

  // Redirects are followed here, because a client would send all headers along. The response that redirects is closed.
  const fetch = Effect.fnUntraced(function*(first: Hop, expiry: Effect.Effect<never, exchange.Expired>) {
    const scope = yield* Effect.scope
    let hop = first
    for (let count = 0; count <= maxRedirects; count++) {
      const hopScope = yield* Scope.fork(scope, ExecutionStrategy.sequential)
      const answer = yield* Scope.extend(send(hop, expiry), hopScope)
      if (answer.status >= 200 && answer.status < 300) {
        const problem = wholeAnswer.problem(hop.headers, answer)
        return problem === undefined ? { hop, answer } : yield* fail("Other", hop, problem)
      }
      if (!redirects.has(answer.status)) return yield* refused(hop, answer)
      hop = yield* follow(hop, answer)
      yield* Scope.close(hopScope, Exit.void)
    }
    return yield* fail("Other", first, `was redirected more than ${maxRedirects} times`)
  })

  const get = Effect.fnUntraced(function*(first: Hop) {
    const expired = yield* Deferred.make<never, exchange.Expired>()
    yield* Deferred.fail(expired, new exchange.Expired()).pipe(
      Effect.delay(timeLimit),
      interruptible.forkScoped
    )
    const expiry = Deferred.await(expired)
    const { answer, hop } = yield* interruptible.raceFirst(
      fetch(first, expiry),
      Effect.mapError(expiry, () => tooLong(first))
    )
    let used = false
    const resource: DriverResource = {
      read: Stream.suspend(() => {
        if (used) return Stream.fail(fail("Other", hop, "can be read only once"))
        used = true
        return bodyOf(first, hop, answer)
      }),
      write: () => fail("InvalidArgument", first, "can only be read")
    }
    return resource
  })

  // Sends a body while it is made. The driver's stream runs here and not in the HTTP client, so that its finalizers are
  // awaited and its failure breaks off the request: the server must not treat what it has as the whole.
  const put = Effect.fnUntraced(function*(hop: Hop, bytes: Stream.Stream<Uint8Array, DriverFailure.DriverFailure>) {
    const declared = yield* declaredLength(hop)
    const chunks = yield* Mailbox.make<Uint8Array>(1)
    let given = 0
    let sent = 0
    let ended = false
    const feed = Stream.runForEach(bytes, (chunk) => {
      given += chunk.length
      if (declared !== undefined && given > declared) {
        return fail("Other", hop, `has a Content-Length of ${declared} bytes, but the driver writes more`)
      }
      return chunk.length === 0 ? Effect.void : chunks.offer(chunk)
    }).pipe(
      Effect.zipRight(Effect.suspend(() =>
        declared === undefined || given === declared
          ? chunks.end
          : fail("Other", hop, `has a Content-Length of ${declared} bytes, but the driver wrote ${given}`)
      ))
    )
    const body = Mailbox.toStream(chunks).pipe(
      Stream.map((chunk) => {
        sent += chunk.length
        return chunk
      }),
      Stream.concat(Stream.execute(Effect.sync(() => {
        ended = true
      })))
    )
    const confirm = Effect.flatMap(send({ ...hop, body }, Effect.never), (answer) => {
      const { status } = answer
      if (redirects.has(status)) {
        return fail("Other", hop, `was redirected (${status}), but its body cannot be sent again`)
      }
      if (!confirmations.has(status)) {
        const wantsLength = declared === undefined && (status === 411 || status === 501)
        return refused(
          hop,
          answer,
          wantsLength ? "; if the server needs the length in advance, add a Content-Length header" : ""
        )
      }
      return ended || sent === declared
        ? Effect.void
        : fail("Other", hop, `was answered with ${status} before everything was sent`)
    })
    yield* interruptible.both(feed, confirm)
  })

  return ({ headers, method, url }) =>
    Effect.gen(function*() {
      const given = httpHeaders.filter(httpHeaders.make(headers), (name) => !ofConnection.has(name))
      // Without an encoding, the length shows whether all of it has arrived.
      const hop = yield* admit(
        method,
        url,
        method === "PUT" || given["accept-encoding"] !== undefined
          ? given
          : { ...given, "accept-encoding": "identity" }
      )
      const declared = yield* declaredLength(hop)
      if (method === "GET") {
        if ((declared ?? 0) !== 0) {
          return yield* fail("InvalidArgument", hop, "has a Content-Length, but a GET has no content")
        }
        return yield* get({
          ...hop,
          headers: httpHeaders.filter(hop.headers, (name) => name !== "content-length")
        })
      }
      let used = false
      const resource: DriverResource = {
        read: Stream.suspend(() => Stream.fail(fail("InvalidArgument", hop, "can only be written"))),
        write: (bytes) =>
          Effect.suspend(() => {
            if (used) return fail("Other", hop, "can be written only once")
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
