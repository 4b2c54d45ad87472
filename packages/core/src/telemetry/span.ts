// The span of a driver call, on either side. Arguments and results never become attributes.
import { ExporterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { RouterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/router"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Tracer from "effect/Tracer"
import { codeToNumber, type GrpcCode, GrpcStatusError } from "../grpc/GrpcStatus.ts"
import type * as Metadata from "../grpc/Metadata.ts"
import { type Call, callName } from "../protocol/callSite.ts"
import * as DriverError from "../protocol/DriverError.ts"
import * as traceContext from "./traceContext.ts"

const defaultTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

// Tracers through which spans go to Effect's default one.
const toDefault = new WeakSet<Tracer.Tracer>([defaultTracer])

// Calls are no more traced with this tracer than with the one that it passes spans on to.
export const passesOn = (tracer: Tracer.Tracer, inner: Tracer.Tracer): void => {
  if (toDefault.has(inner)) toDefault.add(tracer)
}

// Effect's default tracer keeps nothing, so nobody would see a span for it.
const keeps = (tracer: Tracer.Tracer): boolean => tracer !== defaultTracer && !toDefault.has(tracer)

export const isTraced = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  keeps(fiber.currentTracer) && fiber.getFiberRef(FiberRef.currentTracerEnabled)

/** Whether fibers that begin with these FiberRefs are traced. */
export const areTraced = (refs: FiberRefs.FiberRefs): boolean =>
  keeps(Context.get(FiberRefs.getOrDefault(refs, DefaultServices.currentServices), Tracer.Tracer)) &&
  FiberRefs.getOrDefault(refs, FiberRef.currentTracerEnabled)

const exporterMethod = ({ name }: { readonly name: string }) => ({
  "rpc.service": ExporterServiceDefinition.fullName,
  "rpc.method": name
})

const streamMethod = {
  "rpc.service": RouterServiceDefinition.fullName,
  "rpc.method": RouterServiceDefinition.methods.stream.name
}

const rpcs: Record<DriverError.CallKind, Readonly<Record<string, string>>> = {
  call: exporterMethod(ExporterServiceDefinition.methods.driverCall),
  streamingCall: exporterMethod(ExporterServiceDefinition.methods.streamingDriverCall),
  stream: streamMethod,
  resource: streamMethod
}

export interface CallSpan {
  // Makes the other side's span a child of this one.
  readonly metadata: Metadata.Metadata
  readonly span: Tracer.Span
  readonly end: (exit: Exit.Exit<unknown, unknown>, attributes?: Readonly<Record<string, unknown>>) => void
}

// The kind of error that a call ended with; none if it was interrupted.
export const errorType = (exit: Exit.Exit<unknown, unknown>): string | undefined => {
  if (Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause)) return undefined
  const error = Cause.squash(exit.cause)
  if (error instanceof GrpcStatusError) return error.code
  if (Predicate.hasProperty(error, "_tag") && typeof error._tag === "string") return error._tag
  return error instanceof Error ? error.name : "_OTHER"
}

// The status of the RPC. After an error without a status, the client has cancelled it, and a host reports `UNKNOWN`.
const statusOf = (exit: Exit.Exit<unknown, unknown>, kind: "client" | "server"): GrpcCode => {
  if (Exit.isSuccess(exit)) return "OK"
  if (Cause.isInterruptedOnly(exit.cause)) return "CANCELLED"
  const error = Cause.squash(exit.cause)
  if (error instanceof GrpcStatusError || DriverError.isDriverCallError(error)) return error.code
  return kind === "client" ? "CANCELLED" : "UNKNOWN"
}

interface Options extends Tracer.SpanOptions {
  readonly kind: "client" | "server"
}

const start = (call: Call, options: Options): Effect.Effect<CallSpan> =>
  Effect.withFiberRuntime((fiber) => {
    const clock = Context.get(fiber.currentDefaultServices, Clock.Clock)
    const timing = fiber.getFiberRef(FiberRef.currentTracerTimingEnabled)
    const attributes = {
      "rpc.system": "grpc",
      ...rpcs[call.kind],
      "jumpstarter.driver": call.driver,
      "jumpstarter.method": call.method,
      ...options.attributes
    }
    return Effect.map(
      Effect.makeSpan(callName(call), { ...options, attributes, captureStackTrace: false }),
      (span) => ({
        metadata: traceContext.toMetadata(span),
        span,
        end: (exit, attributes = {}) => {
          const error = errorType(exit)
          if (error !== undefined) span.attribute("error.type", error)
          span.attribute("rpc.grpc.status_code", codeToNumber(statusOf(exit, options.kind)))
          for (const [name, value] of Object.entries(attributes)) span.attribute(name, value)
          span.end(timing ? clock.unsafeCurrentTimeNanos() : 0n, exit)
        }
      })
    )
  })

// The address as OpenTelemetry splits it: a host and a port, or a path.
const server = (target: string): Readonly<Record<string, unknown>> => {
  const [, host, port] = /^(?:tcp|tls):\[?(.*?)\]?:(\d+)$/.exec(target) ?? []
  return host === undefined
    ? { "server.address": target.replace(/^unix:/, "") }
    : { "server.address": host, "server.port": Number(port) }
}

export const startClient = (call: Call, exporter: string): Effect.Effect<CallSpan> =>
  start(call, { kind: "client", attributes: { "jumpstarter.exporter": exporter, ...server(exporter) } })

// Not below the span in which the host was started: a caller without a trace begins a new one.
export const startServer = (call: Call, metadata: Metadata.Metadata): Effect.Effect<CallSpan> =>
  start(call, {
    kind: "server",
    ...Option.match(traceContext.fromMetadata(metadata), {
      onNone: () => ({ root: true }),
      onSome: (parent) => ({ parent })
    })
  })
