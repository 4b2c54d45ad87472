/**
 * Unified Diagnostic Services of control units (ISO 14229): `jumpstarter_driver_uds`, over CAN or DoIP.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import * as interruptible from "../util/interruptible.ts"
import * as bits from "./family/bits.ts"
import * as bytes from "./family/bytes.ts"

/**
 * The diagnostic sessions.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Session = Schema.Literal("default", "programming", "extended", "safety")

/**
 * @since 0.1.0
 * @category models
 */
export type Session = typeof Session.Type

/**
 * The ways to reset a control unit.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Reset = Schema.Literal("hard", "key_off_on", "soft")

/**
 * @since 0.1.0
 * @category models
 */
export type Reset = typeof Reset.Type

// What the unit answered. A negative response has a code, and its name in the standard.
const outcome = {
  success: Schema.Boolean,
  nrc: Schema.NullOr(Schema.Int),
  nrc_name: Schema.NullOr(Schema.String)
}

/**
 * The answer to a request. `data` is what follows the service's identifier. A negative response is a value with
 * `success: false`; `accepted` makes it a failure.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Response = Schema.Struct({
  service: Schema.String,
  ...outcome,
  data: Schema.NullOr(bytes.hex)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Response extends Schema.Schema.Type<typeof Response> {}

/**
 * The seed of a security level, empty when the unit refuses.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Seed = Schema.Struct({ ...outcome, seed: bytes.hex })

/**
 * @since 0.1.0
 * @category models
 */
export interface Seed extends Schema.Schema.Type<typeof Seed> {}

/**
 * A data identifier and its value, in hexadecimal digits when it is bytes.
 *
 * @since 0.1.0
 * @category schemas
 */
export const DataValue = Schema.Struct({
  did: Schema.Int,
  value: Schema.NullOr(Schema.Union(Schema.String, Schema.Number))
})

/**
 * @since 0.1.0
 * @category models
 */
export interface DataValue extends Schema.Schema.Type<typeof DataValue> {}

/**
 * A diagnostic trouble code, with the bits of its status.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TroubleCode = Schema.Struct({
  dtc_id: Schema.Int,
  status: Schema.Int,
  severity: Schema.NullOr(Schema.Int)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface TroubleCode extends Schema.Schema.Type<typeof TroubleCode> {}

/**
 * What a routine answered.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Routine = Schema.Struct({
  routine_id: Schema.Int,
  control_type: Schema.Literal("startRoutine", "stopRoutine", "requestRoutineResults"),
  ...outcome,
  status_record: Schema.NullOr(bytes.hex)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Routine extends Schema.Schema.Type<typeof Routine> {}

/**
 * What a step of an authentication answered.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Authentication = Schema.Struct({
  authentication_task: Schema.Int,
  return_value: Schema.Int,
  ...outcome,
  challenge_server: Schema.NullOr(bytes.hex),
  certificate_server: Schema.NullOr(bytes.hex),
  proof_of_ownership_server: Schema.NullOr(bytes.hex),
  session_key_info: Schema.NullOr(bytes.hex),
  algorithm_indicator: Schema.NullOr(bytes.hex),
  needed_additional_parameter: Schema.NullOr(bytes.hex)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Authentication extends Schema.Schema.Type<typeof Authentication> {}

/**
 * What a request for a file transfer answered. Sizes are in bytes.
 *
 * @since 0.1.0
 * @category schemas
 */
