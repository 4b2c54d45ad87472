// One RPC on the calling side of an HTTP/2 connection, from its headers to its status.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Http2 from "node:http2"
import type { Bytes } from "../../grpc/Bytes.ts"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import type { CallOptions } from "../../grpc/grpcTransport.ts"
import { withoutStack } from "../../util/withoutStack.ts"
import * as httpLoss from "../http/loss.ts"
import * as httpStatus from "../http/status.ts"
import * as closedStream from "./closedStream.ts"
import type { Http2Connection } from "./connection.ts"
import { MessageError } from "./messageReader.ts"
import * as httpMessages from "./messages.ts"

const { HTTP2_HEADER_CONTENT_TYPE, HTTP2_HEADER_METHOD, HTTP2_HEADER_PATH, HTTP2_HEADER_TE } = Http2.constants

// How an RPC ended; `None` is `OK`.
export type Outcome = Option.Option<GrpcStatus.GrpcStatusError>

// Callbacks for what the peer sends.
export interface Receiver {
  readonly onHeaders: (headers: Http2.IncomingHttpHeaders) => void
  // When it returns a promise, the next message is read after the promise resolves.
  readonly onMessage: (message: Bytes) => Promise<void> | undefined
  // This side cancels the RPC, so received messages are no longer needed.
  readonly onCancel: () => void
  // The RPC has ended. No other callback follows.
  readonly onEnd: (outcome: Outcome) => void
}

export interface Rpc {
  readonly name: string
  readonly target: string
  readonly maxMessageBytes: number
}

export class HttpCall {
  private readonly sender: httpMessages.Sender
  private readonly stream: Http2.ClientHttp2Stream
  private readonly reading: httpMessages.Reading
  // The status that the peer sent.
  private answer: Outcome | undefined
  private error: Error | undefined
  private responded = false
  private over = false

