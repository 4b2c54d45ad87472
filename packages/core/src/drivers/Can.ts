/**
 * CAN buses: `jumpstarter_driver_can`.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
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

const maxStandardId = 0x7ff
const maxExtendedId = 0x1fffffff

/**
 * A frame of the bus. `timestamp` is in seconds since 1970. `dlc` is the number of data bytes. A standard identifier
 * has 11 bits, an extended one 29. A classic frame has at most 8 bytes, a CAN FD frame at most 64. `frame` makes one.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Frame = Schema.Struct({
  timestamp: Schema.Number,
  arbitration_id: Schema.Int.pipe(Schema.between(0, maxExtendedId)),
  is_extended_id: Schema.Boolean,
  is_remote_frame: Schema.Boolean,
  is_error_frame: Schema.Boolean,
  channel: Schema.NullOr(Schema.Union(Schema.String, Schema.Int)),
  dlc: Schema.NullOr(Schema.Int),
  data: Schema.NullOr(bytes.base64),
  is_fd: Schema.Boolean,
  is_rx: Schema.Boolean,
  bitrate_switch: Schema.Boolean,
  error_state_indicator: Schema.Boolean
}).pipe(Schema.filter((frame) => {
  if (!frame.is_extended_id && frame.arbitration_id > maxStandardId) {
    return { path: ["arbitration_id"], message: `a standard identifier is at most ${maxStandardId}, 0x7ff` }
  }
  const most = frame.is_fd ? 64 : 8
  return frame.data !== null && frame.data.length > most
    ? { path: ["data"], message: `a ${frame.is_fd ? "CAN FD" : "classic"} frame has at most ${most} bytes of data` }
    : undefined
}))

/**
 * @since 0.1.0
 * @category models
 */
export interface Frame extends Schema.Schema.Type<typeof Frame> {}

/**
 * Frames to let through: those whose identifier has the bits of `can_id` that `can_mask` selects. With `extended`, only
 * frames with extended identifiers, or only frames with standard ones.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Filter = Schema.Struct({
  can_id: Schema.Int,
  can_mask: Schema.Int,
  extended: Schema.optional(Schema.Boolean)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Filter extends Schema.Schema.Type<typeof Filter> {}

/**
 * The state of the controller. A passive one only listens.
 *
 * @since 0.1.0
 * @category schemas
 */
export const BusState = Schema.transformLiterals([1, "active"], [2, "passive"], [3, "error"])

/**
 * @since 0.1.0
 * @category models
 */
export type BusState = typeof BusState.Type

/**
 * @since 0.1.0
 * @category schemas
 */
export const Protocol = Schema.transformLiterals(
  [1, "can-2.0"],
  [2, "can-fd"],
  [3, "can-fd-non-iso"],
  [4, "can-xl"]
)

/**
 * @since 0.1.0
 * @category models
 */
export type Protocol = typeof Protocol.Type

const optionalSeconds = DriverMethod.optional(Schema.NonNegative)
const oneTask = DriverMethod.named((task = Schema.UUID) => [task])

/**
 * The contract, with the names of `python-can`, whose bus the driver exports. Programs use `receive`, `send`,
 * `sendPeriodic` and `frame` of this module.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Can } from "@effect-jumpstarter/core/drivers"
 * import { Effect, Stream } from "effect"
 *
 * class VehicleBus extends Device.Tag("acme/VehicleBus", Can.contract)<VehicleBus>() {}
 *
 * const answers = Effect.gen(function*() {
 *   const bus = yield* VehicleBus
 *   yield* Can.sendPeriodic(bus, Can.frame(0x3e0, Uint8Array.of(1, 2)), { period: "100 millis" })
 *   yield* bus.send(Can.frame(0x7df, Uint8Array.of(2, 1, 0x0c)))
 *   return yield* Can.receive(bus, { filters: [{ can_id: 0x7e8, can_mask: 0x7f8 }] }).pipe(
 *     Stream.take(1),
 *     Stream.runCollect
 *   )
 * }).pipe(Effect.scoped)
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_can.client.CanClient", {
  /** Waits for a frame for some seconds, or without limit, and says whether the bus has filtered it. */
  _recv_internal: DriverMethod.call({
    args: DriverMethod.named((timeout = Schema.NullOr(Schema.NonNegative)) => [timeout]),
    result: Schema.Tuple(Schema.NullOr(Frame), Schema.Boolean),
    effect: "read",
    documentation: "Waits for a frame for some seconds, or without limit, and says whether the bus has filtered it."
  }),
  /** Sends a frame. The bus waits for room for some seconds. */
  send: DriverMethod.call({
    args: DriverMethod.named((frame = Frame, timeout = optionalSeconds) => [frame, timeout]),
    documentation: "Sends a frame. The bus waits for room for some seconds."
  }),
  /** Sends frames of one identifier in turn, one each period of some seconds, and returns the task. */
  _send_periodic_internal: DriverMethod.call({
    args: DriverMethod.named((
      frames = Schema.NonEmptyArray(Frame),
      period = Schema.Positive,
      duration = optionalSeconds,
      autostart = DriverMethod.optional(Schema.Boolean, { fallback: true })
    ) => [frames, period, duration, autostart]),
    result: Schema.UUID,
    documentation: "Sends frames of one identifier in turn, one each period of some seconds, and returns the task."
  }),
  /** Starts a task that does not start by itself. */
  _start_task: DriverMethod.call({
    args: oneTask,
    documentation: "Starts a task that does not start by itself."
  }),
  /** Stops a task and forgets it. */
  _stop_task: DriverMethod.call({
    args: oneTask,
    documentation: "Stops a task and forgets it."
  }),
  /** Returns the state of the controller, or changes it and returns null. */
  state: DriverMethod.call({
    args: DriverMethod.named((state = DriverMethod.optional(BusState)) => [state]),
    result: Schema.NullOr(BusState),
    documentation: "Returns the state of the controller, or changes it and returns null.",
    idempotent: true
  }),
  /** The protocol of the bus. */
  protocol: DriverMethod.call({
    result: Protocol,
    effect: "read",
    documentation: "The protocol of the bus.",
    idempotent: true
  }),
  /** A description of the channel. */
  channel_info: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "A description of the channel.",
    idempotent: true
  }),
  /** Makes the interface drop the frames that no filter lets through. Not every interface can. */
  _apply_filters: DriverMethod.call({
    args: DriverMethod.named((filters = Schema.NullOr(Schema.Array(Filter))) => [filters]),
    documentation: "Makes the interface drop the frames that no filter lets through. Not every interface can.",
    idempotent: true
  }),
  /** Drops the frames that wait to be sent. Not every interface can. */
  flush_tx_buffer: DriverMethod.call({
    documentation: "Drops the frames that wait to be sent. Not every interface can."
  }),
  /** Closes the bus for good: the driver cannot open it again. */
  shutdown: DriverMethod.call({
    effect: "destructive",
    documentation: "Closes the bus for good: the driver cannot open it again.",
    idempotent: true
  })
}, { driverType: "automotive" })

