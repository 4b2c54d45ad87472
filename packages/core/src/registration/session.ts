// The session of a client, which it ends with EndSession (protocol.md 9.2).
import { ExporterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as Effect from "effect/Effect"
import { GrpcHandler, type GrpcHandlers } from "../grpc/GrpcHandler.ts"
import * as rpcs from "../protocol/rpcs.ts"

const { endSession } = ExporterServiceDefinition.methods

/** Returns the handlers of an exporter that accepts the end of a session, which runs `end`. */
export const withEnd = (handlers: GrpcHandlers, end: Effect.Effect<unknown>): GrpcHandlers =>
  new Map(handlers).set(
    rpcs.ofExporter(endSession),
    GrpcHandler.Unary({
      handle: () => Effect.as(end, endSession.responseType.encode({ success: true, message: undefined }).finish())
    })
  )
