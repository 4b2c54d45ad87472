// The transport to an endpoint: our own over node:http2, or nice-grpc, which only some channels need.
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import type { Endpoint } from "../grpc/Endpoint.ts"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"
import type { ChannelOptions, GrpcTransport } from "../grpc/grpcTransport.ts"
import * as hostPort from "../grpc/hostPort.ts"
import * as dialler from "./http2/dialler.ts"
import * as httpTransport from "./http2/transport.ts"
import * as proxy from "./proxy.ts"
import * as socketPath from "./socketPath.ts"
import * as tlsTrust from "./tlsTrust.ts"

// Adds a note to failures to connect: which part of the configuration could not be followed.
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

interface Choice {
  readonly transport: NonNullable<ChannelOptions["transport"]>
  readonly why: string
}

const choose = (options: ChannelOptions, via: proxy.Proxy | undefined): Choice =>
  options.transport !== undefined
    ? { transport: options.transport, why: "because the option transport says so" }
    : hasGrpcOptions(options)
    ? { transport: "nice-grpc", why: "because grpcOptions are set" }
    : via !== undefined
    ? { transport: "nice-grpc", why: `because of the proxy ${via.address} (${via.variable})` }
    : { transport: "http2", why: "because nothing needs nice-grpc" }

const hasGrpcOptions = ({ grpcOptions = {} }: ChannelOptions): boolean => Object.keys(grpcOptions).length > 0

const problemOf = (endpoint: Endpoint, options: ChannelOptions): string | undefined =>
  (endpoint._tag === "Unix" ? socketPath.problem(endpoint.path) : hostPort.problem(endpoint)) ??
    (options.transport === "http2" && hasGrpcOptions(options)
      ? "grpcOptions are for nice-grpc, and the option transport chooses http2; leave out one of them"
      : undefined)

export const make = Effect.fnUntraced(
  function*(endpoint: Endpoint, target: string, options: ChannelOptions) {
    const refused = (details: string, cause?: unknown) =>
      GrpcStatus.refused({ rpc: "connect", target }, "INVALID_ARGUMENT", details, { cause })
    const unreadable = (cause: ConfigError.ConfigError) =>
      refused(`the configuration of the connection cannot be read: ${String(cause)}`, cause)

    const problem = problemOf(endpoint, options)
    if (problem !== undefined) return yield* refused(problem)
    const connectTimeout = options.connectTimeout ?? "10 seconds"
    const trust = yield* tlsTrust.make(endpoint, target, connectTimeout).pipe(
      Effect.catchTag("ConfigError", unreadable)
    )
    const found = endpoint._tag === "Unix" || options.transport === "http2"
      ? undefined
      : yield* Effect.mapError(proxy.find(endpoint), unreadable)
    const note = found !== undefined && "problem" in found ? `connected without a proxy: ${found.problem}` : undefined
    if (note !== undefined) yield* Effect.logWarning(`${target} is ${note}`)
    const via = found !== undefined && "address" in found ? found : undefined
    const { transport: name, why } = choose(options, via)
    yield* Effect.logDebug(`${target} is reached over ${name}, ${why}`)
    const transport = name === "http2"
      ? yield* httpTransport.make(dialler.toEndpoint(endpoint, target, trust), connectTimeout)
      // Loading it takes longer than a call, and few programs need it.
      : yield* Effect.flatMap(
        Effect.promise(() => import("./niceGrpc/transport.ts")),
        (niceGrpc) => niceGrpc.make(endpoint, target, trust, via, { ...options, connectTimeout })
      )
    return note === undefined ? transport : noting(transport, note)
  }
)
