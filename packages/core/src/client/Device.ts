/**
 * Devices as services: a program depends only on the devices it drives, and a layer says where they are.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { globalValue } from "effect/GlobalValue"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as DriverInterface from "../contract/DriverInterface.ts"
import type * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import { clientOf } from "../protocol/clientOf.ts"
import { type CallKind, MethodNotImplemented } from "../protocol/DriverError.ts"
import * as DriverTree from "../protocol/DriverTree.ts"
import { shownPath } from "../protocol/shownPath.ts"
import type { DriverClient } from "./DriverClient.ts"
import * as ExporterConnection from "./ExporterConnection.ts"
import * as contractSkeleton from "./skeleton.ts"
import * as typedClient from "./typedClient.ts"

/**
 * The driver at a path does not speak the interface of the device's contract.
 *
 * @since 0.1.0
 * @category errors
 */
export class InterfaceMismatch extends Schema.TaggedError<InterfaceMismatch>(
  "@effect-jumpstarter/core/Device/InterfaceMismatch"
)("InterfaceMismatch", {
  path: Schema.String,
  expected: Schema.Array(Schema.String),
  actual: Schema.String,
  /** The paths of the drivers that speak the expected interface. */
  candidates: Schema.Array(Schema.String),
  /** All drivers, with the interface each one speaks. */
  available: Schema.Array(Schema.Struct({ path: Schema.String, client: Schema.String }))
}) {
  override get message(): string {
    const driver = this.path === "" ? "the root driver" : `the driver at ${JSON.stringify(this.path)}`
    const [first = "", ...others] = this.expected
    const expected = others.length > 1
      ? `${first} or one of the ${others.length} other labels of its contract`
      : this.expected.join(" or ")
    const problem = this.actual === ""
      ? `has no label ${DriverTree.clientLabel}, expected ${expected}`
      : `speaks ${this.actual}, not ${expected}`
    const nameOf = (path: string) => path === "" ? "(root)" : path
    const list = this.candidates.length === 0
      ? `no driver here speaks it; the exporter has: ${
        this.available.map(({ client, path }) => `${nameOf(path)} (${client === "" ? "no label" : client})`).join(", ")
      }`
      : `these drivers speak it: ${this.candidates.map(nameOf).join(", ")}`
    return `${driver} ${problem}; ${list}`
  }
}

/**
 * Returns the typed client of a contract on top of an untyped one. Arguments are checked against the contract before they
 * are sent, results when they arrive. A method with a source or a sink takes a `Resource`, which is open during the call,
 * the handle of an open resource, or a presigned request.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromInterface: <I extends DriverInterface.Any>(
  client: DriverClient,
  contract: I
) => DriverInterface.Client<I> = typedClient.make

/**
 * Why a device was not found.
 *
 * @since 0.1.0
 * @category errors
 */
export type DeviceError = DriverTree.DriverNotFound | InterfaceMismatch

/**
 * Returns the typed client of the driver at a path. Fails when there is no driver, or when the driver speaks another
 * interface.
 *
 * @since 0.1.0
 * @category constructors
 */
export const connect = <I extends DriverInterface.Any>(
  contract: I,
  path: string | ReadonlyArray<string>
): Effect.Effect<DriverInterface.Client<I>, DeviceError, ExporterConnection.ExporterConnection> => {
  const caller = callers.of()
  return Effect.flatMap(
    ExporterConnection.ExporterConnection,
    ({ driver, root }) =>
      Effect.flatMap(callers.on(caller, () => driver(path)), (client) => {
        const spoken = [contract.client, ...contract.alsoSpokenBy]
        if (spoken.includes(clientOf(client))) return Effect.succeed(fromInterface(client, contract))
        const available = DriverTree.nodes(root).map((node) => ({ path: shownPath(node.path), client: clientOf(node) }))
        return callers.blame(
          new InterfaceMismatch({
            path: DriverTree.formatPath(client.path),
            expected: spoken,
            actual: clientOf(client),
            candidates: available.filter(({ client }) => spoken.includes(client)).map(({ path }) => path),
            available
          }),
          { caller }
        )
      })
  )
}

/**
 * The contract and the path of several devices, by names of the program's choice.
 *
 * @since 0.1.0
 * @category models
 */
export type Places = Readonly<
  Record<string, readonly [contract: DriverInterface.Any, path: string | ReadonlyArray<string>]>
>

/**
 * The typed clients of several devices, by the names of their places.
 *
 * @since 0.1.0
 * @category models
 */
