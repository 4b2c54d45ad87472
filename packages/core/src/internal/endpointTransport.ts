// The transport to an endpoint: nice-grpc for calls and streaming calls, HTTP/2 by hand for byte streams.
import * as Effect from "effect/Effect"
import type { Endpoint } from "../Endpoint.ts"
import type { ChannelOptions, GrpcTransport } from "../GrpcChannel.ts"
import * as grpcCredentials from "./grpcCredentials.ts"
import * as httpDuplex from "./httpDuplex.ts"
import * as niceGrpc from "./niceGrpc.ts"

// Where grpc-js is told by its own means how to connect, byte streams must go the same way.
const proxies = ["grpc_proxy", "https_proxy", "http_proxy"]

const rootsFile = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"

const isSet = (name: string): boolean => {
  // eslint-disable-next-line no-restricted-properties -- grpc-js reads it here, whatever the program's ConfigProvider.
  const value = process.env[name]
  return value !== undefined && value !== ""
}

const onlyGrpcJs = (endpoint: Endpoint, options: ChannelOptions): boolean =>
  Object.keys(options.grpcOptions ?? {}).length > 0 ||
  endpoint._tag !== "Unix" && proxies.some(isSet) ||
  endpoint._tag === "Tls" && endpoint.trust._tag === "SystemRoots" && isSet(rootsFile)

export const make = Effect.fnUntraced(
  function*(endpoint: Endpoint, target: string, options: ChannelOptions, maxMessageBytes: number) {
    const credentials = yield* grpcCredentials.make(endpoint, target, options.connectTimeout)
    const transport = yield* niceGrpc.makeTransport(endpoint, target, credentials.grpc, options, maxMessageBytes)
    return onlyGrpcJs(endpoint, options) ? transport : {
      ...transport,
      duplex: yield* httpDuplex.make(endpoint, target, credentials, options, maxMessageBytes)
    } satisfies GrpcTransport
  }
)
