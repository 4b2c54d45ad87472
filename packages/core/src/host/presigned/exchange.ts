// One HTTP request and its answer, on its own connection. Nothing is rewritten, followed or sent again.
import * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { lookup as systemLookup, type LookupAddress, type LookupAllOptions } from "node:dns"
import { type ClientRequest, type IncomingMessage, request as httpRequest, type RequestOptions } from "node:http"
import { request as httpsRequest } from "node:https"
import type { LookupFunction } from "node:net"
import { pipeline, type Readable, type Transform } from "node:stream"
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib"
import { withoutBrackets } from "../../grpc/hostPort.ts"
import * as interruptible from "../../util/interruptible.ts"
import * as pull from "../../util/pull.ts"
import * as suspended from "../../util/suspended.ts"
import * as failure from "./failure.ts"
import { type GuardedNetwork, guardedNetwork } from "./guardedNetwork.ts"
import * as httpHeaders from "./httpHeaders.ts"
import type * as requestUrl from "./requestUrl.ts"

/** The request failed on its way. */
export class ExchangeError extends Data.TaggedError("ExchangeError")<{
  readonly details: string
  readonly timedOut: boolean
}> {}

/** The name of the host has only addresses of a guarded network. */
export class RefusedAddress extends Data.TaggedError("RefusedAddress")<{
  readonly address: string
  readonly network: GuardedNetwork
}> {}

/** The body was not read in time. */
export class Expired extends Data.TaggedError("Expired") {}

export type Failure = ExchangeError | RefusedAddress | Expired

interface Request {
  readonly method: "GET" | "PUT"
  readonly url: requestUrl.RequestUrl
  readonly headers: httpHeaders.HttpHeaders
  readonly body?: Stream.Stream<Uint8Array> | undefined
}

export interface Answer {
  readonly status: number
  readonly headers: httpHeaders.HttpHeaders
  /** The body, decoded from its content encoding. Fails when the connection ends before the body does. */
  readonly body: Stream.Stream<Uint8Array, Failure>
}

/**
 * `expiry` fails when the time for the answer's body is over, and the body fails with it. The caller limits the time before
 * that.
 */
export type Exchange = (
  request: Request,
  expiry: Effect.Effect<never, Expired>
) => Effect.Effect<Answer, Failure, Scope.Scope>

export const broken = (cause: unknown): Failure =>
  cause instanceof RefusedAddress
    ? cause
    : new ExchangeError({ details: failure.explain(cause), timedOut: false })

// A peer that is silent this long has left, or never was there.
const silence = Duration.minutes(5)

const silent = (what: string) => (): Failure =>
  new ExchangeError({ details: `the server has ${what} for ${Duration.format(silence)}`, timedOut: true })

type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: Error | null, addresses: Array<LookupAddress>) => void
) => void

// Resolves a name to the addresses that the request may reach. The connection is made to these addresses, so that a later
// answer of the name server cannot replace them.
const lookupWithin =
  (allowed: ReadonlySet<GuardedNetwork>, resolve: Resolve): LookupFunction => (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const answer: (error: Error | null, address: string | Array<LookupAddress>, family?: number) => void = callback
      if (error !== null) return answer(error, [])
      const open: Array<LookupAddress> = []
      let refused: RefusedAddress | undefined
      for (const found of addresses) {
        const network = guardedNetwork(found.address)
        if (network === undefined || allowed.has(network)) open.push(found)
        else refused = new RefusedAddress({ address: found.address, network })
      }
      const [first] = open
      if (first === undefined) return answer(refused ?? new Error(`${hostname} has no address`), [])
      return options.all === true ? answer(null, open) : answer(null, first.address, first.family)
    })
  }

const open = ({ headers, method, url }: Request, lookup: LookupFunction): ClientRequest => {
  const { hostname, port, protocol } = url.url
  const options: RequestOptions = {
    // The connection is not shared, and no environment variable makes it use a proxy.
    agent: false,
    headers: { host: url.url.host, ...headers },
    host: withoutBrackets(hostname),
    lookup,
    method,
    path: `${url.path}${url.query}`
  }
  if (port !== "") options.port = Number(port)
  return protocol === "https:" ? httpsRequest(options) : httpRequest(options)
}

// The server may have accepted the data before this wait begins.
const drained = (request: ClientRequest): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (!request.writableNeedDrain) return resume(Effect.void)
    const onDrain = () => resume(Effect.void)
    request.once("drain", onDrain)
    return Effect.sync(() => request.off("drain", onDrain))
  })

// An empty body has a length of zero. Others have the length of their header, or come in chunks.
const send = (request: ClientRequest, body: Stream.Stream<Uint8Array>): Effect.Effect<void, Failure> =>
  Stream.runForEach(body, (chunk) =>
    Effect.suspend(() =>
      chunk.length === 0 || request.write(chunk)
        ? Effect.void
        : interruptible.timeoutFail(drained(request), { duration: silence, onTimeout: silent("accepted no data") })
    ))
    .pipe(Effect.zipRight(Effect.sync(() => request.end())))

const decoders: Readonly<Record<string, () => Transform>> = {
  "br": createBrotliDecompress,
  "deflate": createInflate,
  "gzip": createGunzip,
  "x-gzip": createGunzip
}

// Values that mean no encoding. Some object stores repeat how an object was uploaded.
const plain: ReadonlySet<string> = new Set(["", "identity", "aws-chunked"])

