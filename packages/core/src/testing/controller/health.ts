// The health check of gRPC, which needs no authentication.
import * as Effect from "effect/Effect"
import { GrpcHandler } from "../../grpc/GrpcHandler.ts"
import type { Served } from "./serve.ts"

// `HealthCheckResponse` with the status SERVING.
const serving = Uint8Array.of(1 << 3, 1)

export const check: Served = [
  "/grpc.health.v1.Health/Check",
  GrpcHandler.Unary({ handle: () => Effect.succeed(serving) })
]
