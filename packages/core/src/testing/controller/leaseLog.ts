// The log of an exporter that serves each lease anew, as Python's does: it begins with the lease.
import { ExporterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { GrpcHandler } from "../../grpc/GrpcHandler.ts"
import * as logCodec from "../../protocol/logCodec.ts"

const { responseType } = ExporterServiceDefinition.methods.logStream

const isOlder = (bytes: Uint8Array, begun: number): boolean =>
  Option.exists(logCodec.fromProto(responseType.decode(bytes)).timestamp, ({ epochMillis }) => epochMillis < begun)

/** Leaves out the lines from before the lease, which began at `begun` in milliseconds since 1970. */
export const since = (log: GrpcHandler, begun: () => number): GrpcHandler =>
  log._tag === "ServerStreaming"
    ? GrpcHandler.ServerStreaming({
      handle: (message, request) =>
        Stream.suspend(() => {
          const from = begun()
          return Stream.filter(log.handle(message, request), (bytes) => !isOlder(bytes, from))
        })
    })
    : log
