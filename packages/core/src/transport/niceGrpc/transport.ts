// The transport over nice-grpc, to Unix sockets, TCP and TLS. Messages stay encoded: the serializers of all methods pass bytes
// through.
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  type CallOptions as NiceCallOptions,
  type Channel,
  ChannelCredentials,
  ClientError,
  createChannel,
  createClient,
  Metadata as NiceMetadata
} from "nice-grpc"
import * as Tls from "node:tls"
import * as Bytes from "../../grpc/Bytes.ts"
import type { Endpoint } from "../../grpc/Endpoint.ts"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import type {
  CallOptions,
  ChannelOptions,
  GrpcConnection,
  GrpcDuplex,
  GrpcTransport
} from "../../grpc/grpcTransport.ts"
import * as hostPort from "../../grpc/hostPort.ts"
import { maxMessageBytes } from "../../grpc/messageLimit.ts"
import * as Metadata from "../../grpc/Metadata.ts"
import * as interruptible from "../../util/interruptible.ts"
import * as connectFailure from "../connectFailure.ts"
import * as httpLoss from "../http/loss.ts"
import * as httpStatus from "../http/status.ts"
import { Inbox } from "../inbox.ts"
import type { Proxy } from "../proxy.ts"
import type { TlsTrust } from "../tlsTrust.ts"
import { fromMetadata, rawMethod } from "./codec.ts"
import * as identityOnly from "./identityOnly.ts"
import { Outbox } from "./outbox.ts"
import * as niceGrpcSessions from "./sessions.ts"
import * as texts from "./texts.ts"

// How many bytes a call may buffer for its consumer, on top of the HTTP/2 window.
const inboxBytes = 1024 * 1024

const outboxMessages = 16

