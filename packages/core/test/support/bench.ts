// An exporter in memory behind a wire that the test controls, and the connection to it, on the test's clock.
import { ExporterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import { GrpcHandler } from "../../src/grpc/GrpcHandler.ts"
import type { GrpcStatusError } from "../../src/grpc/GrpcStatus.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import * as ExporterStatus from "../../src/protocol/ExporterStatus.ts"
import * as LogEntry from "../../src/protocol/LogEntry.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import * as wires from "./wire.ts"

export const powerClient = "jumpstarter_driver_power.client.PowerClient"

const rpc = (method: string) => `/${ExporterServiceDefinition.fullName}/${method}`

/** Lets all fibers run until they wait. */
export const settle = Effect.repeatN(Effect.yieldNow(), 500)

/** Drivers that record the calls that reached their exporter. */
export const drivers = (calls: Array<string> = []): Readonly<Record<string, Driver.Driver>> => ({
  power: Driver.make({
    client: powerClient,
    methods: {
      on: Driver.call(() =>
        Effect.sync(() => {
          calls.push("on")
          return "on"
        })
      ),
      watch: Driver.streamingCall(() => Stream.never),
      connect: Driver.streamTransform((input) => input),
      hang: Driver.call(() =>
        Effect.suspend(() => {
          calls.push("hang")
          return Effect.never
        })
      )
    }
  })
})

/** An exporter's response to one of its unary RPCs. */
export type Answer = Effect.Effect<Uint8Array, GrpcStatusError>

interface Host {
  readonly channel: GrpcChannel.Channel
  readonly setStatus: Exporter.Exporter["setStatus"]
  /** Writes a line into the log, as a hook would. */
  readonly log: (source: LogEntry.LogSource, message: string) => Effect.Effect<void>
  /** Replaces the response to an RPC from now on, or restores the exporter's own. */
  readonly answer: (method: string, answer: Answer | undefined) => void
}

/** A new exporter, with its own uuids. */
export const host = (hosted: Readonly<Record<string, Driver.Driver>>, options?: Exporter.ExporterOptions) =>
  Effect.gen(function*() {
    const exporter = yield* Effect.orDie(Exporter.make(Driver.composite(hosted), { localLogs: false, ...options }))
    const answers = new Map<string, Answer>()
    const handlers = new Map(Array.from(exporter.handlers, ([name, handler]): [string, GrpcHandler] => [
      name,
      handler._tag === "Unary"
        ? GrpcHandler.Unary({
          handle: (message, request) => answers.get(name) ?? handler.handle(message, request)
        })
        : handler
    ]))
    const host: Host = {
      channel: yield* GrpcChannel.fromHandlers(handlers, { target: "bench" }),
      setStatus: exporter.setStatus,
      log: (source, message) =>
        exporter.log(
          new LogEntry.LogEntry({
            severity: "INFO",
            message,
            source,
            driverType: Option.none(),
            operation: Option.none(),
            timestamp: Option.none(),
            fields: {}
          })
        ),
      answer: (method, answer) => {
        if (answer === undefined) answers.delete(rpc(method))
        else answers.set(rpc(method), answer)
      }
    }
    return host
  })

/** A response of GetStatus. */
export const statusAnswer = (
  status: ExporterStatus.ExporterStatus,
  options: { readonly version?: bigint; readonly message?: string; readonly previous?: ExporterStatus.ExporterStatus } =
    {}
): Answer =>
  Effect.sync(() =>
    ExporterServiceDefinition.methods.getStatus.responseType.encode({
      status: ExporterStatus.toNumber(status),
      message: options.message ?? "",
      statusVersion: options.version ?? 0n,
      previousStatus: options.previous === undefined ? undefined : ExporterStatus.toNumber(options.previous)
    }).finish()
  )

/** A connection to a new exporter through a new wire. */
export const make = (options: ExporterConnection.ConnectOptions = {}, exporterOptions?: Exporter.ExporterOptions) =>
  Effect.gen(function*() {
    const calls: Array<string> = []
    const exporter = yield* host(drivers(calls), exporterOptions)
    const wire = yield* wires.make(exporter.channel)
    const connection = yield* ExporterConnection.fromChannel(wire.channel, options)
    return { calls, connection, exporter, wire, power: yield* connection.driver("power") }
  }).pipe(Effect.orDie)
