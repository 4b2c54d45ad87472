/**
 * Android in Cuttlefish, a virtual device: `jumpstarter_driver_cuttlefish` (`protocol.md` 14.3).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"

/**
 * A virtual device. The host may add further properties.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Cvd = Schema.Struct(
  {
    group: Schema.optional(Schema.String),
    name: Schema.optional(Schema.String),
    /** Such as `Running` or `Stopped`. */
    status: Schema.optional(Schema.String),
    adb_port: Schema.optional(Schema.NullOr(Schema.Int))
  },
  { key: Schema.String, value: DriverMethod.Json }
)

/**
 * @since 0.1.0
 * @category models
 */
export type Cvd = typeof Cvd.Type

const cvds = Schema.parseJson(Schema.Struct({ cvds: Schema.Array(Cvd) }))

/**
 * An operation of the host, such as the start of a device.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Operation = Schema.Struct({ name: Schema.String, done: Schema.Boolean })

/**
 * @since 0.1.0
 * @category models
 */
export interface Operation extends Schema.Schema.Type<typeof Operation> {}

/**
 * The contract. Its children are `power`, `storage` and `adb`, which implement `CvdPower.contract`, `CvdFlasher.contract` and
 * `Adb.contract`. Where the host answers with JSON whose form it does not promise, the result is the text.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Cuttlefish } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class Phone extends Device.Tag("acme/Phone", Cuttlefish.contract)<Phone>() {}
 *
 * const factoryReset = Effect.gen(function*() {
 *   const phone = yield* Phone
 *   yield* phone.powerwash_cvd()
 *   yield* phone.wait_boot(300)
 *   return (yield* phone.list_cvds()).cvds.map(({ status }) => status)
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_cuttlefish.client.CuttlefishClient", {
  /** The name or the address of the host. */
  get_host: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "The name or the address of the host.",
    idempotent: true
  }),
  /** The URL of a page that shows the device's screen. */
  get_webrtc_url: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "The URL of a page that shows the device's screen.",
    idempotent: true
  }),
  /** The devices of the host. */
  list_cvds: DriverMethod.call({
    result: cvds,
    effect: "read",
    documentation: "The devices of the host.",
    idempotent: true
  }),
  /** What the host reports about this device. */
  get_cvd: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "What the host reports about this device.",
    idempotent: true
  }),
  /** Restarts the device. */
  restart_cvd: DriverMethod.call({ result: Schema.String, documentation: "Restarts the device." }),
  /** Resets the device to its factory settings. */
  powerwash_cvd: DriverMethod.call({
    result: Schema.String,
    effect: "destructive",
    documentation: "Resets the device to its factory settings.",
    idempotent: true
  }),
  /** Presses the device's power button. */
  powerbtn_cvd: DriverMethod.call({ result: Schema.String, documentation: "Presses the device's power button." }),
  /** Fails unless the host answers. */
  status: DriverMethod.call({
    result: Schema.Literal("OK"),
    effect: "read",
    documentation: "Fails unless the host answers.",
    idempotent: true
  }),
  /** Creates a device by a configuration of the host, which is JSON. */
  create_cvd: DriverMethod.call({
    args: DriverMethod.named((config = Schema.parseJson(DriverMethod.Json)) => [config]),
    result: Schema.String,
    documentation: "Creates a device by a configuration of the host, which is JSON."
  }),
  /** Starts the device. */
  start_cvd: DriverMethod.call({ result: Schema.String, documentation: "Starts the device.", idempotent: true }),
  /** Stops the device. */
  stop_cvd: DriverMethod.call({ result: Schema.String, documentation: "Stops the device.", idempotent: true }),
  /** Deletes the device with its data. */
  delete_cvd: DriverMethod.call({
    result: Schema.String,
    effect: "destructive",
    documentation: "Deletes the device with its data."
  }),
  /** The port of the device's ADB daemon on the host. */
  get_adb_port: DriverMethod.call({
    result: Schema.NumberFromString,
    effect: "read",
    documentation: "The port of the device's ADB daemon on the host.",
    idempotent: true
  }),
  /** The operations of the host that are in progress. */
  list_operations: DriverMethod.call({
    result: Schema.parseJson(Schema.Union(
      Schema.Array(Operation),
      Schema.Struct({ operations: Schema.Array(Operation) })
    )),
    effect: "read",
    documentation: "The operations of the host that are in progress.",
    idempotent: true
  }),
  /** Waits until Android has booted. The timeout is in seconds; with 0, the exporter's configuration has it. */
  wait_boot: DriverMethod.call({
    args: DriverMethod.named((timeout = DriverMethod.optional(Schema.Int, { fallback: 0 })) => [timeout]),
    result: Schema.Literal("OK"),
    effect: "read",
    documentation:
      "Waits until Android has booted. The timeout is in seconds; with 0, the exporter's configuration has it.",
    idempotent: true
  }),
  /** Deletes all devices of the host, with their data. */
  reset_host: DriverMethod.call({
    result: Schema.String,
    effect: "destructive",
    documentation: "Deletes all devices of the host, with their data.",
    idempotent: true
  })
}, { driverType: "composite" })

/**
 * The client of such a device.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}
