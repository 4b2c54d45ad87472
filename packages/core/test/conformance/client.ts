// Our clients as the conformance suite drives them: each request on standard input is an RPC to make, and its outcome goes to
// standard output. The argument names the transport; in memory the RPCs go to our own handlers.
import type { JsonObject } from "@bufbuild/protobuf"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Bytes from "../../src/grpc/Bytes.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import { GrpcStatusError } from "../../src/grpc/GrpcStatus.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import * as messages from "./messages.ts"
import * as metadata from "./metadata.ts"
import { handlers } from "./service.ts"

const [transport = "http2"] = process.argv.slice(2)

const Request = Schema.Struct({
  testName: Schema.String,
  host: Schema.optionalWith(Schema.String, { default: () => "127.0.0.1" }),
  port: Schema.optionalWith(Schema.Number, { default: () => 0 }),
  serverTlsCert: Schema.optional(messages.Text),
  clientTlsCreds: Schema.optional(Schema.Struct({ cert: messages.Text, key: messages.Text })),
  method: Schema.String,
  streamType: Schema.String,
  requestHeaders: messages.Headers,
  requestMessages: Schema.optionalWith(Schema.Array(messages.JsonMessage), { default: () => [] }),
  timeoutMs: Schema.optional(Schema.Number),
  requestDelayMs: Schema.optionalWith(Schema.Number, { default: () => 0 }),
  cancel: Schema.optional(Schema.Struct({
    beforeCloseSend: Schema.optional(Schema.Unknown),
    afterCloseSendMs: Schema.optional(Schema.Number),
    afterNumResponses: Schema.optional(Schema.Number)
  }))
})

type Request = typeof Request.Type

const Response = Schema.Struct({ payload: Schema.optionalWith(messages.JsonMessage, { default: () => ({}) }) })

/** What an RPC has come to so far. */
interface Outcome {
  readonly payloads: Array<JsonObject>
  headers: GrpcChannel.CallOptions["metadata"]
  unsent: number
}

const open = (
  request: Request
): Effect.Effect<GrpcChannel.Channel, GrpcStatusError, Scope.Scope> => {
  if (transport === "memory") return GrpcChannel.fromHandlers(handlers)
  const { clientTlsCreds, host, port, serverTlsCert } = request
  const certificate = clientTlsCreds === undefined
    ? undefined
    : { chain: clientTlsCreds.cert, privateKey: Redacted.make(clientTlsCreds.key) }
  const endpoint = serverTlsCert === undefined
    ? Endpoint.tcp(host, port)
    : Endpoint.tls(host, port, Endpoint.Trust.CertificateAuthority({ ca: serverTlsCert }), { certificate })
  return GrpcChannel.fromEndpoint(endpoint, { transport: transport === "grpc-js" ? "nice-grpc" : "http2" })
}

const failed = (code: GrpcStatusError["code"], details: string): GrpcStatusError =>
  new GrpcStatusError({ code, details, origin: "client", rpc: "", target: "" })

// Deadlines and cancellations of calls are Effect's, which interrupts them; their statuses are for the suite only.
const endAfter =
  (milliseconds: number | undefined, code: "CANCELLED" | "DEADLINE_EXCEEDED") =>
  <A, R>(effect: Effect.Effect<A, GrpcStatusError, R>): Effect.Effect<A, GrpcStatusError, R> =>
    milliseconds === undefined
      ? effect
      : Effect.timeoutFail(effect, { duration: milliseconds, onTimeout: () => failed(code, "ended by the caller") })

