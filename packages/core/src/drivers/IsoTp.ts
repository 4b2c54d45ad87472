/**
 * Messages of any length over a CAN bus (ISO 15765-2): `jumpstarter_driver_can`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import { held } from "./bracket.ts"
import * as bytes from "./family/bytes.ts"
import { polling } from "./polling.ts"

/**
 * How a message reaches its receiver: `physical` addresses one of them, `functional` all.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TargetAddressType = Schema.transformLiterals([0, "physical"], [1, "functional"])

/**
 * @since 0.1.0
 * @category models
 */
export type TargetAddressType = typeof TargetAddressType.Type

/**
 * Where the address of a message is: in the identifier of its frames, or also in their first byte.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AddressingMode = Schema.transformLiterals(
  [0, "normal-11"],
  [1, "normal-29"],
  [2, "normal-fixed-29"],
  [3, "extended-11"],
  [4, "extended-29"],
  [5, "mixed-11"],
  [6, "mixed-29"]
)

/**
 * @since 0.1.0
 * @category models
 */
export type AddressingMode = typeof AddressingMode.Type

const id = Schema.NullOr(Schema.Int)

/**
 * The addresses of the two sides. Which fields it needs depends on the addressing mode. `address` fills the others.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Address = Schema.Struct({
  addressing_mode: AddressingMode,
  txid: id,
  rxid: id,
  target_address: id,
  source_address: id,
  physical_id: id,
  functional_id: id,
  address_extension: id,
  rx_only: Schema.Boolean,
  tx_only: Schema.Boolean
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Address extends Schema.Schema.Type<typeof Address> {}

/**
 * One address for sending and another for receiving. The first has `tx_only`, the second `rx_only`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AsymmetricAddress = Schema.Struct({ tx_addr: Address, rx_addr: Address })

/**
 * @since 0.1.0
 * @category models
 */
export interface AsymmetricAddress extends Schema.Schema.Type<typeof AsymmetricAddress> {}

const received = Schema.transform(
  Schema.Struct({ data: Schema.NullOr(bytes.base64) }),
  Schema.NullOr(Schema.Uint8ArrayFromSelf),
  { strict: true, decode: ({ data }) => data, encode: (data) => ({ data }) }
)

/**
 * The contract. Drivers that use the sockets of the kernel have only `start`, `stop`, `send` and `recv`.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { IsoTp } from "@effect-jumpstarter/core/drivers"
 * import { Effect, Option, Stream } from "effect"
 *
 * class Gateway extends Device.Tag("acme/Gateway", IsoTp.contract)<Gateway>() {}
 *
 * const serialNumber = Effect.gen(function*() {
 *   const gateway = yield* Gateway
 *   yield* IsoTp.listen(gateway)
 *   yield* gateway.send(Uint8Array.of(0x22, 0xf1, 0x8c))
 *   return yield* IsoTp.receive(gateway).pipe(Stream.runHead, Effect.timeout("2 seconds"), Effect.map(Option.getOrNull))
 * }).pipe(Effect.scoped)
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_can.client.IsoTpClient", {
  /** Starts listening. It fails when the driver already listens. */
  start: DriverMethod.call({ documentation: "Starts listening. It fails when the driver already listens." }),
  /** Stops listening. */
  stop: DriverMethod.call({ documentation: "Stops listening." }),
  /** Queues a message to send. */
  send: DriverMethod.call({
    args: DriverMethod.named((
      data = bytes.wrapped(bytes.base64),
      targetAddressType = DriverMethod.optional(TargetAddressType),
      timeout = DriverMethod.optional(Schema.NonNegative)
    ) => [data, targetAddressType, timeout]),
    documentation: "Queues a message to send."
  }),
  /** Takes a received message, or null. With block it waits for one, for some seconds or without limit. */
  recv: DriverMethod.call({
    args: DriverMethod.named((
      block = DriverMethod.optional(Schema.Boolean, { fallback: false }),
      timeout = DriverMethod.optional(Schema.NonNegative)
    ) => [block, timeout]),
    result: received,
    effect: "read",
    documentation: "Takes a received message, or null. With block it waits for one, for some seconds or without limit."
  }),
  /** Whether a received message waits. */
  available: DriverMethod.call({
    result: Schema.Boolean,
    optional: true,
    effect: "read",
    documentation: "Whether a received message waits.",
    idempotent: true
  }),
  /** Whether a message is being sent. */
  transmitting: DriverMethod.call({
    result: Schema.Boolean,
    optional: true,
    effect: "read",
    documentation: "Whether a message is being sent.",
    idempotent: true
  }),
  /** Changes the addresses. */
  set_address: DriverMethod.call({
    args: DriverMethod.named((address = Schema.Union(Address, AsymmetricAddress)) => [address]),
    optional: true,
    documentation: "Changes the addresses.",
    idempotent: true
  }),
  /** Gives up the message that is being sent. */
  stop_sending: DriverMethod.call({
    optional: true,
    documentation: "Gives up the message that is being sent."
  }),
  /** Gives up the message that is being received. */
  stop_receiving: DriverMethod.call({
    optional: true,
    documentation: "Gives up the message that is being received."
  })
}, { driverType: "automotive" })

/**
 * The client of an ISO-TP channel.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * An address with the fields that its mode needs.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { IsoTp } from "@effect-jumpstarter/core/drivers"
 *
 * const address = IsoTp.address("normal-11", { txid: 0x7e0, rxid: 0x7e8 })
 * ```
 */
export const address = (mode: AddressingMode, fields: Partial<Omit<Address, "addressing_mode">>): Address => ({
  addressing_mode: mode,
  txid: null,
  rxid: null,
  target_address: null,
  source_address: null,
  physical_id: null,
  functional_id: null,
  address_extension: null,
  rx_only: false,
  tx_only: false,
  ...fields
})

/**
 * Listens while the scope is open.
 *
 * @since 0.1.0
 * @category combinators
 */
export const listen = (channel: Pick<Client, "start" | "stop">): Effect.Effect<void, DriverCallError, Scope.Scope> => {
  const caller = callers.of()
  return held(
    "an ISO-TP channel",
    callers.on(caller, () => channel.start()),
    () => callers.on(caller, () => channel.stop())
  )
}

/**
 * The messages that arrive while the channel listens, as long as the stream runs.
 *
 * @since 0.1.0
 * @category combinators
 */
export const receive = (channel: Pick<Client, "recv">): Stream.Stream<Uint8Array, DriverCallError> => {
  const caller = callers.of()
  return polling((seconds) =>
    Effect.map(callers.on(caller, () => channel.recv(true, seconds)), (message) => Option.fromNullable(message))
  )
}