  constructor(
    private readonly session: Http2Connection,
    private readonly rpc: Rpc,
    { metadata }: CallOptions,
    private readonly receiver: Receiver
  ) {
    const stream = session.http.request({
      ...(metadata === undefined ? {} : Object.fromEntries(metadata.entries)),
      [HTTP2_HEADER_METHOD]: "POST",
      [HTTP2_HEADER_PATH]: rpc.name,
      [HTTP2_HEADER_CONTENT_TYPE]: "application/grpc",
      [HTTP2_HEADER_TE]: "trailers"
    })
    this.stream = stream
    this.sender = new httpMessages.Sender(stream, session.turns, session.outlet)
    this.reading = new httpMessages.Reading(stream, receiver.onMessage, rpc.maxMessageBytes, (error) => {
      const code = error instanceof MessageError ? error.code : "INTERNAL"
      this.abort(this.fail(code, error instanceof Error ? error.message : String(error), "client", { cause: error }))
    })
    // Node may emit the beginning of the body before the headers that precede it.
    stream.on("response", (headers, flags) => {
      this.responded = true
      const problem = httpStatus.problemOfAnswer(headers[":status"], headers["content-type"])
      // A status in the headers counts only when they end the stream, and OK in an error page does not count.
      const ends = (flags & Http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0
      if (ends && this.answered(headers) && (problem === undefined || !this.isSuccess())) return
      // The address leads to something that is not an exporter.
      if (problem !== undefined) {
        return this.abort(this.fail(problem.code, problem.details, "transport", { scope: "connection" }))
      }
      receiver.onHeaders(headers)
      this.reading.start(headers["grpc-encoding"]?.toString())
    })
    stream.on("trailers", (headers) => void this.answered(headers))
    stream.on("error", (error) => {
      this.error = error
    })
    // All messages have been read.
    stream.on("end", () => {
      if (this.answer === undefined) return this.over ? undefined : this.abort(this.cutOff())
      this.end(this.outcome())
      // The peer does not read what this side may still be sending, so the stream is reset. With nothing left to send it is ended
      // instead: servers count resets, and close connections with too many.
      if (this.sender.isIdle) this.sender.end()
      else this.reset()
    })
    stream.on("close", () => {
      this.sender.close()
      closedStream.forget(stream)
      if (this.over) return
      this.reading.drain()
      this.end(this.outcome())
    })
  }

  readonly cancel = Effect.sync(() => {
    // Every RPC is cancelled when its scope closes, and most have ended by then.
    if (this.over) return
    this.receiver.onCancel()
    this.abort(withoutStack(() => this.fail("CANCELLED", "the RPC was cancelled by this client", "client")))
  })

  // Whether the RPC has ended. Messages sent after that are dropped.
  get isOver(): boolean {
    return this.over
  }

  send(message: Bytes): Effect.Effect<void> {
    return this.sender.send([message])
  }

  // Sends the only message of an RPC.
  sendOnly(message: Uint8Array): void {
    this.sender.sendFirst(message)
    this.sender.end()
  }

  readonly halfClose = Effect.sync(() => {
    this.sender.end()
  })

  // Ends the RPC from this side, after the messages that have arrived.
  abort(outcome: Outcome): void {
    if (this.over) return
    this.reading.drain()
    this.end(outcome)
    this.reset()
  }

  fail(
    code: GrpcStatus.GrpcCode,
    details: string,
    origin: GrpcStatus.StatusOrigin,
    { cause, scope = "rpc" }: { readonly cause?: unknown; readonly scope?: GrpcStatus.StatusScope } = {}
  ): Outcome {
    const { name: rpc, target } = this.rpc
    // Every abandoned byte stream makes such an error, and validating typed fields would be most of its cost.
    const unchecked = { disableValidation: true }
    return Option.some(new GrpcStatus.GrpcStatusError({ code, details, origin, scope, rpc, target, cause }, unchecked))
  }

  // The outcome of an RPC whose connection was lost.
  lost(details: string): Outcome {
    return this.fail("UNAVAILABLE", details, "transport", { scope: "connection", cause: this.error })
  }

  // Without the empty `_final`, Node would end the messages before the reset, as if they were complete. Within an event no other code
  // than CANCEL is safe, see http/ending.
  private reset(): void {
    this.sender.close()
    this.stream._final = (callback) => callback()
    this.stream.close(Http2.constants.NGHTTP2_CANCEL)
  }

  private answered(headers: Http2.IncomingHttpHeaders): boolean {
    const status = httpStatus.fromTrailers(headers)
    if (status === undefined) return false
    this.answer = status.code === "OK" ? Option.none() : this.fail(status.code, status.details, "peer")
    return true
  }

  private isSuccess(): boolean {
    return this.answer !== undefined && Option.isNone(this.answer)
  }

  private outcome(): Outcome {
    if (this.answer === undefined) return this.cutOff()
    return this.reading.isPartial && this.isSuccess()
      ? this.fail("INTERNAL", "the RPC ended inside a message", "transport")
      : this.answer
  }

  // The outcome of an RPC that ended without a status of the peer.
  private cutOff(): Outcome {
    const goAway = this.session.goAway()
    const { error: cause } = this
    if (!this.responded && this.isUnseen(goAway)) {
      return this.fail("UNAVAILABLE", httpLoss.unseen(goAway), "client", { cause })
    }
    if (this.session.isLost()) return this.lost(this.session.explain(cause))
    const { code, details } = httpStatus.statusOfReset(this.stream.rstCode ?? 0)
    return this.fail(code, details, "transport", { cause })
  }

  // Whether HTTP/2 guarantees that the peer did nothing. Since Node 24 a closed session still returns streams, which have no number
  // and never begin.
  private isUnseen(goAway: httpLoss.GoAway | undefined): boolean {
    const { id, rstCode } = this.stream
    return id === undefined || rstCode === Http2.constants.NGHTTP2_REFUSED_STREAM ||
      goAway !== undefined && id > goAway.lastStream
  }

  private end(outcome: Outcome): void {
    if (this.over) return
    this.over = true
    this.sender.release()
    this.receiver.onEnd(outcome)
  }
}