/**
 * The client of a CAN bus.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface FrameOptions {
  /** Whether the identifier has 29 bits; by default only if it does not fit into 11. */
  readonly extended?: boolean | undefined
  /** Whether it is a CAN FD frame; by default only if it has more than 8 bytes. */
  readonly fd?: boolean | undefined
  /** Whether a CAN FD frame sends its data at the higher bit rate. */
  readonly bitrateSwitch?: boolean | undefined
  /** Whether it is a remote frame, which asks for the data of its identifier. */
  readonly remote?: boolean | undefined
}

/**
 * A frame to send.
 *
 * @since 0.1.0
 * @category constructors
 */
export const frame = (
  id: number,
  data: Uint8Array,
  { bitrateSwitch = false, extended, fd, remote = false }: FrameOptions = {}
): Frame => ({
  timestamp: 0,
  arbitration_id: id,
  is_extended_id: extended ?? id > maxStandardId,
  is_remote_frame: remote,
  is_error_frame: false,
  channel: null,
  dlc: data.length,
  data,
  is_fd: fd ?? data.length > 8,
  is_rx: false,
  bitrate_switch: bitrateSwitch,
  error_state_indicator: false
})

/**
 * Whether one of some filters lets a frame through. Without filters every frame passes.
 *
 * @since 0.1.0
 * @category guards
 */
export const matches = (frame: Frame, filters: ReadonlyArray<Filter>): boolean =>
  filters.length === 0 ||
  filters.some(({ can_id, can_mask, extended }) =>
    (extended === undefined || extended === frame.is_extended_id)
    && ((frame.arbitration_id ^ can_id) & can_mask) === 0
  )

/**
 * @since 0.1.0
 * @category models
 */
export interface ReceiveOptions {
  /** Which frames to receive; all by default. The program filters, unless the interface has done so already. */
  readonly filters?: ReadonlyArray<Filter> | undefined
}

/**
 * The frames of the bus from now on, as long as the stream runs. Frames that arrive while the program is busy wait in
 * the driver. The driver has one queue for all its clients, and each frame goes to one of them.
 *
 * @since 0.1.0
 * @category combinators
 */
export const receive = (
  bus: Pick<Client, "_recv_internal">,
  { filters = [] }: ReceiveOptions = {}
): Stream.Stream<Frame, DriverCallError> => {
  const caller = callers.of()
  return polling((seconds) =>
    Effect.map(
      callers.on(caller, () => bus._recv_internal(seconds)),
      ([frame, filtered]) =>
        frame !== null && (filtered || matches(frame, filters)) ? Option.some(frame) : Option.none()
    )
  )
}

/**
 * @since 0.1.0
 * @category models
 */
export interface PeriodicOptions {
  /** The time from one frame to the next. */
  readonly period: Duration.DurationInput
  /** When to stop; by default when the scope closes. */
  readonly duration?: Duration.DurationInput | undefined
}

/**
 * Sends a frame again and again while the scope is open, or several frames of one identifier in turn. The driver keeps the
 * time, so that neither the program nor the network delays a frame.
 *
 * @since 0.1.0
 * @category combinators
 */
export const sendPeriodic = (
  bus: Pick<Client, "_send_periodic_internal" | "_stop_task">,
  frames: Frame | readonly [Frame, ...ReadonlyArray<Frame>],
  { duration, period }: PeriodicOptions
): Effect.Effect<void, DriverCallError, Scope.Scope> => {
  const caller = callers.of()
  const all = "arbitration_id" in frames ? [frames] as const : frames
  return Effect.asVoid(held(
    "a periodic frame of a CAN bus",
    callers.on(caller, () =>
      bus._send_periodic_internal(
        all,
        Duration.toSeconds(period),
        duration === undefined ? undefined : Duration.toSeconds(duration)
      )),
    (task) => callers.on(caller, () => bus._stop_task(task))
  ))
}
