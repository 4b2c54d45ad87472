// A procedure for an unreliable lab. After a lost connection, a step is repeated if that is harmless; otherwise its
// result is checked.
import { Device, DriverError, DriverInterface, DriverMethod, Resource } from "@effect-jumpstarter/core"
import { Flasher, Power, Serial } from "@effect-jumpstarter/core/drivers"
import { assert } from "@effect/vitest"
import { Effect, Layer, Schedule, Schema } from "effect"

/** The fuses of a chip, which cannot be restored. */
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

/** The schedule for reconnecting after a loss. Reconnecting finds the devices again, and repeats no calls. */
export const reconnect = Schedule.spaced("2 seconds").pipe(Schedule.upTo("1 minute"))

// The step may have been done. After the schedule has ended, nothing is sent, and the origin is the client.
const isUnknown = (error: unknown): error is DriverError.ConnectionLost =>
  error instanceof DriverError.ConnectionLost && error.origin === "transport"

const again = (retryable: (error: unknown) => boolean) => <A, E extends Error, R>(step: Effect.Effect<A, E, R>) =>
  step.pipe(
    Effect.tapError(({ message }) => Effect.logWarning(message)),
    Effect.retry({ times: 3, while: retryable })
  )

// The contract tells whether a call can be repeated.
const persistently = (contract: DriverInterface.Any) => again(DriverInterface.isRetryable(contract))

const image = new TextEncoder().encode("an image ".repeat(10_000))

export const provision = Effect.gen(function*() {
  const supply = yield* Supply
  const port = yield* Port
  const storage = yield* Storage
  const chip = yield* Chip

  yield* supply.on().pipe(persistently(Power.contract))
  // Only the program can tell whether a conversation can be repeated.
  yield* again(isUnknown)(Effect.scoped(Effect.gen(function*() {
    const console = yield* Serial.console(port)
    // Makes the board repeat its prompt, because it may have booted while no client was connected.
    yield* console.sendLine("")
    yield* console.expect("=> ", { timeout: "30 seconds" })
  })))
  const storing = persistently(Flasher.contract)
  yield* storage.flash(Resource.fromBytes(image)).pipe(storing)
  assert.deepStrictEqual(yield* storage.dump(Resource.toBytes()).pipe(storing), image)
  // Burning must not be repeated, so the program reads the fuse.
  yield* Effect.catchIf(
    chip.burn(),
    isUnknown,
    () => Effect.flatMap(chip.burnt().pipe(persistently(Fuses)), (burnt) => burnt ? Effect.void : chip.burn())
  )
})
