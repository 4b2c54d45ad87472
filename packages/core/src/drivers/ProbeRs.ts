/**
 * Microcontrollers behind a debug probe: `jumpstarter_driver_probe_rs` (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import type * as Resource from "../resource/Resource.ts"

/**
 * The width of a word in memory, in bits, as the driver spells it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Width = Schema.Literal("b8", "b16", "b32", "b64")

/**
 * @since 0.1.0
 * @category models
 */
export type Width = typeof Width.Type

/**
 * The contract. Where probe-rs fails, the driver writes the cause into the exporter's log and returns an empty text, or no
 * words. A `download` or a reset that succeeds may print nothing as well, so only `readMemory` can tell.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { ProbeRs } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class Probe extends Device.Tag("acme/Probe", ProbeRs.contract)<Probe>() {}
 *
 * const install = Effect.gen(function*() {
 *   const probe = yield* Probe
 *   yield* ProbeRs.flash(probe, yield* Resource.fromFile("firmware.elf"))
 *   return yield* ProbeRs.readMemory(probe, { address: 0x2000_0000, words: 4 })
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_probe_rs.client.ProbeRsClient", {
  /** What probe-rs reports about the probe and the chip. */
  info: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "What probe-rs reports about the probe and the chip.",
    idempotent: true
  }),
  /** Resets the chip, so that it runs what was written. */
  reset_target: DriverMethod.call({
    result: Schema.String,
    documentation: "Resets the chip, so that it runs what was written.",
    idempotent: true
  }),
  /** Erases the flash memory. */
  erase: DriverMethod.call({
    result: Schema.String,
    effect: "destructive",
    documentation: "Erases the flash memory.",
    idempotent: true
  }),
  /** Writes a program in the ELF format. */
  download: DriverMethod.call({
    args: DriverMethod.named((program = DriverMethod.source) => [program]),
    result: Schema.String,
    effect: "destructive",
    documentation: "Writes a program in the ELF format.",
    idempotent: true
  }),
  /** Reads words of memory, each in hexadecimal digits. The address and the number of words are texts, such as 0x20000000. */
  read: DriverMethod.call({
    args: DriverMethod.named((
      width = Width,
      address = Schema.String,
      words = Schema.String
    ) => [width, address, words]),
    result: Schema.Array(Schema.String),
    effect: "read",
    documentation:
      "Reads words of memory, each in hexadecimal digits. The address and the number of words are texts, such as 0x20000000.",
    idempotent: true
  })
}, { driverType: "debug" })

/**
 * The client of a debug probe.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * The words could not be read. The cause is in the exporter's log.
 *
 * @since 0.1.0
 * @category errors
 */
export class MemoryReadError extends Schema.TaggedError<MemoryReadError>(
  "@effect-jumpstarter/core/drivers/ProbeRs/MemoryReadError"
)("MemoryReadError", { address: Schema.String, reason: Schema.String }) {
  override get message(): string {
    return `cannot read the memory at ${this.address}: ${this.reason}`
  }
}

/**
 * Writes a program in the ELF format, and resets the chip to run it. The driver does not say whether probe-rs succeeded: read
 * a part of the program back with `readMemory` to be sure.
 *
 * @since 0.1.0
 * @category combinators
 */
export const flash = <E, R>(
  probe: Pick<Client, "download" | "reset_target">,
  program: Resource.Source<void, E, R>
): Effect.Effect<void, DriverCallError | E, R> =>
  callers.on(callers.of(), () => Effect.zipRight(probe.download(program), Effect.asVoid(probe.reset_target())))

/**
 * Which part of memory to read.
 *
 * @since 0.1.0
 * @category models
 */
export interface MemoryRange {
  readonly address: number | bigint
  /** The number of words. */
  readonly words: number
  /** The width of a word in bits; 32 by default. */
  readonly width?: 8 | 16 | 32 | 64 | undefined
}

const widths = { 8: "b8", 16: "b16", 32: "b32", 64: "b64" } as const

/**
 * Reads words of memory. They are `bigint`s, because a word of 64 bits does not fit into a number.
 *
 * @since 0.1.0
 * @category combinators
 */
export const readMemory = (
  probe: Pick<Client, "read">,
  { address, width = 32, words }: MemoryRange
): Effect.Effect<ReadonlyArray<bigint>, DriverCallError | MemoryReadError> => {
  const caller = callers.of()
  const failed = (place: string, reason: string) =>
    Effect.fail(callers.blame(new MemoryReadError({ address: place, reason }), { caller }))
  if (typeof address === "number" && !Number.isSafeInteger(address) || address < 0) {
    return failed(String(address), "the address is not a natural number")
  }
  const place = `0x${address.toString(16)}`
  if (!Number.isSafeInteger(words) || words < 1) return failed(place, `${words} is not a number of words`)
  return Effect.flatMap(
    callers.on(caller, () => probe.read(widths[width], place, String(words))),
    (texts) => {
      if (texts.join("") === "") return failed(place, "probe-rs failed; the cause is in the exporter's log")
      const wrong = texts.find((text) => !/^[\da-f]+$/i.test(text))
      if (wrong !== undefined) return failed(place, `probe-rs printed ${JSON.stringify(wrong)}, which is not a word`)
      return texts.length === words
        ? Effect.succeed(texts.map((text) => BigInt(`0x${text}`)))
        : failed(place, `probe-rs printed ${texts.length} words instead of ${words}`)
    }
  )
}
