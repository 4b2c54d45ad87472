// The spans of a host, below the span that the client has sent. Each call of an existing method has one, and the driver's
// own spans are below it.
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { GrpcRequest } from "../grpc/GrpcHandler.ts"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import type { Call } from "../protocol/callSite.ts"
import * as telemetrySpan from "./span.ts"

const end = (span: telemetrySpan.CallSpan, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Effect.sync(() => span.end(exit))

export { areTraced } from "./span.ts"

// Metadata is read only for a traced call.
export const within = <A, R>(
  request: GrpcRequest,
  call: Call,
  effect: Effect.Effect<A, GrpcStatusError, R>
): Effect.Effect<A, GrpcStatusError, R> =>
  Effect.withFiberRuntime((fiber) =>
    telemetrySpan.isTraced(fiber)
      ? Effect.acquireUseRelease(
        telemetrySpan.startServer(call, request.metadata),
        ({ span }) => Effect.provideService(effect, Tracer.ParentSpan, span),
        end
      )
      : effect
  )

type WithinSpan = <A, E>(results: Stream.Stream<A, E>) => Stream.Stream<A, E>

// Like `within`, for results that come until the scope closes.
export const open = (request: GrpcRequest, call: Call): Effect.Effect<WithinSpan, never, Scope.Scope> =>
  Effect.withFiberRuntime((fiber) =>
    telemetrySpan.isTraced(fiber)
      ? Effect.map(
        Effect.acquireRelease(telemetrySpan.startServer(call, request.metadata), end),
        ({ span }) => Stream.provideService(Tracer.ParentSpan, span)
      )
      : Effect.succeed(identity)
  )
