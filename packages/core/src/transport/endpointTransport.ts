// The transport to an endpoint: HTTP/2 by hand, and nice-grpc where something asks for what only grpc-js can do.
import * as Effect from "effect/Effect"
import type { Endpoint } from "../grpc/Endpoint.ts"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"
import type { ChannelOptions, GrpcTransport } from "../grpc/grpcTransport.ts"
import * as hostPort from "../grpc/hostPort.ts"
import * as httpTransport from "./http2/transport.ts"
import * as proxy from "./proxy.ts"
import * as socketPath from "./socketPath.ts"
import * as tlsTrust from "./tlsTrust.ts"

const rootsFile = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"

const isSet = (name: string): boolean => {
  // eslint-disable-next-line no-restricted-properties -- grpc-js reads it here, whatever the program's ConfigProvider.
  const value = process.env[name]
  return value !== undefined && value !== ""
}

const needsGrpcJs = (endpoint: Endpoint, options: ChannelOptions): boolean =>
  Object.keys(options.grpcOptions ?? {}).length > 0 ||
  endpoint._tag === "Tls" && endpoint.trust._tag === "SystemRoots" && isSet(rootsFile)

// A failure to connect says as well what could not be done as the environment has it.
const noting = (transport: GrpcTransport, note: string): GrpcTransport => {
  const { connection } = transport
  return connection === undefined ? transport : {
    ...transport,
    connection: {
      ...connection,
      open: Effect.mapError(
        connection.open,
        (error) => GrpcStatus.amend(error, { details: `${error.details} (${note})` })
      )
    }
  }
}

export const make = Effect.fnUntraced(
  function*(endpoint: Endpoint, target: string, options: ChannelOptions) {
    const problem = endpoint._tag === "Unix" ? socketPath.problem(endpoint.path) : hostPort.problem(endpoint)
    if (problem !== undefined) {
      return yield* GrpcStatus.refused({ rpc: "connect", target }, "INVALID_ARGUMENT", problem)
    }
    const trust = yield* tlsTrust.make(endpoint, target, options.connectTimeout)
    const found = endpoint._tag === "Unix" ? undefined : proxy.find(endpoint)
    const note = found !== undefined && "problem" in found ? `connected without a proxy: ${found.problem}` : undefined
    if (note !== undefined) yield* Effect.logWarning(`${target} is ${note}`)
    const via = found !== undefined && "address" in found ? found : undefined
    const transport = via === undefined && !needsGrpcJs(endpoint, options)
      ? yield* httpTransport.make(endpoint, target, trust, options)
      // Loading it takes longer than a call, and few programs need it.
      : yield* Effect.flatMap(
        Effect.promise(() => import("./niceGrpc/transport.ts")),
        (niceGrpc) => niceGrpc.make(endpoint, target, trust, via, options)
      )
    return note === undefined ? transport : noting(transport, note)
  }
)
