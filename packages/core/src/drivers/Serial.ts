/**
 * Serial ports and consoles: `jumpstarter_driver_pyserial` (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import * as Console from "./Console.ts"
import * as family from "./family/network.ts"

/**
 * The contract. `connect` keeps the port open until the scope closes. Some consoles with this label, such as those of
 * simulators, have only `connect`.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Serial } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class BoardConsole extends Device.Tag("acme/BoardConsole", Serial.contract)<BoardConsole>() {}
 *
 * const kernelVersion = Effect.gen(function*() {
 *   const console = yield* Serial.console(yield* BoardConsole)
 *   yield* console.expect("login: ", { timeout: "1 minute" })
 *   yield* console.sendLine("root")
 *   yield* console.expect("# ")
 *   yield* console.sendLine("uname -r")
 *   const { groups } = yield* console.expect(/^(\d+\.\d+)\S*\r?\n/m)
 *   return groups[0]
 * }).pipe(Effect.scoped)
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_pyserial.client.PySerialClient", {
  /** Opens the port. */
  connect: DriverMethod.stream({ documentation: "Opens the port." }),
  ...family.addressed,
  /** Closes the open port. */
  close: DriverMethod.call({ optional: true, documentation: "Closes the open port." }),
  /** Sets the Data Terminal Ready (DTR) line. */
  set_dtr: DriverMethod.call({
    args: DriverMethod.named((enabled = Schema.Boolean) => [enabled]),
    optional: true,
    documentation: "Sets the Data Terminal Ready (DTR) line.",
    idempotent: true
  }),
  /** Sets the Request To Send (RTS) line. */
  set_rts: DriverMethod.call({
    args: DriverMethod.named((enabled = Schema.Boolean) => [enabled]),
    optional: true,
    documentation: "Sets the Request To Send (RTS) line.",
    idempotent: true
  })
}, { driverType: "serial" })

/**
 * The client of a serial port.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * Opens the port as a console. Works for every client with `connect`, such as a network that leads to a console server.
 *
 * @since 0.1.0
 * @category constructors
 */
export const console = (
  serial: Pick<Client, "connect">,
  options?: Console.ConsoleOptions
): Effect.Effect<Console.Console<DriverCallError>, DriverCallError, Scope.Scope> =>
  Effect.flatMap(
    callers.on(callers.of(), () => serial.connect()),
    (stream) => Console.make(stream, options)
  )
