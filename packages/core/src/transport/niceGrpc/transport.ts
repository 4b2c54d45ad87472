// The transport over nice-grpc, to Unix sockets, TCP and TLS. Messages stay encoded: the serializers of all methods pass bytes
// through.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Channel, createClient } from "nice-grpc"
import * as Bytes from "../../grpc/Bytes.ts"
import type { Endpoint } from "../../grpc/Endpoint.ts"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import { type GrpcConnection, type GrpcDuplex, type GrpcTransport, sentAfterEnd } from "../../grpc/grpcTransport.ts"
import * as Metadata from "../../grpc/Metadata.ts"
import * as interruptible from "../../util/interruptible.ts"
import * as pull from "../../util/pull.ts"
import * as connectFailure from "../connectFailure.ts"
import * as httpLoss from "../http/loss.ts"
import * as httpStatus from "../http/status.ts"
import { Inbox } from "../inbox.ts"
import type { Proxy } from "../proxy.ts"
import type { TlsTrust } from "../tlsTrust.ts"
import { Call, type Explained, readInto } from "./call.ts"
import * as channels from "./channel.ts"
import { rawMethod } from "./codec.ts"
import { Outbox } from "./outbox.ts"
import * as texts from "./texts.ts"

// How many bytes a call may buffer for its consumer, on top of the HTTP/2 window.
const inboxBytes = 1024 * 1024

const outboxMessages = 16

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

export const make = Effect.fnUntraced(function*(
  endpoint: Endpoint,
  address: string,
  trust: TlsTrust | undefined,
  proxy: Proxy | undefined,
  options: channels.Options
) {
  const { connectTimeout } = options
  // grpc-js does not report why a proxy failed to connect.
  const namingProxy = (reason: string): string =>
    proxy === undefined
      ? reason
      : `${reason}, through the proxy ${proxy.address} (${proxy.variable}); is it running, and may it connect there? ` +
        "To connect without it, list the host in no_proxy"
  const timedOut = (): Explained => {
    const reason = connectFailure.timeout(connectTimeout)
    return { details: namingProxy(reason.message), reason }
  }
  const explain = (summary: string): Explained => {
    const failure = texts.connectFailure(summary)
    return texts.isConnectTimeout(failure.message)
      ? timedOut()
      : { details: namingProxy(connectFailure.explain(failure, endpoint)), reason: connectFailure.toError(failure) }
  }
  const open = () => {
    const channel = channels.open(endpoint, trust, proxy, options)
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
      if (state === channels.ready) listener(httpLoss.dropped)
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
        pull.chunks(inbox.take)
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
            sentAfterEnd(call.place)
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
    open: Effect.suspend(() => channels.settled(methods.channel)).pipe(
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