/** The encodings of the body, first to last. */
export const encodings = (headers: httpHeaders.HttpHeaders): ReadonlyArray<string> =>
  (headers["content-encoding"] ?? "").toLowerCase().split(",").map((name) => name.trim())
    .filter((name) => !plain.has(name))

const decoded = (response: IncomingMessage, headers: httpHeaders.HttpHeaders): Effect.Effect<Readable, Failure> =>
  Effect.suspend((): Effect.Effect<Readable, Failure> => {
    const steps: Array<Transform> = []
    for (const name of encodings(headers).toReversed()) {
      const decoder = Object.hasOwn(decoders, name) ? decoders[name] : undefined
      if (decoder === undefined) {
        return new ExchangeError({
          details: `the answer is encoded with ${JSON.stringify(name)}, which the exporter cannot decode`,
          timedOut: false
        })
      }
      steps.push(decoder())
    }
    const last = steps.at(-1)
    if (last === undefined) return Effect.succeed(response)
    // A failure of any step reaches the last one, which is read.
    pipeline([response, ...steps], () => {})
    return Effect.succeed(last)
  })

// How many bytes of an answer are read ahead.
const readAhead = 262_144

interface Body {
  readonly bytes: Stream.Stream<Uint8Array, Failure>
  /**
   * Gives up the answer at its expiry, or when nothing arrives while somebody waits. A race or a timer for each piece would
   * take longer than the piece itself.
   */
  readonly watch: Effect.Effect<void>
}

// The answer has been aborted; `problem` returns what the request knows about the cause.
const bodyOf = (source: Readable, problem: () => unknown, expiry: Effect.Effect<never, Expired>): Body => {
  let pieces: Array<Uint8Array> = []
  let size = 0
  let waits = 0
  let wake: (() => void) | undefined
  let expired: Failure | undefined
  // Returns undefined as long as there is nothing to return.
  const take = (): Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<Failure>> | undefined => {
    // Check the expiry before the pieces: a fast server always has more of them.
    if (expired !== undefined) return Effect.fail(Option.some(expired))
    if (pieces.length > 0) {
      const taken = Chunk.unsafeFromArray(pieces)
      pieces = []
      size = 0
      source.resume()
      return Effect.succeed(taken)
    }
    if (source.errored !== null) return Effect.fail(Option.some(broken(problem() ?? source.errored)))
    if (source.readableEnded) return Effect.fail(Option.none())
    return source.destroyed ? Effect.fail(Option.some(broken("the connection was closed"))) : undefined
  }
  const wait = suspended.until<Chunk.Chunk<Uint8Array>, Option.Option<Failure>>((resume) => {
    waits += 1
    wake = () => {
      const taken = take()
      if (taken === undefined) return
      wake = undefined
      resume(taken)
    }
    wake()
    return Effect.sync(() => {
      wake = undefined
    })
  })
  const bytes = Stream.suspend(() => {
    source.on("data", (piece: Uint8Array) => {
      pieces.push(piece)
      size += piece.length
      if (size >= readAhead) source.pause()
      wake?.()
    })
    for (const event of ["end", "close", "error"]) source.on(event, () => wake?.())
    return pull.chunks(Effect.suspend(() => take() ?? wait))
  })
  const stalled = Effect.suspend(() => {
    let seen = 0
    return Effect.forever(Effect.delay(
      Effect.suspend(() => {
        if (wake !== undefined && waits === seen) return Effect.fail(silent("sent no data")())
        seen = waits
        return Effect.void
      }),
      silence
    ))
  })
  const watch = Effect.catchAll(interruptible.raceFirst(stalled, expiry), (failure) =>
    Effect.sync(() => {
      expired = failure
      wake?.()
    }))
  return { bytes, watch }
}

/** Makes requests directly, and refuses addresses of guarded networks unless they are allowed. */
export const direct = (allowed: ReadonlySet<GuardedNetwork>, resolve: Resolve = systemLookup): Exchange => {
  const lookup = lookupWithin(allowed, resolve)
  return (given, expiry) =>
    Effect.gen(function*() {
      const answered = yield* Deferred.make<IncomingMessage, Failure>()
      let problem: unknown
      const fail = (cause: unknown) => {
        problem ??= cause
        Deferred.unsafeDone(answered, Effect.fail(broken(cause)))
      }
      const request = yield* Effect.acquireRelease(
        Effect.try({
          try: () =>
            open(given, lookup).on("error", fail)
              .on("response", (response) => {
                response.on("error", () => {})
                Deferred.unsafeDone(answered, Effect.succeed(response))
              })
              .on("upgrade", ({ statusCode }, socket) => {
                socket.destroy()
                fail(new Error(`the server switched to another protocol (${statusCode})`))
              }),
          catch: broken
        }),
        (request) => Effect.sync(() => request.destroy())
      )
      const answer = Deferred.await(answered)
      const sent = send(request, given.body ?? Stream.empty)
      // An answer that comes before the request is sent completely is heard, and the rest is not sent.
      yield* interruptible.raceFirst(sent, answer)
      const response = yield* interruptible.timeoutFail(answer, {
        duration: silence,
        onTimeout: silent("not answered")
      })
      const headers = httpHeaders.make(response.headers)
      const { bytes, watch } = bodyOf(yield* decoded(response, headers), () => problem, expiry)
      yield* interruptible.forkScoped(watch)
      return { status: response.statusCode ?? 0, headers, body: bytes }
    })
}