interface Options extends Pick<ChannelOptions, "grpcOptions"> {
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

const openChannel = (
  endpoint: Endpoint,
  trust: TlsTrust | undefined,
  proxy: Proxy | undefined,
  options: Options
): Channel => {
  const name = toldName(endpoint, trust)
  const address = proxy === undefined ? target(endpoint) : `dns:${proxy.host}`
  return identityOnly.of(createChannel(address, toCredentials(endpoint, trust), {
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
}

// Why a connection could not be made, with the cause if it is known.
interface Explained {
  readonly details: string
  readonly reason?: Cause.TimeoutException
}

// One call, which can be aborted. It records what arrives, to decide afterwards where its status came from. A status with trailing
// metadata comes from the peer: a response that is only a failure has its content type there, and our own host adds a key to every
// failure. A status that grpc-js made up has no trailing metadata. Without any, the status is the peer's if response headers have
// arrived, unless `texts.localScope` knows it.
class Call {
  private readonly controller = new AbortController()
  private headers = false
  private trailers = false
  private contentType: string | undefined
  private refusal: GrpcStatus.GrpcStatusError | undefined

  constructor(
    readonly place: GrpcStatus.StatusPlace,
    private readonly explain: (details: string) => Explained,
    private readonly onInitialMetadata: (metadata: Metadata.Metadata) => void = () => {}
  ) {}

  abort(): void {
    this.controller.abort()
  }

  // Aborts the call with a status of this side.
  refuse(refusal: GrpcStatus.GrpcStatusError): void {
    this.refusal ??= refusal
    this.abort()
  }

  options(options: CallOptions): NiceCallOptions {
    return {
      metadata: NiceMetadata(options.metadata?.entries),
      signal: this.controller.signal,
      onHeader: (header) => {
        this.headers = true
        this.contentType = header.get("content-type")
        if (httpStatus.isGrpc(this.contentType)) this.onInitialMetadata(fromMetadata(header))
      },
      onTrailer: (trailer) => {
        this.contentType ??= trailer.get("content-type")
        this.trailers = !trailer[Symbol.iterator]().next().done
      }
    }
  }

  // Whether the content type of the response is gRPC's.
  get isGrpc(): boolean {
    return httpStatus.isGrpc(this.contentType)
  }

  // Returns the failure, if any, of a call that grpc-js reports as successful.
  statusOfSuccess(): GrpcStatus.GrpcStatusError | undefined {
    return this.refusal ?? this.statusOfPage("")
  }

  statusOf(cause: unknown): GrpcStatus.GrpcStatusError {
    if (this.refusal !== undefined) return this.refusal
    const refused = (code: GrpcStatus.GrpcCode, details: string) =>
      GrpcStatus.refused(this.place, code, details, { cause })
    if (cause instanceof Error && cause.name === "AbortError") {
      return refused("CANCELLED", "the RPC was cancelled by this client")
    }
    const page = this.statusOfPage(cause instanceof ClientError ? cause.details : "", cause)
    if (page !== undefined) return page
    if (!(cause instanceof ClientError)) {
      // The call rejects with an error without a code when grpc-js cannot decompress a message.
      return cause instanceof Error && "code" in cause && cause.code === undefined
        ? refused("INTERNAL", "Received a compressed message, but no encoding (grpc-encoding) that grpc-js knows")
        : refused("INTERNAL", cause instanceof Error ? cause.message : String(cause))
    }
    const code = GrpcStatus.codeFromNumber(cause.code)
    const { details } = cause
    const make = (
      details: string,
      origin: GrpcStatus.StatusOrigin,
      scope: GrpcStatus.StatusScope,
      reason: Error = cause
    ) => this.make(code, details, origin, scope, reason)
    if (this.trailers) return make(details, "peer", "rpc")
    const loss = texts.loss(details)
    if (loss !== undefined) {
      const why = "code" in loss
        ? httpLoss.closed({ ...loss, lastStream: 0, text: "" })
        : httpLoss.gaveUp(loss.mistake)
      return GrpcStatus.lost(this.place, why, cause)
    }
    const scope = texts.localScope(code, details)
    if (!this.headers && texts.isRefused(details)) return refused(code, httpLoss.unseen())
    if (!this.headers) {
      const explained = this.explain(details)
      return make(explained.details, "transport", scope ?? "connection", explained.reason)
    }
    if (texts.isTooLarge(code, details)) return refused(code, details)
    return scope === undefined ? make(details, "peer", "rpc") : make(details, "transport", scope)
  }

  // Returns the status of a response that is not gRPC. grpc-js does not check the content type of responses.
  private statusOfPage(details: string, cause?: unknown): GrpcStatus.GrpcStatusError | undefined {
    const code = texts.httpStatusCode(details)
    if (code === undefined && this.contentType === undefined) return undefined
    if (this.isGrpc && code === "200") return this.make("UNKNOWN", httpStatus.noStatus, "transport", "rpc", cause)
    // A gRPC peer may send the same text as its status.
    if (this.trailers && this.isGrpc) return undefined
    const problem = httpStatus.problemOfAnswer(code === undefined ? 200 : Number(code), this.contentType)
    // The server at this address is not an exporter.
    return problem && this.make(problem.code, problem.details, "transport", "connection", cause)
  }

  private make(
    code: GrpcStatus.GrpcCode,
    details: string,
    origin: GrpcStatus.StatusOrigin,
    scope: GrpcStatus.StatusScope,
    cause: unknown
  ): GrpcStatus.GrpcStatusError {
    return new GrpcStatus.GrpcStatusError({ ...this.place, code, details, origin, scope, cause })
  }
}

// Two of grpc-js's connectivity states.
const ready = 2

const transientFailure = 3

// Makes a channel connect, and waits until the attempt has succeeded or failed.
const settled = (channel: Channel): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    const look = (): void => {
      const state = channel.getConnectivityState(true)
      if (state === ready || state >= transientFailure) return resume(Effect.void)
      channel.watchConnectivityState(state, Infinity, look)
    }
    look()
  })

const memoize = <A>(make: (rpc: string) => A): (rpc: string) => A => {
  const made = new Map<string, A>()
  return (rpc) => {
    const existing = made.get(rpc)
    if (existing !== undefined) return existing
    const value = make(rpc)
    made.set(rpc, value)
    return value
  }
}

// Reads the messages of a call into an inbox until the call ends, and cancels the call when the scope closes first. Cancelling
// aborts the signal before anything else, because nice-grpc's iterators do not return while a `next` is pending.
const readInto = (
  calls: Set<Call>,
  inbox: Inbox<Uint8Array, GrpcStatus.GrpcStatusError>,
  call: Call,
  start: () => AsyncIterable<Uint8Array>,
  onEnd: (exit: Exit.Exit<void, GrpcStatus.GrpcStatusError>) => void
): Effect.Effect<Effect.Effect<void>, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      calls.add(call)
      const read = async () => {
        for await (const message of start()) {
          const full = call.isGrpc ? inbox.push(message) : undefined
          if (full !== undefined) await full
        }
      }
      const done = read().then(
        () => {
          const status = call.statusOfSuccess()
          onEnd(status === undefined ? Exit.void : Exit.fail(status))
          inbox.close(Option.fromNullable(status))
        },
        (cause) => {
          const status = call.statusOf(cause)
          onEnd(Exit.fail(status))
          inbox.close(Option.some(status))
        }
      ).finally(() => calls.delete(call))
      return Effect.promise(() => {
        call.abort()
        inbox.discard()
        return done
      })
    }),
    (cancel) => cancel
  )