const duplex = Effect.fnUntraced(function*(
  channel: GrpcChannel.Channel,
  request: Request,
  requests: ReadonlyArray<Uint8Array>,
  take: (message: Uint8Array) => void,
  outcome: Outcome
) {
  const { cancel, method, requestDelayMs, requestHeaders, streamType } = request
  outcome.unsent = requests.length
  const call = yield* channel.duplex(messages.servicePath + method, { metadata: metadata.fromList(requestHeaders) })
  // Without headers there is no answer before the RPC has ended.
  yield* Effect.addFinalizer(() =>
    Effect.zipRight(call.cancel, call.initialMetadata).pipe(
      Effect.map((headers) => {
        outcome.headers = headers
      }),
      Effect.ignore
    )
  )
  let waiting: ReadonlyArray<Uint8Array> = []
  let count = 0
  // Whether there was another one.
  const receive = Effect.gen(function*() {
    if (waiting.length === 0) {
      const received = yield* Effect.either(call.receive)
      if (Either.isLeft(received)) return Option.isSome(received.left) ? yield* received.left.value : false
      waiting = Chunk.toReadonlyArray(received.right).map(Bytes.join)
    }
    const [first = new Uint8Array(), ...rest] = waiting
    waiting = rest
    take(first)
    if (++count === cancel?.afterNumResponses) yield* call.cancel
    return true
  })
  for (const message of requests) {
    yield* Effect.sleep(requestDelayMs)
    yield* call.send(message)
    outcome.unsent--
    if (streamType === "STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM" && !(yield* receive)) break
  }
  if (cancel !== undefined && "beforeCloseSend" in cancel) yield* call.cancel
  yield* call.halfClose
  if (cancel?.afterCloseSendMs !== undefined) {
    yield* Effect.zipRight(Effect.sleep(cancel.afterCloseSendMs), call.cancel)
  }
  while (yield* receive);
})

const run = Effect.fnUntraced(function*(request: Request, outcome: Outcome) {
  const { cancel, method, requestHeaders, requestMessages, streamType } = request
  const channel = yield* open(request)
  const requests = requestMessages.map(messages.ofAny)
  const [first = new Uint8Array()] = requests
  const path = messages.servicePath + method
  const options = { metadata: metadata.fromList(requestHeaders) }
  const take = (message: Uint8Array): void => {
    outcome.payloads.push(messages.decode(`${method}Response`, Response, message).payload)
  }
  switch (streamType) {
    case "STREAM_TYPE_UNARY": {
      const call = channel.unary(path, first, options)
      return take(yield* endAfter(cancel?.afterCloseSendMs, "CANCELLED")(call))
    }
    case "STREAM_TYPE_SERVER_STREAM": {
      const taken = Stream.runForEach(channel.serverStreaming(path, first, options), (message) => {
        take(message)
        return outcome.payloads.length === cancel?.afterNumResponses
          ? failed("CANCELLED", "ended by the caller")
          : Effect.void
      })
      return yield* endAfter(cancel?.afterCloseSendMs, "CANCELLED")(taken)
    }
    // The seam has no such shape: how many answers there may be is up to the caller.
    case "STREAM_TYPE_CLIENT_STREAM": {
      const answers: Array<Uint8Array> = []
      const call = duplex(channel, request, requests, (message) => void answers.push(message), outcome)
      yield* Effect.scoped(call)
      const [answer] = answers
      if (answer === undefined || answers.length > 1) {
        return yield* failed("UNIMPLEMENTED", `${answers.length} answers instead of one`)
      }
      return take(answer)
    }
    default:
      return yield* Effect.scoped(duplex(channel, request, requests, take, outcome))
  }
})

const respond = (request: Request): Effect.Effect<void> =>
  Effect.gen(function*() {
    const outcome: Outcome = { payloads: [], headers: undefined, unsent: 0 }
    const result = yield* run(request, outcome).pipe(
      Effect.scoped,
      endAfter(request.timeoutMs, "DEADLINE_EXCEEDED"),
      Effect.either
    )
    const { code = "", details = "" } = Either.isLeft(result) ? result.left : {}
    yield* messages.answer("ClientCompatResponse", {
      testName: request.testName,
      response: {
        payloads: outcome.payloads,
        responseHeaders: metadata.toList(outcome.headers ?? metadata.fromList([])),
        numUnsentRequests: outcome.unsent,
        ...(Either.isRight(result)
          ? {}
          : { error: { code: code === "CANCELLED" ? "CODE_CANCELED" : `CODE_${code}`, message: details } })
      }
    })
  })

const program = Stream.fromAsyncIterable(messages.received(), (cause) => new Error(String(cause))).pipe(
  Stream.map((bytes) => messages.decode("ClientCompatRequest", Request, bytes)),
  Stream.mapEffect(respond, { concurrency: 16, unordered: true }),
  Stream.runDrain
)

NodeRuntime.runMain(program)
