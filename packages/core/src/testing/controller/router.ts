// The router pairs two callers with the same token, and copies frames between them unchanged. Both RPCs end when both directions have
// ended. When one caller is lost, the other one learns that only when it sends a frame or half-closes.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Bytes } from "../../grpc/Bytes.ts"
import { GrpcHandler, type GrpcHandlers, type GrpcServerDuplex } from "../../grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import * as rpcs from "../../protocol/rpcs.ts"
import * as interruptible from "../../util/interruptible.ts"
import { bearerToken } from "./identity.ts"
import { type Refused, tooLarge } from "./refusal.ts"
import * as times from "./times.ts"
import type { Tokens } from "./tokens.ts"

interface Caller {
  readonly duplex: GrpcServerDuplex
  /** How its RPC ends. */
  readonly over: Deferred.Deferred<void, Refused>
}

const goneAway = (): Refused => GrpcStatus.make("CANCELLED", "context canceled")

const codeNames: Partial<Record<GrpcStatus.GrpcCode, string>> = {
  UNAUTHENTICATED: "Unauthenticated",
  INVALID_ARGUMENT: "InvalidArgument"
}

// Copies a frame. The RPC of a caller that sent too large a frame ends without waiting for the other direction.
const copy = (frame: Bytes, from: Caller, to: Caller): Effect.Effect<void, Refused> =>
  Effect.suspend(() => {
    const refused = tooLarge(frame)
    return refused === undefined
      ? Effect.mapError(to.duplex.send(frame), goneAway)
      : Effect.zipRight(Deferred.fail(from.over, refused), refused)
  })

// Copies frames until their sender half-closes.
const pipe = (from: Caller, to: Caller): Effect.Effect<void, Refused> =>
  Effect.matchEffect(from.duplex.receive, {
    onFailure: Option.match({ onNone: () => Effect.void, onSome: goneAway }),
    onSuccess: (frames) =>
      Effect.zipRight(
        Effect.forEach(frames, (frame) => copy(frame, from, to), { discard: true }),
        pipe(from, to)
      )
  })

// Copies in both directions. Ends when both have ended, with the first failure.
const forward = (first: Caller, second: Caller): Effect.Effect<Exit.Exit<void, Refused>> =>
  Effect.suspend(() => {
    let failed: Exit.Exit<void, Refused> | undefined
    const one = (direction: Effect.Effect<void, Refused>) =>
      Effect.map(Effect.exit(direction), (exit) => {
        if (Exit.isFailure(exit)) failed ??= exit
      })
    return Effect.map(
      interruptible.both(one(pipe(first, second)), one(pipe(second, first))),
      () => failed ?? Exit.void
    )
  })

/** Makes the router's service, which copies frames until the scope closes. */
export const make = (tokens: Tokens, scope: Scope.Scope): GrpcHandlers => {
  const waiting = new Map<string, Caller>()

  const admit = (duplex: GrpcServerDuplex): Effect.Effect<string, Refused> =>
    Effect.flatMap(times.now, (now) =>
      Either.flatMap(
        Either.mapLeft(bearerToken(duplex), ({ code, details }) =>
          GrpcStatus.make(
            "UNAUTHENTICATED",
            `missing or invalid authorization: rpc error: code = ${codeNames[code] ?? "Unknown"} desc = ${details}`
          )),
        (token) =>
          Either.fromOption(
            tokens.verifyForRouter(now, token),
            () => GrpcStatus.make("UNAUTHENTICATED", "invalid jwt token")
          )
      ))

  const wait = (subject: string, caller: Caller) =>
    Effect.ensuring(
      Deferred.await(caller.over),
      Effect.sync(() => {
        if (waiting.get(subject) === caller) waiting.delete(subject)
      })
    )

  // When one RPC is gone, the copying continues until the other end has noticed.
  const join = (first: Caller, second: Caller) =>
    Effect.zipRight(
      interruptible.forkIn(
        Effect.flatMap(forward(first, second), (exit) =>
          Effect.all([Deferred.done(second.over, exit), Deferred.succeed(first.over, undefined)])),
        scope
      ),
      Deferred.await(second.over)
    )

  return new Map([[
    rpcs.stream,
    GrpcHandler.Duplex({
      handle: (duplex) =>
        Effect.gen(function*() {
          const subject = yield* admit(duplex)
          const caller: Caller = { duplex, over: yield* Deferred.make<void, Refused>() }
          const first = waiting.get(subject)
          if (first === undefined) {
            waiting.set(subject, caller)
            return yield* wait(subject, caller)
          }
          waiting.delete(subject)
          return yield* join(first, caller)
        })
    })
  ]])
}