export const FileTransfer = Schema.Struct({
  moop: Schema.Int,
  ...outcome,
  max_length: Schema.NullOr(Schema.Int),
  filesize_uncompressed: Schema.NullOr(Schema.Int),
  filesize_compressed: Schema.NullOr(Schema.Int),
  dirinfo_length: Schema.NullOr(Schema.Int)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface FileTransfer extends Schema.Schema.Type<typeof FileTransfer> {}

const optionalBytes = DriverMethod.optional(bytes.hex, { fallback: new Uint8Array() })
const routine = DriverMethod.named((routine = bits.sixteen, data = optionalBytes) => [routine, data])

/**
 * The contract. A request that the unit does not answer in time fails with a `DriverError`. A negative response is a
 * result, except that of `tester_present`. A driver carries one request at a time: do not run two of them concurrently.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Uds } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class Brakes extends Device.Tag("acme/Brakes", Uds.contract)<Brakes>() {}
 *
 * const calibrate = Effect.gen(function*() {
 *   const brakes = yield* Uds.keepSession(yield* Brakes)
 *   yield* Uds.accepted(brakes.change_session("extended"))
 *   yield* Uds.unlock(brakes, 1, (seed) => seed.map((byte) => byte ^ 0xff))
 *   return yield* Uds.accepted(brakes.start_routine(0x0203))
 * }).pipe(Effect.scoped)
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_uds.client.UdsClient", {
  /** Changes the diagnostic session. */
  change_session: DriverMethod.call({
    args: DriverMethod.named((session = Session) => [session]),
    result: Response,
    documentation: "Changes the diagnostic session.",
    idempotent: true
  }),
  /** Resets the control unit. */
  ecu_reset: DriverMethod.call({
    args: DriverMethod.named((reset = Reset) => [reset]),
    result: Response,
    documentation: "Resets the control unit."
  }),
  /** Keeps the session from ending. */
  tester_present: DriverMethod.call({
    documentation: "Keeps the session from ending.",
    idempotent: true
  }),
  /** Reads the values of data identifiers. A negative response is an empty list. */
  read_data_by_identifier: DriverMethod.call({
    args: DriverMethod.named((identifiers = Schema.NonEmptyArray(bits.sixteen)) => [identifiers]),
    result: Schema.Array(DataValue),
    effect: "read",
    documentation: "Reads the values of data identifiers. A negative response is an empty list.",
    idempotent: true
  }),
  /** Writes the value of a data identifier. */
  write_data_by_identifier: DriverMethod.call({
    args: DriverMethod.named((identifier = bits.sixteen, value = bytes.hex) => [identifier, value]),
    result: Response,
    effect: "destructive",
    documentation: "Writes the value of a data identifier.",
    idempotent: true
  }),
  /** Asks for the seed of a security level. */
  request_seed: DriverMethod.call({
    args: DriverMethod.named((level = bits.eight) => [level]),
    result: Seed,
    documentation: "Asks for the seed of a security level."
  }),
  /** Sends the key of a security level. A unit counts wrong ones. */
  send_key: DriverMethod.call({
    args: DriverMethod.named((level = bits.eight, key = bytes.hex) => [level, key]),
    result: Response,
    documentation: "Sends the key of a security level. A unit counts wrong ones."
  }),
  /** Erases the trouble codes of a group; all of them by default. */
  clear_dtc: DriverMethod.call({
    args: DriverMethod.named((
      group = DriverMethod.optional(Schema.Int.pipe(Schema.between(0, 0xffffff)), { fallback: 0xffffff })
    ) => [group]),
    result: Response,
    effect: "destructive",
    documentation: "Erases the trouble codes of a group; all of them by default.",
    idempotent: true
  }),
  /** Reads the trouble codes whose status has at least one bit of the mask. A negative response is an empty list. */
  read_dtc_by_status_mask: DriverMethod.call({
    args: DriverMethod.named((mask = DriverMethod.optional(bits.eight, { fallback: 0xff })) => [mask]),
    result: Schema.Array(TroubleCode),
    effect: "read",
    documentation:
      "Reads the trouble codes whose status has at least one bit of the mask. A negative response is an empty list.",
    idempotent: true
  }),
  /** Starts a routine, which can do anything: erase memory, move an actuator. */
  start_routine: DriverMethod.call({
    args: routine,
    result: Routine,
    effect: "destructive",
    documentation: "Starts a routine, which can do anything: erase memory, move an actuator."
  }),
  /** Stops a routine. */
  stop_routine: DriverMethod.call({
    args: routine,
    result: Routine,
    documentation: "Stops a routine.",
    idempotent: true
  }),
  /** Reads the result of a routine. */
  get_routine_result: DriverMethod.call({
    args: routine,
    result: Routine,
    effect: "read",
    documentation: "Reads the result of a routine.",
    idempotent: true
  }),
  /** Does a step of an authentication with certificates or a challenge. */
  authentication: DriverMethod.call({
    args: DriverMethod.named((
      task = bits.eight,
      communicationConfiguration = DriverMethod.optional(bits.eight),
      certificate = optionalBytes,
      challenge = optionalBytes,
      algorithm = optionalBytes,
      proofOfOwnership = optionalBytes
    ) => [task, communicationConfiguration, certificate, challenge, algorithm, proofOfOwnership]),
    result: Authentication,
    documentation: "Does a step of an authentication with certificates or a challenge."
  }),
  /** Asks to add (1), delete (2), replace (3), read (4) or list (5) a file of the unit. */
  request_file_transfer: DriverMethod.call({
    args: DriverMethod.named((
      operation = bits.eight,
      path = Schema.String,
      size = DriverMethod.optional(Schema.Int.pipe(Schema.nonNegative()))
    ) => [operation, path, size]),
    result: FileTransfer,
    effect: "destructive",
    documentation: "Asks to add (1), delete (2), replace (3), read (4) or list (5) a file of the unit."
  })
}, { driverType: "automotive" })

/**
 * The client of a control unit.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * The control unit refused a request. `code` and `name` are those of the standard, such as 0x33 and
 * `SecurityAccessDenied`.
 *
 * @since 0.1.0
 * @category errors
 */
