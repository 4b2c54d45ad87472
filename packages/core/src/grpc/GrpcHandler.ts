/**
 * Served RPCs over encoded messages: the counterpart of `GrpcChannel`. The same handlers run behind a `GrpcServer` and
 * behind an in-memory channel.
 *
 * @since 0.1.0
 */
import * as Headers from "@effect/platform/Headers"
import type * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Bytes } from "./Bytes.ts"
import * as GrpcStatus from "./GrpcStatus.ts"

/**
 * What the caller sent along with an RPC. Of metadata keys that occur more than once the last counts.
 *
 * @since 0.1.0
 * @category models
 */
export interface GrpcRequest {
  readonly metadata: Headers.Headers
}

/**
 * A bidirectional RPC as its handler sees it. The RPC ends with `OK` when the handler succeeds and with the handler's
 * failure otherwise; when the caller goes away the handler is interrupted.
 *
 * @since 0.1.0
 * @category models
 */
export interface GrpcServerDuplex extends GrpcRequest {
  /**
   * The caller's messages since the last time, at least one, for one consumer; waits for it. After the last one it fails,
   * with `None` when the caller has half-closed.
   */
  readonly receive: Effect.Effect<Chunk.Chunk<Bytes>, Option.Option<GrpcStatus.GrpcStatusError>>
  /** Sends a message, waiting while the caller does not read. Its bytes must not be changed afterwards. */
  readonly send: (message: Bytes) => Effect.Effect<void, GrpcStatus.GrpcStatusError>
  /**
   * Sends the response headers. Python clients wait for them before they send anything (`protocol.md` 5.1). Metadata that
   * cannot be sent (see `CallOptions.metadata` of `GrpcChannel`) fails with `INTERNAL`: it is the handler's mistake.
   */
  readonly sendInitialMetadata: (metadata: Headers.Headers) => Effect.Effect<void, GrpcStatus.GrpcStatusError>
}

/**
 * One served RPC. Whoever serves it runs each RPC in a fiber of its own, which is over when the RPC is.
 *
 * @since 0.1.0
 * @category models
 */
export type GrpcHandler = Data.TaggedEnum<{
  readonly Unary: {
    readonly handle: (
      message: Uint8Array,
      request: GrpcRequest
    ) => Effect.Effect<Uint8Array, GrpcStatus.GrpcStatusError>
  }
  readonly ServerStreaming: {
    readonly handle: (
      message: Uint8Array,
      request: GrpcRequest
    ) => Stream.Stream<Uint8Array, GrpcStatus.GrpcStatusError>
  }
  readonly Duplex: {
    readonly handle: (duplex: GrpcServerDuplex) => Effect.Effect<void, GrpcStatus.GrpcStatusError, Scope.Scope>
  }
}>

/**
 * @since 0.1.0
 * @category constructors
 */
export const GrpcHandler = Data.taggedEnum<GrpcHandler>()

/**
 * Served RPCs by full method path, as in `/jumpstarter.v1.ExporterService/GetReport`.
 *
 * @since 0.1.0
 * @category models
 */
export type GrpcHandlers = ReadonlyMap<string, GrpcHandler>

/**
 * The metadata key of the passphrase (`protocol.md` 10.4).
 *
 * @since 0.1.0
 * @category models
 */
export const passphraseKey = "x-jumpstarter-passphrase"

const digest = (text: string): Effect.Effect<Uint8Array> =>
  Effect.promise(async () => new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))))

// Comparing digests makes the time independent of where two passphrases differ and of their lengths.
const matches = Effect.fnUntraced(function*(expected: Redacted.Redacted, given: string) {
  const [a, b] = yield* Effect.all([digest(Redacted.value(expected)), digest(given)])
  return a.reduce((difference, byte, index) => difference | byte ^ (b[index] ?? 0), 0) === 0
})

/**
 * Requires a passphrase on every RPC, refusing others with `UNAUTHENTICATED` (`protocol.md` 10.4).
 *
 * @since 0.1.0
 * @category combinators
 */
export const withPassphrase = (handlers: GrpcHandlers, passphrase: Redacted.Redacted): GrpcHandlers => {
  const check = Effect.fnUntraced(function*(request: GrpcRequest) {
    const given = Option.getOrElse(Headers.get(request.metadata, passphraseKey), () => "")
    if (!(yield* matches(passphrase, given))) {
      return yield* GrpcStatus.make("UNAUTHENTICATED", "invalid or missing passphrase")
    }
  })
  const guard = GrpcHandler.$match({
    Unary: ({ handle }) =>
      GrpcHandler.Unary({ handle: (message, request) => Effect.zipRight(check(request), handle(message, request)) }),
    ServerStreaming: ({ handle }) =>
      GrpcHandler.ServerStreaming({
        handle: (message, request) => Stream.unwrap(Effect.map(check(request), () => handle(message, request)))
      }),
    Duplex: ({ handle }) => GrpcHandler.Duplex({ handle: (duplex) => Effect.zipRight(check(duplex), handle(duplex)) })
  })
  return new Map(Array.from(handlers, ([rpc, handler]) => [rpc, guard(handler)]))
}
