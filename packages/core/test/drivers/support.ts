// A typed client of a driver behind the real codec, and a host that records the calls that arrive.
import type { Driver, DriverInterface } from "@effect-jumpstarter/core"
import { Device, Driver as Drivers, DriverFailure } from "@effect-jumpstarter/core"
import type { JsonValue } from "@effect-jumpstarter/core/ProtobufValue"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import { Effect, Layer, Stream } from "effect"

/** Returns the typed client of a driver of an exporter in memory, which runs until the scope closes. */
export const connect = <I extends DriverInterface.DriverInterface<DriverInterface.Methods>>(
  contract: I,
  driver: Driver.Driver
) =>
  Effect.gen(function*() {
    const connection = yield* Layer.build(ExporterTest.layer({ device: driver }))
    return yield* Effect.provide(Device.connect(contract, "device"), connection)
  })

export type Call = readonly [method: string, ...args: ReadonlyArray<JsonValue>]

/** What a method of the recording host does: return a value, run an effect, or stream items or bytes. */
export type Answer =
  | { readonly value: JsonValue }
  | { readonly run: Effect.Effect<JsonValue | void, DriverFailure.DriverFailure> }
  | { readonly items: ReadonlyArray<JsonValue> }
  | { readonly read: (bytes: Uint8Array) => Effect.Effect<void, DriverFailure.DriverFailure> }
  | { readonly write: Stream.Stream<Uint8Array, DriverFailure.DriverFailure> }

/**
 * A driver without a contract that records the arguments of its calls as they arrive on the wire. A resource handle is
 * recorded as `"handle"`.
 */
export const recording = (
  client: string,
  answers: Readonly<Record<string, Answer>>
): { readonly calls: Array<Call>; readonly driver: Driver.Driver } => {
  const calls: Array<Call> = []
  const isHandle = (arg: JsonValue): boolean => typeof arg === "object" && arg !== null && "kind" in arg
  const record = (method: string, args: ReadonlyArray<JsonValue>) =>
    Effect.sync(() => calls.push([method, ...args.map((arg) => isHandle(arg) ? "handle" : arg)]))
  const driver = Drivers.make({
    client,
    methods: Object.fromEntries(
      Object.entries(answers).map(([method, answer]) => [
        method,
        "items" in answer
          ? Drivers.streamingCall((args) =>
            Stream.unwrap(Effect.as(record(method, args), Stream.fromIterable(answer.items)))
          )
          : Drivers.call((args, { resource }) =>
            Effect.zipRight(
              record(method, args),
              Effect.suspend((): Effect.Effect<JsonValue | void, DriverFailure.DriverFailure> => {
                if ("value" in answer) return Effect.succeed(answer.value)
                if ("run" in answer) return answer.run
                return Effect.scoped(Effect.flatMap(resource(args.find(isHandle)), ({ read, write }) =>
                  "read" in answer ? Stream.runForEach(read, answer.read) : write(answer.write)))
              })
            )
          )
      ])
    )
  })
  return { calls, driver }
}

export const nothing: Answer = { value: null }

export const broken = DriverFailure.make("Device", "it broke")
