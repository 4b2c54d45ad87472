// What storage muxes have in common. The public contracts of the family spread these methods.
import * as DriverMethod from "../../contract/DriverMethod.ts"

export const switching = {
  /** Connects the storage to the exporter. */
  host: DriverMethod.call({ documentation: "Connects the storage to the exporter.", idempotent: true }),
  /** Connects the storage to the device under test. */
  dut: DriverMethod.call({ documentation: "Connects the storage to the device under test.", idempotent: true }),
  /** Disconnects the storage. */
  off: DriverMethod.call({ documentation: "Disconnects the storage.", idempotent: true }),
  /** Writes to the storage, from its start. */
  write: DriverMethod.call({
    args: DriverMethod.named((image = DriverMethod.source) => [image]),
    effect: "destructive",
    documentation: "Writes to the storage, from its start.",
    idempotent: true
  }),
  /** Reads the whole storage. */
  read: DriverMethod.call({
    args: DriverMethod.named((target = DriverMethod.sink) => [target]),
    effect: "read",
    documentation: "Reads the whole storage.",
    idempotent: true
  })
}
