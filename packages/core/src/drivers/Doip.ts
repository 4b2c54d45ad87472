/**
 * Diagnostics over Internet Protocol (ISO 13400): `jumpstarter_driver_doip`.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import * as bytes from "./family/bytes.ts"
import { polled } from "./polling.ts"

/**
 * The limits of an entity, and how many sockets are in use.
 *
 * @since 0.1.0
 * @category schemas
 */
export const EntityStatus = Schema.Struct({
  node_type: Schema.Int,
  max_open_sockets: Schema.Int,
  currently_open_sockets: Schema.Int,
  max_data_size: Schema.NullOr(Schema.Int)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface EntityStatus extends Schema.Schema.Type<typeof EntityStatus> {}

/**
 * The identity of a vehicle. `eid` and `gid` are in hexadecimal digits.
 *
 * @since 0.1.0
 * @category schemas
 */
export const VehicleIdentification = Schema.Struct({
  vin: Schema.String,
  logical_address: Schema.Int,
  eid: Schema.String,
  gid: Schema.String,
  further_action: Schema.Int,
  sync_status: Schema.NullOr(Schema.Int)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface VehicleIdentification extends Schema.Schema.Type<typeof VehicleIdentification> {}

/**
 * Whether an entity accepts diagnostics of this client: with a `response_code` of 16 it does.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RoutingActivation = Schema.Struct({
  client_logical_address: Schema.Int,
  logical_address: Schema.Int,
  response_code: Schema.Int,
  vm_specific: Schema.NullOr(Schema.Int)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface RoutingActivation extends Schema.Schema.Type<typeof RoutingActivation> {}

const Payload = bytes.wrapped(bytes.hex)

/**
 * The contract. Timeouts and delays are in seconds.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Doip } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class Gateway extends Device.Tag("acme/Gateway", Doip.contract)<Gateway>() {}
 *
 * const serialNumber = Effect.gen(function*() {
 *   const gateway = yield* Gateway
 *   return yield* Doip.request(gateway, Uint8Array.of(0x22, 0xf1, 0x8c), { timeout: "3 seconds" })
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_doip.client.DoIPDriverClient", {
  /** The limits of the entity, and how many sockets are in use. */
  entity_status: DriverMethod.call({
    result: EntityStatus,
    effect: "read",
    documentation: "The limits of the entity, and how many sockets are in use.",
    idempotent: true
  }),
  /** Asks whether the entity is alive, and returns its logical address. */
  alive_check: DriverMethod.call({
    result: Schema.Struct({ source_address: Schema.Int }),
    effect: "read",
    documentation: "Asks whether the entity is alive, and returns its logical address.",
    idempotent: true
  }),
  /** Whether the vehicle is ready for diagnostics: 0 is not ready, 1 is ready, 2 is not supported. */
  diagnostic_power_mode: DriverMethod.call({
    result: Schema.Struct({ diagnostic_power_mode: Schema.Int }),
    effect: "read",
    documentation: "Whether the vehicle is ready for diagnostics: 0 is not ready, 1 is ready, 2 is not supported.",
    idempotent: true
  }),
  /** Identifies the vehicle, or the one with a given identification number or entity identification. */
  request_vehicle_identification: DriverMethod.call({
    args: DriverMethod.named((
      vin = DriverMethod.optional(Schema.String),
      eid = DriverMethod.optional(Schema.String)
    ) => [vin, eid]),
    result: VehicleIdentification,
    effect: "read",
    documentation: "Identifies the vehicle, or the one with a given identification number or entity identification.",
    idempotent: true
  }),
  /** Asks the entity to accept diagnostics of this client. */
  routing_activation: DriverMethod.call({
    args: DriverMethod.named((
      activationType = DriverMethod.optional(Schema.Int, { fallback: 0 })
    ) => [activationType]),
    result: RoutingActivation,
    documentation: "Asks the entity to accept diagnostics of this client.",
    idempotent: true
  }),
  /** Sends a diagnostic message, and waits until the entity acknowledges it. */
  send_diagnostic: DriverMethod.call({
    args: DriverMethod.named((message = Payload) => [message]),
    documentation: "Sends a diagnostic message, and waits until the entity acknowledges it."
  }),
  /** Waits for a diagnostic message for some seconds. */
  receive_diagnostic: DriverMethod.call({
    args: DriverMethod.named((timeout = DriverMethod.optional(Schema.Positive, { fallback: 2 })) => [timeout]),
    result: Payload,
    effect: "read",
    documentation: "Waits for a diagnostic message for some seconds."
  }),
  /** Closes the connection, waits some seconds, and connects again, as after a reset of the entity. */
  reconnect: DriverMethod.call({
    args: DriverMethod.named((
      closeDelay = DriverMethod.optional(Schema.NonNegative, { fallback: 2 })
    ) => [closeDelay]),
    documentation: "Closes the connection, waits some seconds, and connects again, as after a reset of the entity.",
    idempotent: true
  }),
  /** Closes the connection. Only reconnect opens it again. */
  close_connection: DriverMethod.call({
    documentation: "Closes the connection. Only reconnect opens it again.",
    idempotent: true
  })
}, { driverType: "automotive" })

/**
 * The client of a DoIP entity.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface RequestOptions {
  /** How long to wait for the answer; 2 seconds by default. */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * Sends a diagnostic message and returns the next one that arrives. Fails with a `DriverError` of code
 * `DEADLINE_EXCEEDED` when none arrives in time.
 *
 * @since 0.1.0
 * @category combinators
 */
export const request = (
  doip: Pick<Client, "send_diagnostic" | "receive_diagnostic">,
  message: Uint8Array,
  { timeout = "2 seconds" }: RequestOptions = {}
): Effect.Effect<Uint8Array, DriverCallError> => {
  const caller = callers.of()
  return Effect.zipRight(
    callers.on(caller, () => doip.send_diagnostic(message)),
    Effect.suspend(() => callers.on(caller, () => doip.receive_diagnostic(Duration.toSeconds(timeout))))
  )
}

/**
 * The diagnostic messages that arrive, as long as the stream runs. A driver gives each message to one client.
 *
 * @since 0.1.0
 * @category combinators
 */
export const receive = (doip: Pick<Client, "receive_diagnostic">): Stream.Stream<Uint8Array, DriverCallError> => {
  const caller = callers.of()
  return polled((seconds) => callers.on(caller, () => doip.receive_diagnostic(seconds)))
}
