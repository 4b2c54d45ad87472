// What flashers have in common. The public contracts of the family spread these methods.
import * as Schema from "effect/Schema"
import * as DriverMethod from "../../contract/DriverMethod.ts"

const partition = DriverMethod.optional(Schema.String)

export const flashing = {
  /** Writes an image to a target. */
  flash: DriverMethod.call({
    args: DriverMethod.named((image = DriverMethod.source, target = partition) => [image, target]),
    effect: "destructive",
    documentation: "Writes an image to a target.",
    idempotent: true
  })
}

const dump = {
  args: DriverMethod.named((dump = DriverMethod.sink, target = partition) => [dump, target]),
  idempotent: true
} as const

// A write, because a programmer stops the device to read it.
export const dumping = {
  /** Reads the content of a target. */
  dump: DriverMethod.call({ ...dump, documentation: "Reads the content of a target." })
}

// Mass storage and simulators cannot be read back.
export const dumpingMaybe = {
  /** Reads the content of a target. */
  dump: DriverMethod.call({ ...dump, optional: true, documentation: "Reads the content of a target." })
}