export class NegativeResponse extends Schema.TaggedError<NegativeResponse>(
  "@effect-jumpstarter/core/drivers/Uds/NegativeResponse"
)("UdsNegativeResponse", {
  request: Schema.String,
  code: Schema.NullOr(Schema.Int),
  name: Schema.NullOr(Schema.String)
}) {
  override get message(): string {
    const code = this.code === null ? "" : ` (0x${this.code.toString(16).padStart(2, "0")})`
    return `the control unit refused ${this.request}: ${this.name ?? "without a reason"}${code}`
  }
}

/**
 * What answers of a control unit have in common.
 *
 * @since 0.1.0
 * @category models
 */
export interface Outcome {
  readonly success: boolean
  readonly nrc: number | null
  readonly nrc_name: string | null
}

const nameOf = (answer: Outcome): string => {
  if ("service" in answer && typeof answer.service === "string") return answer.service
  if ("control_type" in answer && typeof answer.control_type === "string") return answer.control_type
  return "seed" in answer
    ? "SecurityAccess"
    : "authentication_task" in answer
    ? "Authentication"
    : "RequestFileTransfer"
}

/**
 * Makes a negative response a failure.
 *
 * @since 0.1.0
 * @category combinators
 */
export const accepted = <A extends Outcome, E, R>(
  answer: Effect.Effect<A, E, R>
): Effect.Effect<A, E | NegativeResponse, R> => {
  const caller = callers.of()
  return Effect.flatMap(answer, (answer) =>
    answer.success
      ? Effect.succeed(answer)
      : Effect.fail(callers.blame(
        new NegativeResponse({ request: nameOf(answer), code: answer.nrc, name: answer.nrc_name }),
        { caller }
      )))
}

/**
 * Opens a security level: asks for its seed, and sends the key that a function makes of the seed. `level` is the odd
 * number of the seed. A unit whose level is open already sends a seed of zeros, and no key is sent.
 *
 * @since 0.1.0
 * @category combinators
 */
export const unlock = (
  unit: Pick<Client, "request_seed" | "send_key">,
  level: number,
  key: (seed: Uint8Array) => Uint8Array
): Effect.Effect<void, DriverCallError | NegativeResponse> => {
  const caller = callers.of()
  return Effect.gen(function*() {
    const { seed } = yield* callers.on(caller, () => accepted(unit.request_seed(level)))
    if (seed.every((byte) => byte === 0)) return
    yield* callers.on(caller, () => accepted(unit.send_key(level, key(seed))))
  })
}

/**
 * @since 0.1.0
 * @category models
 */
export interface KeepSessionOptions {
  /** How long to wait between two messages; 2 seconds by default. A unit ends a silent session after about 5 seconds. */
  readonly every?: Duration.DurationInput | undefined
}

/**
 * Keeps the session from ending while the scope is open. Use the client that it returns meanwhile: its requests and the
 * messages of this function take turns, because a driver mixes up the answers to concurrent requests. The first message
 * that fails is logged, and is the last.
 *
 * @since 0.1.0
 * @category combinators
 */
export const keepSession = (
  unit: Client,
  { every = "2 seconds" }: KeepSessionOptions = {}
): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.gen(function*() {
    const turns = yield* Effect.makeSemaphore(1)
    const inTurn =
      <Args extends ReadonlyArray<unknown>, A, E>(request: (...args: Args) => Effect.Effect<A, E>) =>
      (...args: Args): Effect.Effect<A, E> => {
        const caller = callers.of()
        return turns.withPermits(1)(Effect.suspend(() => callers.on(caller, () => request(...args))))
      }
    const client: Client = {
      change_session: inTurn(unit.change_session),
      ecu_reset: inTurn(unit.ecu_reset),
      tester_present: inTurn(unit.tester_present),
      read_data_by_identifier: inTurn(unit.read_data_by_identifier),
      write_data_by_identifier: inTurn(unit.write_data_by_identifier),
      request_seed: inTurn(unit.request_seed),
      send_key: inTurn(unit.send_key),
      clear_dtc: inTurn(unit.clear_dtc),
      read_dtc_by_status_mask: inTurn(unit.read_dtc_by_status_mask),
      start_routine: inTurn(unit.start_routine),
      stop_routine: inTurn(unit.stop_routine),
      get_routine_result: inTurn(unit.get_routine_result),
      authentication: inTurn(unit.authentication),
      request_file_transfer: inTurn(unit.request_file_transfer)
    }
    yield* Effect.suspend(() => client.tester_present()).pipe(
      Effect.repeat(Schedule.spaced(Duration.decode(every))),
      Effect.catchAll((error) => Effect.logWarning("The diagnostic session is no longer kept", error)),
      interruptible.forkScoped
    )
    return client
  })
