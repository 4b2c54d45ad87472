// Bidirectional RPCs over node:http2, beside nice-grpc. grpc-js reads one message at a time and copies it several times,
// which holds a byte stream to a third of what the reference client moves. Here messages are read as they arrive.
import * as Headers from "@effect/platform/Headers"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Http2 from "node:http2"
import type { Endpoint } from "../Endpoint.ts"
import type { CallOptions, ChannelOptions, GrpcDuplex, GrpcTransport } from "../GrpcChannel.ts"
import * as GrpcStatus from "../GrpcStatus.ts"
import type { Credentials } from "./grpcCredentials.ts"
import * as httpMessages from "./httpMessages.ts"
import * as httpSession from "./httpSession.ts"
import * as httpStatus from "./httpStatus.ts"
import { Inbox } from "./inbox.ts"
import { MessageError } from "./messageReader.ts"

// Bytes a call may hold that its consumer has not taken yet, on top of the HTTP/2 window.
const inboxBytes = 1024 * 1024

const { HTTP2_HEADER_CONTENT_TYPE, HTTP2_HEADER_METHOD, HTTP2_HEADER_PATH, HTTP2_HEADER_TE } = Http2.constants

// How a call ended; none is `OK`.
type Outcome = Option.Option<GrpcStatus.GrpcStatusError>

class Call {
  readonly initialMetadata = Deferred.unsafeMake<Headers.Headers, GrpcStatus.GrpcStatusError>(FiberId.none)
  readonly status = Deferred.unsafeMake<void, GrpcStatus.GrpcStatusError>(FiberId.none)
  readonly inbox = new Inbox<GrpcStatus.GrpcStatusError>(inboxBytes)
  private readonly sender: httpMessages.Sender
  private readonly stream: Http2.ClientHttp2Stream
  // What the peer said about the end of the call: its status, or how it failed to be a gRPC peer.
  private answer: Outcome | undefined
  private error: Error | undefined
  private over = false

  constructor(
    private readonly session: httpSession.Session,
    private readonly rpc: string,
    private readonly target: string,
    options: CallOptions,
    maxMessageBytes: number,
    private readonly onEnd: () => void
  ) {
    const stream = session.http.request({
      ...options.metadata,
      [HTTP2_HEADER_METHOD]: "POST",
      [HTTP2_HEADER_PATH]: rpc,
      [HTTP2_HEADER_CONTENT_TYPE]: "application/grpc",
      [HTTP2_HEADER_TE]: "trailers"
    })
    this.stream = stream
    this.sender = new httpMessages.Sender(stream)
    const reader = httpMessages.receive(stream, this.inbox, maxMessageBytes, (error) => {
      const code = error instanceof MessageError ? error.code : "INTERNAL"
      this.abort(this.fail(code, error instanceof Error ? error.message : String(error), "client", error))
    })
    stream.on("response", (headers) => {
      const httpCode = Number(headers[":status"])
      if (httpCode !== 200) {
        const details = `Received HTTP status code ${httpCode}`
        this.answer = this.fail(httpStatus.codeOfHttpStatus(httpCode), details, "transport")
      } else if (!this.answered(headers)) {
        Deferred.unsafeDone(this.initialMetadata, Exit.succeed(httpStatus.fromHeaders(headers)))
      }
    })
    stream.on("trailers", (headers) => void this.answered(headers))
    stream.on("error", (error) => {
      this.error = error
    })
    // All messages have been read.
    stream.on("end", () => {
      if (this.answer === undefined) return
      this.end(
        reader.isPartial && Option.isNone(this.answer)
          ? this.fail("INTERNAL", "the RPC ended inside a message", "transport")
          : this.answer
      )
      // Nobody reads what this side may still be sending.
      stream.close()
    })
    stream.on("close", () => {
      this.end(this.answer !== undefined && Option.isSome(this.answer) ? this.answer : this.cutOff())
    })
  }

  readonly cancel = Effect.sync(() =>
    this.abort(this.fail("CANCELLED", "the RPC was cancelled by this client", "client"))
  )

