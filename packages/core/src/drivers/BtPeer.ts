/**
 * A Bluetooth device that the exporter plays, for devices that connect to one: `jumpstarter_driver_bt_peer` (`protocol.md` 14.3).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"

/**
 * How the peer presents itself. What is missing has the driver's default: `Bumble-Phone`, with BR/EDR, of the class of a phone.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Config = Schema.Struct({
  name: Schema.optional(Schema.String),
  classic_enabled: Schema.optional(Schema.Boolean),
  /** The class of device, a number of 24 bits. */
  class_of_device: Schema.optional(Schema.Int)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Config extends Schema.Schema.Type<typeof Config> {}

/**
 * A connection between the peer and another device.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Connection = Schema.Struct({
  handle: Schema.Int,
  /** The address of the other device. */
  address: Schema.String,
  transport: Schema.optional(Schema.Literal("BR/EDR", "LE")),
  role: Schema.optional(Schema.Literal("peripheral", "central")),
  encrypted: Schema.optional(Schema.Boolean)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Connection extends Schema.Schema.Type<typeof Connection> {}

/**
 * Something that happened to the peer, such as a `connection`. Further properties depend on the type.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Event = Schema.Struct(
  {
    /** The time in seconds since 1970. */
    ts: Schema.Number,
    type: Schema.String
  },
  { key: Schema.String, value: DriverMethod.Json }
)

/**
 * @since 0.1.0
 * @category models
 */
export type Event = typeof Event.Type

const seconds = DriverMethod.optional(Schema.Int, { fallback: 30 })

/**
 * The contract. The driver sends JSON in texts, which the contract decodes. Timeouts are in seconds.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { BtPeer } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class Headset extends Device.Tag("acme/Headset", BtPeer.contract)<Headset>() {}
 *
 * const pairs = Effect.gen(function*() {
 *   const headset = yield* Headset
 *   yield* headset.start_peer({ name: "Test phone" })
 *   const { handle } = yield* headset.wait_connection(60)
 *   return yield* headset.pair(handle)
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_bt_peer.client.BtPeerClient", {
  /** Starts the peer, and returns its address and its name. */
  start_peer: DriverMethod.call({
    args: DriverMethod.named((config = DriverMethod.optional(Schema.parseJson(Config), { fallback: {} })) => [config]),
    result: Schema.parseJson(Schema.Struct({ address: Schema.String, name: Schema.String })),
    documentation: "Starts the peer, and returns its address and its name."
  }),
  /** Stops the peer, which forgets its connections and its events. */
  stop_peer: DriverMethod.call({
    result: Schema.parseJson(Schema.Struct({ status: Schema.Literal("stopped", "not_running") })),
    documentation: "Stops the peer, which forgets its connections and its events.",
    idempotent: true
  }),
  /** Waits until the peer has a connection, and returns it. */
  wait_connection: DriverMethod.call({
    args: DriverMethod.named((timeout = seconds) => [timeout]),
    result: Schema.parseJson(Connection),
    effect: "read",
    documentation: "Waits until the peer has a connection, and returns it.",
    idempotent: true
  }),
  /** Waits until a connection of the peer ends, and returns which one, with the reason as a code of Bluetooth. */
  wait_disconnection: DriverMethod.call({
    args: DriverMethod.named((timeout = seconds) => [timeout]),
    result: Schema.parseJson(
      Schema.Union(
        Schema.Struct({ handle: Schema.Int, address: Schema.String, reason: Schema.Int }),
        Schema.Struct({ status: Schema.Literal("no_connections") })
      )
    ),
    effect: "read",
    documentation:
      "Waits until a connection of the peer ends, and returns which one, with the reason as a code of Bluetooth."
  }),
  /** Authenticates and encrypts a connection. */
  pair: DriverMethod.call({
    args: DriverMethod.named((handle = DriverMethod.optional(Schema.Int, { fallback: 0 })) => [handle]),
    result: Schema.parseJson(Connection),
    documentation: "Authenticates and encrypts a connection."
  }),
  /** Connects to a device by its address. */
  connect_to: DriverMethod.call({
    args: DriverMethod.named((address = Schema.String, timeout = seconds) => [address, timeout]),
    result: Schema.parseJson(Connection),
    documentation: "Connects to a device by its address."
  }),
  /** The latest 1,000 events since a time, in seconds since 1970; by default since the start. */
  get_events: DriverMethod.call({
    args: DriverMethod.named((since = DriverMethod.optional(Schema.NumberFromString, { fallback: 0 })) => [since]),
    result: Schema.parseJson(Schema.Array(Event)),
    effect: "read",
    documentation: "The latest 1,000 events since a time, in seconds since 1970; by default since the start.",
    idempotent: true
  }),
  /** The address of the peer. */
  get_address: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "The address of the peer.",
    idempotent: true
  }),
  /** The connections of the peer. */
  get_connections: DriverMethod.call({
    result: Schema.parseJson(Schema.Array(Connection)),
    effect: "read",
    documentation: "The connections of the peer.",
    idempotent: true
  })
}, { driverType: "bluetooth" })

/**
 * The client of a peer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}