export type Devices<P extends Places> = { readonly [Name in keyof P]: DriverInterface.Client<P[Name][0]> }

/**
 * Returns the typed clients of several drivers, for a function that needs them together, such as `Uboot.reboot`. Fails like
 * `connect`, with the first one in the given order that is not there.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Power, Serial } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * const boots = Effect.gen(function*() {
 *   const { power, serial } = yield* Device.connectAll({
 *     power: [Power.contract, "board.power"],
 *     serial: [Serial.contract, "board.serial"]
 *   })
 *   yield* power.on()
 *   const console = yield* Serial.console(serial)
 *   yield* console.expect("login: ", { timeout: "1 minute" })
 * }).pipe(Effect.scoped)
 * ```
 */
export const connectAll = <const P extends Places>(
  places: P
): Effect.Effect<Devices<P>, DeviceError, ExporterConnection.ExporterConnection> => {
  const caller = callers.of()
  return Effect.map(
    Effect.forEach(
      Object.entries(places),
      ([name, [contract, path]]) =>
        Effect.map(callers.on(caller, () => connect(contract, path)), (client) => [name, client] as const)
    ),
    (clients) => Object.fromEntries(clients) as Devices<P>
  )
}

/**
 * The skeleton of a contract for a driver that has none, as TypeScript: its label, and the methods that the exporter describes,
 * with their descriptions. A report has neither the kinds of methods nor their arguments, and Python exporters describe only the
 * methods whose description is in their configuration. So the skeleton has to be completed with the driver's source.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Device, ExporterConnection } from "@effect-jumpstarter/core"
 * import { Console, Effect } from "effect"
 *
 * // Prints `export const Fan = DriverInterface.make("acme_drivers.client.FanClient", { ...`
 * const program = Device.skeleton("cooling.fan").pipe(
 *   Effect.flatMap(Console.log),
 *   Effect.provide(ExporterConnection.layerEnv())
 * )
 * ```
 */
export const skeleton = (
  path: string | ReadonlyArray<string>
): Effect.Effect<string, DriverTree.DriverNotFound, ExporterConnection.ExporterConnection> => {
  const caller = callers.of()
  return Effect.flatMap(
    ExporterConnection.ExporterConnection,
    ({ driver }) => Effect.map(callers.on(caller, () => driver(path)), contractSkeleton.of)
  )
}

/**
 * The layers of a device's tag.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeviceLayers<Self, I extends DriverInterface.Any> {
  readonly contract: I
  /**
   * The device at a path of a connected exporter. The driver is looked up, and its interface checked, when the layer is
   * built.
   */
  readonly layer: (
    path: string | ReadonlyArray<string>
  ) => Layer.Layer<Self, DeviceError, ExporterConnection.ExporterConnection>
  /**
   * The device, if there is a driver at the path. A program reads it with `Effect.serviceOption`, which requires nothing. A
   * driver of another interface is a failure, as with `layer`.
   */
  readonly layerOptional: (
    path: string | ReadonlyArray<string>
  ) => Layer.Layer<never, InterfaceMismatch, ExporterConnection.ExporterConnection>
  /**
   * A plain fake made from functions, without codec or exporter. Methods that are left out fail with
   * `MethodNotImplemented`. An own function of the object, such as a mock or a spy, becomes the device's method unchanged;
   * a method of a class is bound to its instance.
   *
   * Arguments and results are not checked against the contract at run time, so values that could not travel over the wire
   * pass. For a fake that checks them, use `ExporterTest.layer` with a `Driver.fromInterface`, or one of the fakes in
   * `testing`.
   */
  readonly layerTest: (
    methods: { readonly [Name in keyof DriverInterface.Client<I>]?: DriverInterface.Client<I>[Name] | undefined }
  ) => Layer.Layer<Self>
}

const missing = (device: string, method: string, described: DriverMethod.Any) => {
  const fail = (kind: CallKind) =>
    new MethodNotImplemented({
      address: "",
      driver: device,
      uuid: "",
      method,
      kind,
      code: "UNIMPLEMENTED",
      details: "the fake has no such method",
      origin: "client"
    })
  switch (described._tag) {
    case "Call":
      return () => Effect.fail(fail("call"))
    case "StreamingCall":
      return () => Stream.fail(fail("streamingCall"))
    case "Stream":
      return () => Effect.fail(fail("stream"))
  }
}

