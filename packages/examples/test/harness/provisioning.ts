// A procedure for a lab that comes and goes: a step in which the connection was lost is done again where that does no
// harm, and looked into where it would.
import { Device, DriverError, DriverInterface, DriverMethod, Resource } from "@effect-jumpstarter/core"
import { Flasher, Power, Serial } from "@effect-jumpstarter/core/drivers"
import { assert } from "@effect/vitest"
import { Effect, Layer, Schedule, Schema } from "effect"

/** Fuses of a chip, which nobody can mend. */
export const Fuses = DriverInterface.make("lab.client.FusesClient", {
  burn: DriverMethod.call(),
  burnt: DriverMethod.call({ result: Schema.Boolean, idempotent: true })
})

class Supply extends Device.Tag("acme/Supply", Power.contract)<Supply>() {}
class Port extends Device.Tag("acme/Port", Serial.contract)<Port>() {}
class Storage extends Device.Tag("acme/Storage", Flasher.contract)<Storage>() {}
class Chip extends Device.Tag("acme/Chip", Fuses)<Chip>() {}

export const devices = Layer.mergeAll(
  Supply.layer("power"),
  Port.layer("serial"),
  Storage.layer("flasher"),
  Chip.layer("fuses")
)

/** When the connection is made again after a loss. Devices are found again then, and nothing is repeated. */
export const reconnect = Schedule.spaced("2 seconds").pipe(Schedule.upTo("1 minute"))

// Nobody knows whether the step was done. When the schedule has ended nothing was sent, and the origin is the client.
const isUnknown = (error: unknown): error is DriverError.ConnectionLost =>
  error instanceof DriverError.ConnectionLost && error.origin === "transport"

const again = (retryable: (error: unknown) => boolean) => <A, E extends Error, R>(step: Effect.Effect<A, E, R>) =>
  step.pipe(
    Effect.tapError(({ message }) => Effect.logWarning(message)),
    Effect.retry({ times: 3, while: retryable })
  )

// Whether a call can be made again, its contract says.
const persistently = (contract: DriverInterface.Any) => again(DriverInterface.isRetryable(contract))

const image = new TextEncoder().encode("an image ".repeat(10_000))

export const provision = Effect.gen(function*() {
  const supply = yield* Supply
  const port = yield* Port
  const storage = yield* Storage
  const chip = yield* Chip

  yield* supply.on().pipe(persistently(Power.contract))
  // Of a conversation only who leads it knows.
  yield* again(isUnknown)(Effect.scoped(Effect.gen(function*() {
    const console = yield* Serial.console(port)
    // The board repeats its prompt: it may have booted while nobody listened.
    yield* console.sendLine("")
    yield* console.expect("=> ", { timeout: "30 seconds" })
  })))
  const storing = persistently(Flasher.contract)
  yield* storage.flash(Resource.fromBytes(image)).pipe(storing)
  assert.deepStrictEqual(yield* storage.dump(Resource.toBytes()).pipe(storing), image)
  // Not to be done twice, so the board is asked.
  yield* Effect.catchIf(
    chip.burn(),
    isUnknown,
    () => Effect.flatMap(chip.burnt().pipe(persistently(Fuses)), (burnt) => burnt ? Effect.void : chip.burn())
  )
})
