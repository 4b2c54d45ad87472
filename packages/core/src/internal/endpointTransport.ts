// The transport to an endpoint: HTTP/2 by hand, and nice-grpc where something asks for what only grpc-js can do.
import * as Effect from "effect/Effect"
import type { Endpoint } from "../Endpoint.ts"
import type { ChannelOptions } from "../GrpcChannel.ts"
import { GrpcStatusError } from "../GrpcStatus.ts"
import * as hostPort from "./hostPort.ts"
import * as httpTransport from "./httpTransport.ts"
import * as socketPath from "./socketPath.ts"
import * as tlsTrust from "./tlsTrust.ts"

// By these grpc-js is told how to connect.
const proxies = ["grpc_proxy", "https_proxy", "http_proxy"]

const rootsFile = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"

const isSet = (name: string): boolean => {
  // eslint-disable-next-line no-restricted-properties -- grpc-js reads it here, whatever the program's ConfigProvider.
  const value = process.env[name]
  return value !== undefined && value !== ""
}

const needsGrpcJs = (endpoint: Endpoint, options: ChannelOptions): boolean =>
  Object.keys(options.grpcOptions ?? {}).length > 0 ||
  endpoint._tag !== "Unix" && proxies.some(isSet) ||
  endpoint._tag === "Tls" && endpoint.trust._tag === "SystemRoots" && isSet(rootsFile)

export const make = Effect.fnUntraced(
  function*(endpoint: Endpoint, target: string, options: ChannelOptions, maxMessageBytes: number) {
    const problem = endpoint._tag === "Unix" ? socketPath.problem(endpoint.path) : hostPort.problem(endpoint)
    if (problem !== undefined) {
      return yield* new GrpcStatusError({
        code: "INVALID_ARGUMENT",
        details: problem,
        origin: "client",
        rpc: "connect",
        target
      })
    }
    const trust = yield* tlsTrust.make(endpoint, target, options.connectTimeout)
    if (!needsGrpcJs(endpoint, options)) {
      return yield* httpTransport.make(endpoint, target, trust, options, maxMessageBytes)
    }
    // Loading it takes longer than a call, and few programs need it.
    const niceGrpc = yield* Effect.promise(() => import("./niceGrpc.ts"))
    return yield* niceGrpc.make(endpoint, target, trust, options, maxMessageBytes)
  }
)