  // A message that went nowhere because the call had ended fails with the reason.
  readonly send = (message: Uint8Array): Effect.Effect<void, GrpcStatus.GrpcStatusError> =>
    Effect.zipRight(
      this.sender.send([message]),
      Effect.suspend(() => {
        if (!this.over) return Effect.void
        return Effect.zipRight(
          Deferred.await(this.status),
          Effect.flip(this.fail("FAILED_PRECONDITION", "the RPC has ended, nothing can be sent", "client"))
        )
      })
    )

  readonly halfClose = Effect.sync(() => {
    this.stream.end()
  })

  private abort(outcome: Outcome): void {
    this.inbox.discard()
    this.end(outcome)
    // Node would first end the messages of a stream that it resets, as if that were all.
    this.stream._final = (callback) => callback()
    this.stream.close(Http2.constants.NGHTTP2_CANCEL)
  }

  private answered(headers: Http2.IncomingHttpHeaders): boolean {
    const status = httpStatus.fromTrailers(headers)
    if (status === undefined) return false
    this.answer = status.code === "OK" ? Option.none() : this.fail(status.code, status.details, "peer")
    return true
  }

  // The end of a call that the peer did not end.
  private cutOff(): Outcome {
    if (this.session.isLost()) {
      return this.fail("UNAVAILABLE", this.error?.message ?? "Connection dropped", "transport", this.error)
    }
    const { code, details } = httpStatus.statusOfReset(this.stream.rstCode ?? 0)
    return this.fail(code, details, "transport", this.error)
  }

  private end(outcome: Outcome): void {
    if (this.over) return
    this.over = true
    const exit = Option.match(outcome, { onNone: () => Exit.void, onSome: Exit.fail })
    Deferred.unsafeDone(this.initialMetadata, Exit.as(exit, Headers.empty))
    Deferred.unsafeDone(this.status, exit)
    this.inbox.close(outcome)
    this.sender.release()
    this.onEnd()
  }

  private fail(
    code: GrpcStatus.GrpcCode,
    details: string,
    origin: GrpcStatus.StatusOrigin,
    cause?: unknown
  ): Outcome {
    return Option.some(
      new GrpcStatus.GrpcStatusError({ code, details, origin, rpc: this.rpc, target: this.target, cause })
    )
  }
}

export const make = Effect.fnUntraced(function*(
  endpoint: Endpoint,
  target: string,
  credentials: Credentials,
  options: ChannelOptions,
  maxMessageBytes: number
) {
  const connect = yield* httpSession.make(endpoint, target, credentials, options.connectTimeout)
  const calls = new Set<Call>()
  yield* Effect.addFinalizer(() => Effect.forEach(calls, (call) => call.cancel, { discard: true }))

  const start = (session: httpSession.Session, rpc: string, options: CallOptions) =>
    Effect.try({
      try: () => {
        const call: Call = new Call(session, rpc, target, options, maxMessageBytes, () => {
          calls.delete(call)
          // A connection keeps the process alive as long as there are calls.
          if (calls.size === 0) session.http.unref()
        })
        calls.add(call)
        session.http.ref()
        return call
      },
      // The connection went away since it was looked at.
      catch: (cause) =>
        new GrpcStatus.GrpcStatusError({
          code: "UNAVAILABLE",
          details: cause instanceof Error ? cause.message : String(cause),
          origin: "transport",
          rpc,
          target,
          cause
        })
    })

  const duplex: GrpcTransport["duplex"] = Effect.fnUntraced(function*(rpc, options) {
    const session = yield* connect(rpc)
    const call = yield* Effect.acquireRelease(start(session, rpc, options), (call) => call.cancel)
    return {
      initialMetadata: Deferred.await(call.initialMetadata),
      messages: Stream.repeatEffectChunkOption(call.inbox.take),
      send: (message) => call.send(message),
      halfClose: call.halfClose,
      cancel: call.cancel,
      status: Deferred.await(call.status)
    } satisfies GrpcDuplex
  })
  return duplex
}) satisfies (...args: never) => Effect.Effect<GrpcTransport["duplex"], never, Scope.Scope>
