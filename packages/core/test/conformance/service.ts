// The service of the conformance suite, with handlers of ours.
import type { JsonObject } from "@bufbuild/protobuf"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Bytes from "../../src/grpc/Bytes.ts"
import { GrpcHandler, type GrpcHandlers } from "../../src/grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../src/grpc/GrpcStatus.ts"
import type * as Metadata from "../../src/grpc/Metadata.ts"
import * as messages from "./messages.ts"
import * as metadata from "./metadata.ts"

const Failure = Schema.Struct({
  code: Schema.optionalWith(Schema.String, { default: () => "CODE_UNKNOWN" }),
  message: Schema.optionalWith(Schema.String, { default: () => "" })
})

const delay = { responseDelayMs: Schema.optionalWith(Schema.Number, { default: () => 0 }) }

const UnaryRequest = Schema.Struct({
  responseDefinition: Schema.optional(Schema.Struct({
    ...delay,
    responseHeaders: messages.Headers,
    responseData: Schema.optional(Schema.String),
    error: Schema.optional(Failure)
  }))
})

const StreamRequest = Schema.Struct({
  fullDuplex: Schema.optional(Schema.Boolean),
  responseDefinition: Schema.optional(Schema.Struct({
    ...delay,
    responseHeaders: messages.Headers,
    responseData: Schema.optionalWith(Schema.Array(Schema.String), { default: () => [] }),
    error: Schema.optional(Failure)
  }))
})

const milliseconds: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }

const timeoutOf = (headers: Metadata.Metadata): JsonObject => {
  const [, count, unit = ""] = /^(\d+)(.)$/.exec(headers.entries.get("grpc-timeout") ?? "") ?? []
  return count === undefined ? {} : { timeoutMs: String(Math.trunc(Number(count) * (milliseconds[unit] ?? 0))) }
}

const infoOf = (headers: Metadata.Metadata, type: string, requests: ReadonlyArray<Uint8Array>): JsonObject => ({
  requestHeaders: metadata.toList(headers),
  ...timeoutOf(headers),
  requests: requests.map((request) => messages.asAny(type, request))
})

const fail = ({ code, message }: typeof Failure.Type): Effect.Effect<never, GrpcStatus.GrpcStatusError> => {
  const name = code === "CODE_CANCELED" ? "CANCELLED" : code.replace(/^CODE_/, "")
  return GrpcStatus.make(Schema.decodeUnknownSync(GrpcStatus.GrpcCode)(name), message)
}

const unaryAnswer = (
  method: string,
  headers: Metadata.Metadata,
  requests: ReadonlyArray<Uint8Array>
): Effect.Effect<Uint8Array, GrpcStatus.GrpcStatusError> => {
  const [first = new Uint8Array()] = requests
  const { responseDefinition } = messages.decode(`${method}Request`, UnaryRequest, first)
  const answer = responseDefinition?.error === undefined
    ? Effect.sync(() =>
      messages.encode(`${method}Response`, {
        payload: {
          data: responseDefinition?.responseData ?? "",
          requestInfo: infoOf(headers, `${method}Request`, requests)
        }
      })
    )
    : fail(responseDefinition.error)
  return Effect.delay(answer, responseDefinition?.responseDelayMs ?? 0)
}

const unary = (method: string): GrpcHandler =>
  GrpcHandler.Unary({ handle: (message, request) => unaryAnswer(method, request.metadata, [message]) })

const clientStream = GrpcHandler.Duplex({
  handle: ({ metadata: headers, receive, send, sendInitialMetadata }) =>
    Effect.gen(function*() {
      const taken = yield* Stream.runCollect(Stream.repeatEffectChunkOption(receive))
      const requests = Chunk.toReadonlyArray(taken).map(Bytes.join)
      const [first = new Uint8Array()] = requests
      const { responseDefinition } = messages.decode("ClientStreamRequest", UnaryRequest, first)
      yield* sendInitialMetadata(metadata.fromList(responseDefinition?.responseHeaders ?? []))
      yield* send(yield* unaryAnswer("ClientStream", headers, requests))
    })
})

const responseOf = (method: string, data: string, requestInfo?: JsonObject): Uint8Array =>
  messages.encode(`${method}Response`, { payload: { data, ...(requestInfo === undefined ? {} : { requestInfo }) } })

const serverStream = GrpcHandler.ServerStreaming({
  handle: (message, request) => {
    const { responseDefinition } = messages.decode("ServerStreamRequest", StreamRequest, message)
    if (responseDefinition === undefined) return Stream.empty
    const { error, responseData, responseDelayMs } = responseDefinition
    return Stream.fromIterable(responseData.entries()).pipe(
      Stream.mapEffect(([index, data]) =>
        Effect.delay(
          Effect.sync(() =>
            responseOf(
              "ServerStream",
              data,
              index === 0 ? infoOf(request.metadata, "ServerStreamRequest", [message]) : undefined
            )
          ),
          responseDelayMs
        )
      ),
      Stream.concat(error === undefined ? Stream.empty : Stream.fromEffect(fail(error)))
    )
  }
})

const bidiStream = GrpcHandler.Duplex({
  handle: (call) =>
    Effect.gen(function*() {
      const { metadata: headers, receive, send, sendInitialMetadata } = call
      const info = (requests: ReadonlyArray<Uint8Array>) => infoOf(headers, "BidiStreamRequest", requests)
      let waiting: ReadonlyArray<Uint8Array> = []
      const next = Effect.gen(function*() {
        if (waiting.length === 0) {
          const taken = yield* Effect.either(receive)
          if (taken._tag === "Left") {
            return Option.isSome(taken.left) ? yield* taken.left.value : undefined
          }
          waiting = Chunk.toReadonlyArray(taken.right).map(Bytes.join)
        }
        const [first, ...rest] = waiting
        waiting = rest
        return first
      })
      const first = yield* next
      if (first === undefined) return
      const { fullDuplex = false, responseDefinition } = messages.decode("BidiStreamRequest", StreamRequest, first)
      if (responseDefinition !== undefined) {
        yield* sendInitialMetadata(metadata.fromList(responseDefinition.responseHeaders))
      }
      const { error, responseData = [], responseDelayMs = 0 } = responseDefinition ?? {}
      const requests = [first]
      let sent = 0
      const respond = (requestInfo?: JsonObject) =>
        Effect.delay(
          Effect.suspend(() => send(responseOf("BidiStream", responseData[sent++] ?? "", requestInfo))),
          responseDelayMs
        )
      if (fullDuplex) {
        for (let request: Uint8Array | undefined = first; request !== undefined; request = yield* next) {
          if (sent >= responseData.length) break
          yield* respond(info([request]))
        }
      } else {
        for (let request = yield* next; request !== undefined; request = yield* next) requests.push(request)
      }
      while (sent < responseData.length) yield* respond(sent === 0 ? info(requests) : undefined)
      if (error !== undefined) yield* fail(error)
    })
})

export const handlers: GrpcHandlers = new Map<string, GrpcHandler>([
  [`${messages.servicePath}Unary`, unary("Unary")],
  [`${messages.servicePath}IdempotentUnary`, unary("IdempotentUnary")],
  [`${messages.servicePath}ClientStream`, clientStream],
  [`${messages.servicePath}ServerStream`, serverStream],
  [`${messages.servicePath}BidiStream`, bidiStream]
])
