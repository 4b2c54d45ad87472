// The passphrase of an exporter in direct mode (`protocol.md` 10.4): metadata that a client sends with every RPC, and that a host
// requires.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { createHash, timingSafeEqual } from "node:crypto"
import { GrpcHandler, type GrpcHandlers, type GrpcRequest } from "../grpc/GrpcHandler.ts"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"
import * as Metadata from "../grpc/Metadata.ts"
import * as GrpcChannel from "../transport/GrpcChannel.ts"

const key = "x-jumpstarter-passphrase"

const maxLength = 4_096

// Says why a passphrase cannot be sent as metadata: gRPC allows only printable ASCII, and HTTP trims spaces.
const problemOf = (passphrase: string): string | undefined =>
  !/^[\x20-\x7e]*$/.test(passphrase)
    ? "the passphrase has characters other than printable ASCII, which metadata cannot carry"
    : passphrase.startsWith(" ") || passphrase.endsWith(" ")
    ? "the passphrase starts or ends with a space, which HTTP drops"
    : passphrase.length > maxLength
    ? `the passphrase is longer than ${maxLength} characters`
    : undefined

/** Sends the passphrase with every RPC of a channel. A passphrase that cannot be sent fails before the channel opens. */
export const present = <R>(
  channel: Effect.Effect<GrpcChannel.Channel, GrpcStatus.GrpcStatusError, R>,
  target: string,
  passphrase: Redacted.Redacted | undefined
): typeof channel => {
  if (passphrase === undefined) return channel
  const text = Redacted.value(passphrase)
  const problem = problemOf(text)
  return problem === undefined
    ? Effect.map(channel, (channel) => GrpcChannel.withMetadata(channel, Metadata.make({ [key]: text })))
    : GrpcStatus.refused({ rpc: "connect", target }, "INVALID_ARGUMENT", problem)
}

/** Says why a host cannot require a passphrase. A client without a passphrase sends the empty one. */
export const problemToDemand = (passphrase: Redacted.Redacted): string | undefined =>
  Redacted.value(passphrase) === ""
    ? "the passphrase is empty, which is what a client without a passphrase presents"
    : problemOf(Redacted.value(passphrase))

const digest = (text: string): Uint8Array => createHash("sha256").update(text).digest()

/** Requires the passphrase from every RPC, and refuses RPCs without it as `UNAUTHENTICATED`. */
export const demand = (handlers: GrpcHandlers, passphrase: Redacted.Redacted): GrpcHandlers => {
  // Comparing digests takes the same time wherever two passphrases differ and whatever their lengths are.
  const expected = digest(Redacted.value(passphrase))
  const refusal = ({ metadata }: GrpcRequest) =>
    timingSafeEqual(expected, digest(Option.getOrElse(Metadata.get(metadata, key), () => "")))
      ? undefined
      : GrpcStatus.make("UNAUTHENTICATED", "invalid or missing passphrase")
  const check = (request: GrpcRequest) => Effect.suspend(() => refusal(request) ?? Effect.void)
  const guard = GrpcHandler.$match({
    Unary: ({ handle, start }) =>
      GrpcHandler.Unary({
        handle: (message, request) => Effect.zipRight(check(request), handle(message, request)),
        start: start && ((message, request, fibers) => refusal(request) ?? start(message, request, fibers))
      }),
    ServerStreaming: ({ handle }) =>
      GrpcHandler.ServerStreaming({
        handle: (message, request) => Stream.unwrap(Effect.map(check(request), () => handle(message, request)))
      }),
    Duplex: ({ handle }) => GrpcHandler.Duplex({ handle: (duplex) => Effect.zipRight(check(duplex), handle(duplex)) })
  })
  return new Map(Array.from(handlers, ([rpc, handler]) => [rpc, guard(handler)]))
}