// Own functions stay unchanged, because tests read a mock's calls through the device. The methods of a class are on its
// prototype, and may use private members of the instance.
const faked = (methods: object, name: string): unknown => {
  const method: unknown = Reflect.get(methods, name)
  if (typeof method !== "function" || method === Reflect.get(Object.prototype, name)) return undefined
  return Object.hasOwn(methods, name) ? method : method.bind(methods)
}

// `this` of an own function is the device, so the device has the fake as its prototype.
const behind = (methods: object): object =>
  new Proxy(methods, {
    get: (target, key) => Reflect.get(target, key),
    set: (target, key, value) => Reflect.set(target, key, value)
  })

const makeFake = (device: string, contract: DriverInterface.Any, methods: object): object =>
  Object.setPrototypeOf(
    Object.fromEntries(
      Object.entries(contract.methods).map((
        [name, method]
      ) => [name, faked(methods, name) ?? missing(device, name, method)])
    ),
    behind(methods)
  )

// The number of classes per id, across all copies of this module: a program can load it twice, as ESM and as CommonJS.
const classes = globalValue(Symbol.for("@effect-jumpstarter/core/Device/classes"), () => new Map<string, number>())

const nextKey = <Id extends string>(id: Id): `${Id}#${number}` => {
  const ordinal = (classes.get(id) ?? 0) + 1
  classes.set(id, ordinal)
  return `${id}#${ordinal}`
}

/**
 * Makes the class of a device's tag, with the layers that install it.
 *
 * The id names the device in messages; choose one with a namespace, such as `acme/BoardPower`. Two classes never share a
 * device, even with the same id: the `key` of each is the id and an ordinal. A missing layer is therefore always the defect
 * "Service not found", and never another board of the same name.
 *
 * The same holds for two copies of one module, made by a hot reload or by a program that loads a module both as ESM and as
 * CommonJS: the layer of one copy does not provide the device of the other. Make the layer from the class that the program
 * uses, and export both from one module.
 *
 * @since 0.1.0
 * @category tags
 * @example
 * ```ts
 * import { Device, DriverInterface, DriverMethod, Endpoint, ExporterConnection } from "@effect-jumpstarter/core"
 * import { Effect } from "effect"
 *
 * const Power = DriverInterface.make("jumpstarter_driver_power.client.PowerClient", {
 *   on: DriverMethod.call(),
 *   off: DriverMethod.call()
 * })
 *
 * class BoardPower extends Device.Tag("acme/BoardPower", Power)<BoardPower>() {}
 *
 * const test = Effect.gen(function*() {
 *   const power = yield* BoardPower
 *   yield* power.on()
 * })
 *
 * const onBench = test.pipe(
 *   Effect.provide(BoardPower.layer("power")),
 *   Effect.provide(ExporterConnection.layer(Endpoint.unix("/run/jumpstarter.sock")))
 * )
 * const faked = test.pipe(Effect.provide(BoardPower.layerTest({ on: () => Effect.void })))
 * ```
 */
export const Tag =
  <const Id extends string, I extends DriverInterface.Any>(id: Id, contract: I) =>
  <Self>(): Context.TagClass<Self, `${Id}#${number}`, DriverInterface.Client<I>> & DeviceLayers<Self, I> => {
    const defined = callers.here()
    // @effect-diagnostics-next-line classSelfMismatch:off -- Self is the class that the program derives from this one.
    class Defined extends Context.Tag(nextKey(id))<Self, DriverInterface.Client<I>>() {
      // When a service is not found, Effect names the second line of this stack, which would otherwise be this module.
      static override get stack(): string | undefined {
        return defined.stack
      }
    }
    const tag: Context.TagClass<Self, `${Id}#${number}`, DriverInterface.Client<I>> = Defined
    const layers: DeviceLayers<Self, I> = {
      contract,
      layer: (path) => {
        const caller = callers.of()
        return Layer.effect(tag, callers.on(caller, () => connect(contract, path)))
      },
      layerOptional: (path) => {
        const caller = callers.of()
        return Layer.effectContext(
          callers.on(caller, () => connect(contract, path)).pipe(
            Effect.map((client): Context.Context<never> => Context.make(tag, client)),
            Effect.catchTag("DriverNotFound", () => Effect.succeed(Context.empty()))
          )
        )
      },
      layerTest: (methods) => Layer.sync(tag, () => makeFake(id, contract, methods) as DriverInterface.Client<I>)
    }
    return Object.assign(tag, layers)
  }
