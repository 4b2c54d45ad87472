// One call of a channel of grpc-js, and where its status came from.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { type CallOptions as NiceCallOptions, ClientError, Metadata as NiceMetadata } from "nice-grpc"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import type { CallOptions } from "../../grpc/grpcTransport.ts"
import type * as Metadata from "../../grpc/Metadata.ts"
import * as httpLoss from "../http/loss.ts"
import * as httpStatus from "../http/status.ts"
import type { Inbox } from "../inbox.ts"
import { fromMetadata } from "./codec.ts"
import * as texts from "./texts.ts"

// Why a connection could not be made, with the cause if it is known.
export interface Explained {
  readonly details: string
  readonly reason?: Error
}

// One call, which can be aborted. It records what arrives, to decide afterwards where its status came from. A status with trailing
// metadata comes from the peer: a response that is only a failure has its content type there, and our own host adds a key to every
// failure. A status that grpc-js made up has no trailing metadata. Without any, the status is the peer's if response headers have
// arrived, unless `texts.localScope` knows it.
export class Call {
  private readonly controller = new AbortController()
  private headers = false
  private trailers = false
  private contentType: string | undefined
  private refusal: GrpcStatus.GrpcStatusError | undefined

  constructor(
    readonly place: GrpcStatus.StatusPlace,
    private readonly explain: (details: string) => Explained,
    private readonly onInitialMetadata: (metadata: Metadata.Metadata) => void = () => {}
  ) {}

  abort(): void {
    this.controller.abort()
  }

  // Aborts the call with a status of this side.
  refuse(refusal: GrpcStatus.GrpcStatusError): void {
    this.refusal ??= refusal
    this.abort()
  }

  options(options: CallOptions): NiceCallOptions {
    return {
      metadata: NiceMetadata(options.metadata?.entries),
      signal: this.controller.signal,
      onHeader: (header) => {
        this.headers = true
        this.contentType = header.get("content-type")
        if (httpStatus.isGrpc(this.contentType)) this.onInitialMetadata(fromMetadata(header))
      },
      onTrailer: (trailer) => {
        this.contentType ??= trailer.get("content-type")
        this.trailers = !trailer[Symbol.iterator]().next().done
      }
    }
  }

  // Whether the content type of the response is gRPC's.
  get isGrpc(): boolean {
    return httpStatus.isGrpc(this.contentType)
  }

  // Returns the failure, if any, of a call that grpc-js reports as successful.
  statusOfSuccess(): GrpcStatus.GrpcStatusError | undefined {
    return this.refusal ?? this.statusOfPage("")
  }

  statusOf(cause: unknown): GrpcStatus.GrpcStatusError {
    if (this.refusal !== undefined) return this.refusal
    const refused = (code: GrpcStatus.GrpcCode, details: string) =>
      GrpcStatus.refused(this.place, code, details, { cause })
    if (cause instanceof Error && cause.name === "AbortError") {
      return refused("CANCELLED", "the RPC was cancelled by this client")
    }
    const page = this.statusOfPage(cause instanceof ClientError ? cause.details : "", cause)
    if (page !== undefined) return page
    if (!(cause instanceof ClientError)) {
      // The call rejects with an error without a code when grpc-js cannot decompress a message.
      return cause instanceof Error && "code" in cause && cause.code === undefined
        ? refused("INTERNAL", "Received a compressed message, but no encoding (grpc-encoding) that grpc-js knows")
        : refused("INTERNAL", cause instanceof Error ? cause.message : String(cause))
    }
    const code = GrpcStatus.codeFromNumber(cause.code)
    const { details } = cause
    const make = (
      details: string,
      origin: GrpcStatus.StatusOrigin,
      scope: GrpcStatus.StatusScope,
      reason: Error = cause
    ) => this.make(code, details, origin, scope, reason)
    if (this.trailers) return make(details, "peer", "rpc")
    const loss = texts.loss(details)
    if (loss !== undefined) {
      const why = "code" in loss
        ? httpLoss.closed({ ...loss, lastStream: 0, text: "" })
        : httpLoss.gaveUp(loss.mistake)
      return GrpcStatus.lost(this.place, why, cause)
    }
    const scope = texts.localScope(code, details)
    if (!this.headers && texts.isRefused(details)) return refused(code, httpLoss.unseen())
    if (!this.headers) {
      const explained = this.explain(details)
      return make(explained.details, "transport", scope ?? "connection", explained.reason)
    }
    if (texts.isTooLarge(code, details)) return refused(code, details)
    return scope === undefined ? make(details, "peer", "rpc") : make(details, "transport", scope)
  }

  // Returns the status of a response that is not gRPC. grpc-js does not check the content type of responses.
  private statusOfPage(details: string, cause?: unknown): GrpcStatus.GrpcStatusError | undefined {
    const code = texts.httpStatusCode(details)
    if (code === undefined && this.contentType === undefined) return undefined
    if (this.isGrpc && code === "200") return this.make("UNKNOWN", httpStatus.noStatus, "transport", "rpc", cause)
    // A gRPC peer may send the same text as its status.
    if (this.trailers && this.isGrpc) return undefined
    const problem = httpStatus.problemOfAnswer(code === undefined ? 200 : Number(code), this.contentType)
    // The server at this address is not an exporter.
    return problem && this.make(problem.code, problem.details, "transport", "connection", cause)
  }

  private make(
    code: GrpcStatus.GrpcCode,
    details: string,
    origin: GrpcStatus.StatusOrigin,
    scope: GrpcStatus.StatusScope,
    cause: unknown
  ): GrpcStatus.GrpcStatusError {
    return new GrpcStatus.GrpcStatusError({ ...this.place, code, details, origin, scope, cause })
  }
}

// Reads the messages of a call into an inbox until the call ends, and cancels the call when the scope closes first. Cancelling
// aborts the signal before anything else, because nice-grpc's iterators do not return while a `next` is pending.
export const readInto = (
  calls: Set<Call>,
  inbox: Inbox<Uint8Array, GrpcStatus.GrpcStatusError>,
  call: Call,
  start: () => AsyncIterable<Uint8Array>,
  onEnd: (exit: Exit.Exit<void, GrpcStatus.GrpcStatusError>) => void
): Effect.Effect<Effect.Effect<void>, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      calls.add(call)
      const read = async () => {
        for await (const message of start()) {
          const full = call.isGrpc ? inbox.push(message) : undefined
          if (full !== undefined) await full
        }
      }
      const done = read().then(
        () => {
          const status = call.statusOfSuccess()
          onEnd(status === undefined ? Exit.void : Exit.fail(status))
          inbox.close(Option.fromNullable(status))
        },
        (cause) => {
          const status = call.statusOf(cause)
          onEnd(Exit.fail(status))
          inbox.close(Option.some(status))
        }
      ).finally(() => calls.delete(call))
      return Effect.promise(() => {
        call.abort()
        inbox.discard()
        return done
      })
    }),
    (cancel) => cancel
  )
