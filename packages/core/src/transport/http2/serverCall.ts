// One RPC on the serving side of an HTTP/2 connection, from its headers to its trailers.
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2"
import { clearTimeout, setImmediate, setTimeout } from "node:timers"
import * as Bytes from "../../grpc/Bytes.ts"
import * as exitStatus from "../../grpc/exitStatus.ts"
import type { GrpcHandler, GrpcHandlers } from "../../grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import * as Metadata from "../../grpc/Metadata.ts"
import type { RpcFibers } from "../../grpc/rpcFibers.ts"
import * as sendable from "../../grpc/sendable.ts"
import * as interruptible from "../../util/interruptible.ts"
import * as rpcFibers from "../fibers.ts"
import * as httpStatus from "../http/status.ts"
import { Inbox } from "../inbox.ts"
import * as closedStream from "./closedStream.ts"
import type { EagerLine } from "./eagerLine.ts"
import { MessageError, MessageReader } from "./messageReader.ts"
import * as httpMessages from "./messages.ts"
import { maxTimer, RequestLimit } from "./requestLimit.ts"
import type { Turns } from "./sendTurns.ts"
import type { StreamWindow } from "./streamWindow.ts"

const inboxBytes = 1024 * 1024

export interface Service {
  readonly handlers: GrpcHandlers
  readonly fibers: RpcFibers
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.RuntimeFiber<A, E>
  readonly isClosing: () => boolean
  readonly maxMessageBytes: number
  readonly requests: RequestLimit<ServedCall>
}

// What a call gets from its connection.
interface Connection {
  readonly turns: Turns
  // The EagerLine under the connection, if it has one. Senders wait while it is full.
  readonly outlet: EagerLine | undefined
  // The window of its streams, if it changes.
  readonly window: StreamWindow | undefined
  // Why the connection does not accept the call, if it does not.
  readonly refusal: GrpcStatus.GrpcStatusError | undefined
}

type Handler<Tag extends GrpcHandler["_tag"]> = Extract<GrpcHandler, { readonly _tag: Tag }>

// Trailing metadata for failures. Without it a client over grpc-js cannot always distinguish our failure from one of its own
// transport. Receivers ignore keys that they do not know.
const presence = { "x-effect-grpc": "1" }

