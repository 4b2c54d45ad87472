/**
 * Measurement and calibration of control units (ASAM XCP): `jumpstarter_driver_xcp`.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import { held } from "./bracket.ts"
import * as bits from "./family/bits.ts"
import * as bytes from "./family/bytes.ts"

/**
 * What the unit can do, and how large its packets are, in bytes.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ConnectionInfo = Schema.Struct({
  max_cto: Schema.Int,
  max_dto: Schema.Int,
  byte_order: Schema.String,
  supports_pgm: Schema.Boolean,
  supports_stim: Schema.Boolean,
  supports_daq: Schema.Boolean,
  supports_calpag: Schema.Boolean,
  protocol_layer_version: Schema.Int,
  transport_layer_version: Schema.Int,
  address_granularity: Schema.String,
  slave_block_mode: Schema.Boolean
})

/**
 * @since 0.1.0
 * @category models
 */
export interface ConnectionInfo extends Schema.Schema.Type<typeof ConnectionInfo> {}

/**
 * The resources of a unit by name, such as `calpag`, and whether each is protected.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Protection = Schema.Record({ key: Schema.String, value: Schema.Boolean })

/**
 * @since 0.1.0
 * @category schemas
 */
export const Status = Schema.Struct({
  session_status: Schema.Record({
    key: Schema.String,
    value: Schema.Union(Schema.Boolean, Schema.Number, Schema.String)
  }),
  resource_protection: Protection
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Status extends Schema.Schema.Type<typeof Status> {}

// What pyXCP makes of the unit's answers; its names and nesting are not fixed.
const Properties = Schema.Record({ key: Schema.String, value: DriverMethod.Json })

/**
 * How a unit can measure by itself: its processor, the resolution of its clock, and its events.
 *
 * @since 0.1.0
 * @category schemas
 */
export const DaqInfo = Schema.Struct({
  processor: Properties,
  resolution: Properties,
  channels: Schema.Array(Properties)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface DaqInfo extends Schema.Schema.Type<typeof DaqInfo> {}

/**
 * How a unit wants to be programmed.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ProgramInfo = Schema.Struct({
  comm_mode_pgm: Schema.Int,
  max_cto_pgm: Schema.Int,
  max_bs_pgm: Schema.Int,
  min_st_pgm: Schema.Int,
  queue_size_pgm: Schema.Int
})

/**
 * @since 0.1.0
 * @category models
 */
export interface ProgramInfo extends Schema.Schema.Type<typeof ProgramInfo> {}

const zero = DriverMethod.optional(bits.eight, { fallback: 0 })

/**
 * The contract. The published driver carries bytes as text: `upload` fails with `InvalidArgument` for memory that is not
 * UTF-8, and the client refuses to send such bytes.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Xcp } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class Engine extends Device.Tag("acme/Engine", Xcp.contract)<Engine>() {}
 *
 * const label = Effect.gen(function*() {
 *   const engine = yield* Engine
 *   yield* Xcp.session(engine)
 *   return yield* engine.upload(4, 0x1000)
 * }).pipe(Effect.scoped)
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_xcp.client.XcpClient", {
  /** Connects to the unit. */
  connect: DriverMethod.call({
    args: DriverMethod.named((mode = zero) => [mode]),
    result: ConnectionInfo,
    documentation: "Connects to the unit.",
    idempotent: true
  }),
  /** Disconnects from the unit. */
  disconnect: DriverMethod.call({ documentation: "Disconnects from the unit.", idempotent: true }),
  /** The identifier of the unit: ASCII text (0), or the name (1), path (2) or URL (3) of its description. */
  get_id: DriverMethod.call({
    args: DriverMethod.named((idType = DriverMethod.optional(bits.eight, { fallback: 1 })) => [idType]),
    result: Schema.Struct({ id_type: Schema.Int, identifier: Schema.String }),
    effect: "read",
    documentation:
      "The identifier of the unit: ASCII text (0), or the name (1), path (2) or URL (3) of its description.",
    idempotent: true
  }),
  /** What the unit does, and which of its resources are protected. */
  get_status: DriverMethod.call({
    result: Status,
    effect: "read",
    documentation: "What the unit does, and which of its resources are protected.",
    idempotent: true
  }),
  /** Unlocks resources with the seed and key of the driver's configuration, and returns what is protected. */
  unlock: DriverMethod.call({
    args: DriverMethod.named((resources = DriverMethod.optional(Schema.Array(Schema.String))) => [resources]),
    result: Protection,
    documentation:
      "Unlocks resources with the seed and key of the driver's configuration, and returns what is protected.",
    idempotent: true
  }),
  /** Reads memory of the unit. */
  upload: DriverMethod.call({
    args: DriverMethod.named((
      length = bits.eight,
      address = bits.thirtyTwo,
      addressExtension = zero
    ) => [length, address, addressExtension]),
    result: bytes.utf8,
    effect: "read",
    documentation: "Reads memory of the unit.",
    idempotent: true
  }),
  /** Writes memory of the unit. */
  download: DriverMethod.call({
    args: DriverMethod.named((
      address = bits.thirtyTwo,
      data = bytes.utf8,
      addressExtension = zero
    ) => [address, data, addressExtension]),
    effect: "destructive",
    documentation: "Writes memory of the unit.",
    idempotent: true
  }),
  /** Sets the address of the next transfer. */
  set_mta: DriverMethod.call({
    args: DriverMethod.named((address = bits.thirtyTwo, addressExtension = zero) => [address, addressExtension]),
    documentation: "Sets the address of the next transfer.",
    idempotent: true
  }),
  /** Computes the checksum of a block at the address of the next transfer, and moves that address. */
  build_checksum: DriverMethod.call({
    args: DriverMethod.named((blockSize = bits.thirtyTwo) => [blockSize]),
    result: Schema.Struct({ checksum_type: Schema.Int, checksum_value: Schema.Int }),
    documentation: "Computes the checksum of a block at the address of the next transfer, and moves that address."
  }),
  /** How the unit can measure by itself. */
  get_daq_info: DriverMethod.call({
    result: DaqInfo,
    effect: "read",
    documentation: "How the unit can measure by itself.",
    idempotent: true
  }),
  /** Removes all lists of measurements. */
  free_daq: DriverMethod.call({ documentation: "Removes all lists of measurements.", idempotent: true }),
  /** Makes lists of measurements. */
  alloc_daq: DriverMethod.call({
    args: DriverMethod.named((count = bits.sixteen) => [count]),
    documentation: "Makes lists of measurements."
  }),
  /** Makes the tables of a list. */
  alloc_odt: DriverMethod.call({
    args: DriverMethod.named((list = bits.sixteen, count = bits.eight) => [list, count]),
    documentation: "Makes the tables of a list."
  }),
  /** Makes the entries of a table. */
  alloc_odt_entry: DriverMethod.call({
    args: DriverMethod.named((
      list = bits.sixteen,
      table = bits.eight,
      count = bits.eight
    ) => [list, table, count]),
    documentation: "Makes the entries of a table."
  }),
  /** Chooses the entry that the next one is written to. */
  set_daq_ptr: DriverMethod.call({
    args: DriverMethod.named((
      list = bits.sixteen,
      table = bits.eight,
      entry = bits.eight
    ) => [list, table, entry]),
    documentation: "Chooses the entry that the next one is written to.",
    idempotent: true
  }),
  /** Says what the chosen entry measures, and chooses the next one. */
  write_daq: DriverMethod.call({
    args: DriverMethod.named((
      bitOffset = bits.eight,
      size = bits.eight,
      addressExtension = bits.eight,
      address = bits.thirtyTwo
    ) => [bitOffset, size, addressExtension, address]),
    documentation: "Says what the chosen entry measures, and chooses the next one."
  }),
  /** Says when a list is measured. */
  set_daq_list_mode: DriverMethod.call({
    args: DriverMethod.named((
      mode = bits.eight,
      list = bits.sixteen,
      event = bits.sixteen,
      prescaler = bits.eight,
      priority = bits.eight
    ) => [mode, list, event, prescaler, priority]),
    documentation: "Says when a list is measured.",
    idempotent: true
  }),
  /** Stops (0), starts (1) or selects (2) a list. */
  start_stop_daq_list: DriverMethod.call({
    args: DriverMethod.named((mode = bits.eight, list = bits.sixteen) => [mode, list]),
    documentation: "Stops (0), starts (1) or selects (2) a list.",
    idempotent: true
  }),
  /** Stops all lists (0), starts the selected ones (1) or stops them (2). */
  start_stop_synch: DriverMethod.call({
    args: DriverMethod.named((mode = bits.eight) => [mode]),
    documentation: "Stops all lists (0), starts the selected ones (1) or stops them (2).",
    idempotent: true
  }),
  /** Prepares the unit for being programmed. */
  program_start: DriverMethod.call({
    result: ProgramInfo,
    documentation: "Prepares the unit for being programmed."
  }),
  /** Erases memory. In mode 0, the range is the number of bytes to erase, from the address of the next transfer on. */
  program_clear: DriverMethod.call({
    args: DriverMethod.named((range = bits.thirtyTwo, mode = zero) => [range, mode]),
    effect: "destructive",
    documentation:
      "Erases memory. In mode 0, the range is the number of bytes to erase, from the address of the next transfer on.",
    idempotent: true
  }),
  /** Programs data at the address of the next transfer, and moves that address. */
  program: DriverMethod.call({
    args: DriverMethod.named((
      data = bytes.utf8,
      blockLength = zero
    ) => [data, blockLength]),
    effect: "destructive",
    documentation: "Programs data at the address of the next transfer, and moves that address."
  }),
  /** Ends the programming and resets the unit. */
  program_reset: DriverMethod.call({ documentation: "Ends the programming and resets the unit." })
}, { driverType: "automotive" })

/**
 * The client of a unit.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * Connects to the unit while the scope is open.
 *
 * @since 0.1.0
 * @category combinators
 */
export const session = (
  unit: Pick<Client, "connect" | "disconnect">
): Effect.Effect<ConnectionInfo, DriverCallError, Scope.Scope> => {
  const caller = callers.of()
  return held(
    "the connection to an XCP unit",
    callers.on(caller, () => unit.connect()),
    () => callers.on(caller, () => unit.disconnect())
  )
}
