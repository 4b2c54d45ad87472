// Drives a flasher with `await`. A ManagedRuntime holds the connection, and failures keep their `_tag`.
import { Device, DriverError, Resource } from "@effect-jumpstarter/core"
import { Flasher } from "@effect-jumpstarter/core/drivers"
import { ExporterTest, FlasherTest } from "@effect-jumpstarter/core/testing"
import { Cause, Effect, Exit, Layer, ManagedRuntime } from "effect"

class BoardFlasher extends Device.Tag("acme/BoardFlasher", Flasher.contract)<BoardFlasher>() {}

const fake = ExporterTest.layer(Effect.map(FlasherTest.make(), ({ driver }) => ({ flasher: driver })))

const runtime = ManagedRuntime.make(BoardFlasher.layer("flasher").pipe(Layer.provide(fake)))

// Rejects with the error itself. `runtime.runPromise` rejects with a FiberFailure, which has no `_tag`.
const run = <A, E>(effect: Effect.Effect<A, E, BoardFlasher>): Promise<A> =>
  runtime.runPromiseExit(effect).then(Exit.getOrElse((cause) => {
    throw Cause.squash(cause)
  }))

try {
  const flasher = await run(BoardFlasher)
  await run(flasher.flash(Resource.fromString("console=ttyS0"), "config"))
  const config = await run(flasher.dump(Resource.toBytes(), "config"))
  console.log(`stored ${new TextDecoder().decode(config)}`)
  await run(flasher.flash(Resource.fromBytes(config), "backup"))
  await run(flasher.dump(Resource.toBytes(), "boot"))
} catch (error) {
  if (!DriverError.isDriverCallError(error)) throw error
  console.log(`${error._tag}: ${error.message}`)
} finally {
  await runtime.dispose() // closes the connection
}