const responseHeaders = {
  [constants.HTTP2_HEADER_STATUS]: 200,
  [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc"
}

// A refused call says which compression is accepted instead.
const refusalHeaders = { ...responseHeaders, "grpc-accept-encoding": "identity" }

// Node would add a `date`, for which no client of gRPC asks, and which takes a fiftieth of a call.
const responseOptions = { waitForTrailers: true, sendDate: false }

const timeUnits: Record<string, (count: number) => Duration.Duration> = {
  H: Duration.hours,
  M: Duration.minutes,
  S: Duration.seconds,
  m: Duration.millis,
  u: (count) => Duration.micros(BigInt(count)),
  n: (count) => Duration.nanos(BigInt(count))
}

const parseTimeout = (timeout: string): Option.Option<Duration.Duration> => {
  const [, count, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(timeout) ?? []
  return Option.map(Option.fromNullable(timeUnits[unit]), (make) => make(Number(count)))
}

const deadlinePassed = "the caller's deadline has passed"

const ignore = (): void => {}

class ServedCall {
  private readonly sender: httpMessages.Sender
  private headersSent = false
  private ended = false
  private status: GrpcStatus.GrpcStatusError | undefined
  private stop = ignore
  private received: Metadata.Metadata | undefined
  // The deadline that the caller sent.
  private readonly timeout: Option.Option<Duration.Duration>
  private timer: NodeJS.Timeout | undefined

  constructor(
    private readonly service: Service,
    private readonly stream: ServerHttp2Stream,
    private readonly connection: Connection,
    headers: IncomingHttpHeaders,
    private readonly rawHeaders: ReadonlyArray<string>
  ) {
    this.sender = new httpMessages.Sender(stream, connection.turns, connection.outlet)
    this.timeout = headers["grpc-timeout"] === undefined
      ? Option.none()
      : Option.flatMap(Metadata.get(this.metadata, "grpc-timeout"), parseTimeout)
    // The close event reports the same.
    stream.on("error", ignore)
    // When a stream is reset without an error, Node would wait until its last bytes are read.
    stream.on("aborted", () => {
      // Node also emits this before it resets a stream itself, because the connection is gone. A stream that is destroyed at that moment
      // is not reset: nghttp2 keeps it, finds none of its data, and fills the memory of the process with empty frames.
      const { session } = stream
      const isGone = session !== undefined && !session.destroyed && session.socket.destroyed
      if (isGone) setImmediate(() => stream.destroy())
      else stream.destroy()
    })
    stream.on("close", () => {
      this.stopWaiting()
      this.sender.close()
      this.stop()
      closedStream.forget(stream)
    })
    stream.on("wantTrailers", () =>
      stream.sendTrailers(
        this.status === undefined ? httpStatus.success : { ...httpStatus.toTrailers(this.status), ...presence }
      ))
  }

  // Most handlers do not look at it.
  get metadata(): Metadata.Metadata {
    this.received ??= httpStatus.fromRawHeaders(this.rawHeaders)
    return this.received
  }

  // Ends the RPC, and drops what the caller still sends.
  end(status?: GrpcStatus.GrpcStatusError): void {
    if (this.ended || this.stream.destroyed || this.stream.closed) return
    this.ended = true
    this.status = status
    if (status !== undefined && !this.headersSent) {
      this.stream.respond({ ...refusalHeaders, ...httpStatus.toTrailers(status) }, { endStream: true })
    } else {
      this.sendHeaders(Metadata.empty)
      this.sender.end()
    }
    // A reset would tell the caller to stop, but might overtake the trailers.
    this.stream.resume()
  }

  endLate(details: string): void {
    this.end(GrpcStatus.make("DEADLINE_EXCEEDED", details))
  }

  unary({ handle, start }: Handler<"Unary">): void {
    const send = (answer: Uint8Array) => {
      this.sendHeaders(Metadata.empty)
      return this.sender.send([answer])
    }
    this.withRequest((message) => {
      // A deadline interrupts the fiber of the handler, and must find it running.
      if (start === undefined || Option.isSome(this.timeout)) {
        return this.run(Effect.flatMap(Effect.suspend(() => handle(message, this)), send))
      }
      const answer = start(message, this, this.service.fibers)
      if (!rpcFibers.hasEnded(answer) || !this.sender.hasRoom) return this.run(Effect.flatMap(answer, send))
      if (Exit.isSuccess(answer)) {
        this.sendHeaders(Metadata.empty)
        this.sender.sendFirst(answer.value)
      }
      this.finish(answer)
    })
  }

  serverStreaming({ handle }: Handler<"ServerStreaming">): void {
    this.withRequest((message) =>
      this.run(Effect.suspend(() =>
        Stream.runForEachChunk(handle(message, this), (chunk) => {
          this.sendHeaders(Metadata.empty)
          return this.sender.send(Chunk.toReadonlyArray(chunk))
        })
      ))
    )
  }

  duplex({ handle }: Handler<"Duplex">): void {
    const { window } = this.connection
    window?.begin()
    const inbox = new Inbox<Bytes.Bytes, GrpcStatus.GrpcStatusError>(inboxBytes)
    const reading = new httpMessages.Reading(
      this.stream,
      (message) => {
        window?.carry(Bytes.size(message))
        return inbox.push(message)
      },
      this.service.maxMessageBytes,
      (error) => this.refuse(error)
    )
    reading.start()
    // Node emits the end of a call's messages before it resets the call. A reader, such as a driver that uses a resource, must not
    // treat a truncated stream as complete.
    this.stream.on("end", () =>
      setImmediate(() => {
        if (this.stream.closed) return
        inbox.close(
          reading.isPartial
            ? Option.some(GrpcStatus.make("INTERNAL", "the requests ended inside a message"))
            : Option.none()
        )
      }))
    this.stream.on("close", () => {
      window?.end()
      // Most inboxes are closed by then, and checking costs less than making an error.
      if (!inbox.isClosed) inbox.close(Option.some(GrpcStatus.make("CANCELLED", "the caller went away")))
    })
    this.run(
      Effect.scoped(handle({
        metadata: this.metadata,
        receive: inbox.take,
        send: (message) =>
          Effect.suspend(() => {
            this.sendHeaders(Metadata.empty)
            return Effect.zipRight(
              this.sender.send([message]),
              Effect.suspend(() =>
                this.stream.writable ? Effect.void : GrpcStatus.make("CANCELLED", "the caller went away")
              )
            )
          }),
        sendInitialMetadata: (given) =>
          Effect.map(Effect.suspend(() => sendable.served(given)), (metadata) => this.sendHeaders(metadata))
      })).pipe(Effect.ensuring(Effect.sync(() => inbox.discard())))
    )
  }

  private sendHeaders(metadata: Metadata.Metadata): void {
    if (this.headersSent || this.stream.destroyed || this.stream.closed) return
    this.headersSent = true
    this.stream.respond(
      metadata.entries.size === 0 ? responseHeaders : { ...Object.fromEntries(metadata.entries), ...responseHeaders },
      responseOptions
    )
  }

  // Ends the RPC because of what its caller sent, and interrupts the handler, which may be waiting for anything.
  private refuse(error: unknown): void {
    const details = error instanceof Error ? error.message : String(error)
    this.end(GrpcStatus.make(error instanceof MessageError ? error.code : "INTERNAL", details, error))
    this.stop()
  }

  private stopWaiting(): void {
    this.service.requests.end(this)
    clearTimeout(this.timer)
  }

  // Handles the one request message of a call, once it has arrived.
  private withRequest(handle: (message: Uint8Array) => void): void {
    let message: Uint8Array | undefined
    const reader = new MessageReader(this.service.maxMessageBytes)
    this.service.requests.begin(this)
    if (Option.isSome(this.timeout)) {
      const millis = Duration.toMillis(this.timeout.value)
      if (millis <= maxTimer) this.timer = setTimeout(() => this.endLate(deadlinePassed), millis)
    }
    this.stream.on("data", (bytes: Uint8Array) => {
      if (this.ended) return
      try {
        reader.read(bytes, (next) => {
          if (message === undefined) message = Bytes.join(next)
          else this.end(GrpcStatus.make("UNIMPLEMENTED", "more than one request message"))
        })
      } catch (error) {
        this.refuse(error)
      }
    })
    this.stream.on("end", () => {
      this.stopWaiting()
      if (this.stream.closed || this.ended) return
      if (reader.isPartial) {
        this.end(GrpcStatus.make("INTERNAL", "the request ended inside its message"))
      } else if (message === undefined) {
        this.end(GrpcStatus.make("UNIMPLEMENTED", "the request ended without a message"))
      } else {
        handle(message)
      }
    })
  }

  // Runs a handler, and ends the RPC with its outcome once its finalizers have run. The handler is interrupted when the caller goes
  // away.
  private run(effect: Effect.Effect<void, GrpcStatus.GrpcStatusError>): void {
    const fiber = this.service.fork(
      Option.isNone(this.timeout) ? effect : interruptible.timeoutFail(effect, {
        duration: this.timeout.value,
        onTimeout: () => GrpcStatus.make("DEADLINE_EXCEEDED", deadlinePassed)
      })
    )
    this.stop = () => fiber.unsafeInterruptAsFork(fiber.id())
    fiber.addObserver((exit) => {
      this.stop = ignore
      this.finish(exit)
    })
  }

  private finish(exit: Exit.Exit<unknown, GrpcStatus.GrpcStatusError>): void {
    this.end(
      Exit.isSuccess(exit)
        ? undefined
        : this.service.isClosing() && Cause.isInterruptedOnly(exit.cause)
        ? GrpcStatus.make("UNAVAILABLE", "the exporter is shutting down")
        : exitStatus.statusOf(exit.cause)
    )
  }
}

export const requestLimit = (timeout: Duration.Duration): RequestLimit<ServedCall> =>
  new RequestLimit(
    Duration.toMillis(timeout),
    (call) => call.endLate(`the request message did not arrive within ${Duration.format(timeout)} (requestTimeout)`)
  )

export const serve = (
  service: Service,
  connection: Connection,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: ReadonlyArray<string>
): void => {
  const rpc = String(headers[constants.HTTP2_HEADER_PATH])
  const call = new ServedCall(service, stream, connection, headers, rawHeaders)
  // The peer may have reset the stream already.
  if (stream.destroyed || stream.closed) return
  if (!httpStatus.isGrpc(headers["content-type"])) {
    stream.respond({ [constants.HTTP2_HEADER_STATUS]: constants.HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE }, {
      endStream: true
    })
    stream.resume()
    return
  }
  const handler = service.handlers.get(rpc)
  const encoding = headers["grpc-encoding"] ?? "identity"
  if (connection.refusal !== undefined) {
    call.end(connection.refusal)
  } else if (handler === undefined || headers[constants.HTTP2_HEADER_METHOD] !== "POST") {
    call.end(exitStatus.notImplemented(rpc))
  } else if (encoding !== "identity") {
    call.end(GrpcStatus.make("UNIMPLEMENTED", `messages compressed with ${String(encoding)} are not supported`))
  } else {
    switch (handler._tag) {
      case "Unary":
        return call.unary(handler)
      case "ServerStreaming":
        return call.serverStreaming(handler)
      case "Duplex":
        return call.duplex(handler)
    }
  }
}