export const make = Effect.fnUntraced(function*(
  endpoint: Endpoint,
  address: string,
  trust: TlsTrust | undefined,
  proxy: Proxy | undefined,
  options: Options
) {
  const { connectTimeout } = options
  // grpc-js does not report why a proxy failed to connect.
  const throughProxy = (reason: string): string =>
    proxy === undefined
      ? reason
      : `${reason}, through the proxy ${proxy.address} (${proxy.variable}); is it running, and may it connect there? ` +
        "To connect without it, list the host in no_proxy"
  const timedOut = (): Explained => {
    const reason = connectFailure.timeout(connectTimeout)
    return { details: throughProxy(reason.message), reason }
  }
  const explain = (summary: string): Explained => {
    const failure = texts.connectFailure(summary)
    return texts.isConnectTimeout(failure.message)
      ? timedOut()
      : { details: throughProxy(connectFailure.explain(failure, endpoint)) }
  }
  const open = () => {
    const channel = openChannel(endpoint, trust, proxy, options)
    niceGrpcSessions.guard(channel)
    return {
      channel,
      serverStreaming: memoize((rpc) => createClient(rawMethod(rpc, false, true), channel).call),
      duplex: memoize((rpc) => createClient(rawMethod(rpc, true, true), channel).call)
    }
  }
  const refused = (details: string, cause?: unknown) =>
    GrpcStatus.refused({ rpc: "connect", target: address }, "INVALID_ARGUMENT", details, { cause })
  if (endpoint._tag !== "Unix" && endpoint.host.includes("%")) {
    return yield* refused(
      "nice-grpc cannot connect to an address with an interface such as %eth0; the transport http2 can"
    )
  }
  // Creating the channel checks the channel arguments.
  let methods = yield* Effect.try({
    try: open,
    catch: (cause) => refused(cause instanceof Error ? cause.message : String(cause), cause)
  })
  const calls = new Set<Call>()
  const listeners = new Set<(details: string) => void>()
  // Closing a grpc-js channel does not end its calls, and later they could not be ended.
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      listeners.clear()
      calls.forEach((call) => call.abort())
      methods.channel.close()
    })
  )

  // Calls the listener when a channel loses its connection.
  const follow = (channel: Channel, listener: (details: string) => void): void => {
    const state = channel.getConnectivityState(false)
    channel.watchConnectivityState(state, Infinity, () => {
      if (channel !== methods.channel || !listeners.has(listener)) return
      if (state === ready) listener(httpLoss.dropped)
      follow(channel, listener)
    })
  }

  const unimplemented = ({ place }: Call, details: string) => GrpcStatus.refused(place, "UNIMPLEMENTED", details)

  const unary: GrpcTransport["unary"] = (rpc, request, options) =>
    Effect.async((resume) => {
      const call = new Call({ rpc, target: address }, explain)
      calls.add(call)
      // The call is made as server-streaming, because a unary call of grpc-js with a second response never ends.
      const read = async (): Promise<Effect.Effect<Uint8Array, GrpcStatus.GrpcStatusError>> => {
        let answer: Uint8Array | undefined
        for await (const message of methods.serverStreaming(rpc)(request, call.options(options))) {
          // Messages read from a response that is not gRPC have no meaning.
          if (answer !== undefined && call.isGrpc) call.refuse(unimplemented(call, httpStatus.manyAnswers))
          answer = message
        }
        const status = call.statusOfSuccess()
        return status !== undefined
          ? status
          : answer === undefined
          ? unimplemented(call, httpStatus.noAnswer)
          : Effect.succeed(answer)
      }
      const done = read().then(resume, (cause) => resume(call.statusOf(cause))).finally(() => calls.delete(call))
      return Effect.promise(() => {
        call.abort()
        return done
      })
    })

  const serverStreaming: GrpcTransport["serverStreaming"] = (rpc, message, options) =>
    Stream.unwrapScoped(Effect.suspend(() => {
      const inbox = new Inbox<Uint8Array, GrpcStatus.GrpcStatusError>(inboxBytes)
      const call = new Call({ rpc, target: address }, explain)
      return Effect.as(
        readInto(calls, inbox, call, () => methods.serverStreaming(rpc)(message, call.options(options)), () => {}),
        Stream.repeatEffectChunkOption(inbox.take)
      )
    }))

  const duplex: GrpcTransport["duplex"] = Effect.fnUntraced(function*(rpc, options) {
    const initialMetadata = yield* Deferred.make<Metadata.Metadata, GrpcStatus.GrpcStatusError>()
    const status = yield* Deferred.make<void, GrpcStatus.GrpcStatusError>()
    const inbox = new Inbox<Uint8Array, GrpcStatus.GrpcStatusError>(inboxBytes)
    const outbox = new Outbox(outboxMessages)
    const call = new Call(
      { rpc, target: address },
      explain,
      (metadata) => Deferred.unsafeDone(initialMetadata, Exit.succeed(metadata))
    )
    const cancel = yield* readInto(
      calls,
      inbox,
      call,
      () => methods.duplex(rpc)(outbox, call.options(options)),
      (exit) => {
        Deferred.unsafeDone(initialMetadata, Exit.as(exit, Metadata.empty))
        Deferred.unsafeDone(status, exit)
        outbox.close()
      }
    )
    // Sending a message that was dropped because the call had ended fails with the reason.
    const ended = Effect.flatMap(
      Deferred.poll(status),
      Option.match({
        onNone: () => Effect.void,
        onSome: (status) =>
          Effect.zipRight(
            status,
            GrpcStatus.refused(call.place, "FAILED_PRECONDITION", "the RPC has ended, nothing can be sent")
          )
      })
    )
    return {
      initialMetadata: Deferred.await(initialMetadata),
      receive: inbox.take,
      send: (message) => Effect.zipRight(outbox.send(Bytes.join(message)), ended),
      halfClose: Effect.sync(() => outbox.end()),
      cancel,
      status: Deferred.await(status)
    } satisfies GrpcDuplex
  })

  const connection: GrpcConnection = {
    // A failure to connect is not reported here. The first RPC reports it.
    open: Effect.suspend(() => settled(methods.channel)).pipe(
      interruptible.timeoutFail({
        duration: connectTimeout,
        onTimeout: () => {
          const { details, reason } = timedOut()
          return GrpcStatus.lost({ rpc: "", target: address }, details, reason)
        }
      })
    ),
    drop: (details) =>
      Effect.sync(() => {
        const { channel } = methods
        methods = open()
        listeners.forEach((listener) => follow(methods.channel, listener))
        calls.forEach((call) => call.refuse(GrpcStatus.lost(call.place, details)))
        channel.close()
      }),
    onEnd: (listener) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          listeners.add(listener)
          follow(methods.channel, listener)
        }),
        () => Effect.sync(() => listeners.delete(listener))
      )
  }

  return { target: address, transport: "nice-grpc", connection, unary, serverStreaming, duplex } satisfies GrpcTransport
})
