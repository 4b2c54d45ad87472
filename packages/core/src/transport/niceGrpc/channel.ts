// Channels of grpc-js: the address, credentials and arguments they are opened with, and their state.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { type Channel, ChannelCredentials, createChannel } from "nice-grpc"
import * as Tls from "node:tls"
import type { Endpoint } from "../../grpc/Endpoint.ts"
import type { ChannelOptions } from "../../grpc/grpcTransport.ts"
import * as hostPort from "../../grpc/hostPort.ts"
import { maxMessageBytes } from "../../grpc/messageLimit.ts"
import type { Proxy } from "../proxy.ts"
import type { TlsTrust } from "../tlsTrust.ts"
import * as identityOnly from "./identityOnly.ts"
import * as sessions from "./sessions.ts"

export interface Options extends Pick<ChannelOptions, "grpcOptions"> {
  readonly connectTimeout: Duration.DurationInput
}

// The 64 KiB windows of grpc-js would limit a byte stream to a quarter of the reference client's throughput.
const windowBytes = 4 * 1024 * 1024

// Peers behind tunnelled Unix sockets may punish keepalive pings, so only TCP connections send them (protocol.md 10.3).
const tcpOptions = {
  "grpc.lb_policy_name": "round_robin",
  "grpc.keepalive_time_ms": 20_000,
  "grpc.keepalive_timeout_ms": 180_000,
  "grpc.http2.max_pings_without_data": 0,
  "grpc.keepalive_permit_without_calls": 1
}

const target = (endpoint: Endpoint): string => {
  switch (endpoint._tag) {
    case "Unix":
      return `unix://${endpoint.path.startsWith("/") ? "" : "./"}${endpoint.path}`
    case "Tcp":
    case "Tls":
      return `dns:${hostPort.format(endpoint)}`
  }
}

// grpc-js sends the server the name that it checks. Since release 26 Node refuses to send an address, so this name is sent instead.
// The certificate is still checked for the address.
const nameOfAddress = "localhost"

const toldName = (endpoint: Endpoint, trust: TlsTrust | undefined): string | undefined =>
  trust?.servername ?? (endpoint._tag === "Tls" && hostPort.isAddress(endpoint.host) ? nameOfAddress : undefined)

const toCredentials = (endpoint: Endpoint, trust: TlsTrust | undefined): ChannelCredentials => {
  if (endpoint._tag !== "Tls") return ChannelCredentials.createInsecure()
  const { host } = endpoint
  const checkServerIdentity = trust?.checkServerIdentity ??
    ((_: string, presented: Tls.PeerCertificate) => Tls.checkServerIdentity(host, presented))
  return ChannelCredentials.createFromSecureContext(trust?.secureContext ?? Tls.createSecureContext(), {
    checkServerIdentity
  })
}

// The channel arguments that grpc-js derives from proxy variables. They are set here because grpc-js reads the variables from the
// process, not from the program's configuration.
const throughProxy = (endpoint: Endpoint, { credentials }: Proxy) => ({
  "grpc.http_connect_target": target(endpoint),
  "grpc.default_authority": target(endpoint).replace(/^dns:/, ""),
  ...(credentials === undefined ? {} : { "grpc.http_connect_creds": Redacted.value(credentials) })
})

export const open = (
  endpoint: Endpoint,
  trust: TlsTrust | undefined,
  proxy: Proxy | undefined,
  options: Options
): Channel => {
  const name = toldName(endpoint, trust)
  const address = proxy === undefined ? target(endpoint) : `dns:${proxy.host}`
  const channel = identityOnly.of(createChannel(address, toCredentials(endpoint, trust), {
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc-node.flow_control_window": windowBytes,
    // With this grpc-js retries only RPCs that the peer never began according to HTTP/2. Other retries need a service config, which
    // is not looked up: a repeated driver call can repeat a physical side effect.
    "grpc.enable_retries": 1,
    "grpc.service_config_disable_resolution": 1,
    // By default grpc-js shares connections between channels to one address. A new channel would inherit the back-off of an old one,
    // and fail although the exporter is back.
    "grpc.use_local_subchannel_pool": 1,
    // nice-grpc bounds a connection attempt by this argument.
    "grpc.min_reconnect_backoff_ms": Duration.toMillis(options.connectTimeout),
    // During a back-off grpc-js fails every RPC with the error of its last attempt, even if the exporter is back.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 500,
    "grpc.enable_http_proxy": 0,
    ...(proxy === undefined ? {} : throughProxy(endpoint, proxy)),
    ...(name === undefined ? {} : { "grpc.ssl_target_name_override": name }),
    ...(endpoint._tag === "Unix" ? {} : tcpOptions),
    ...options.grpcOptions
  }))
  sessions.guard(channel)
  return channel
}

// Two of grpc-js's connectivity states.
export const ready = 2

const transientFailure = 3

// Makes a channel connect, and waits until the attempt has succeeded or failed.
export const settled = (channel: Channel): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    const look = (): void => {
      const state = channel.getConnectivityState(true)
      if (state === ready || state >= transientFailure) return resume(Effect.void)
      channel.watchConnectivityState(state, Infinity, look)
    }
    look()
  })
