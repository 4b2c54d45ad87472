/**
 * Devices as services: a program depends on the devices it drives and on nothing else, and a layer says where they are.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as DriverClient from "./DriverClient.ts"
import { type CallKind, MethodNotImplemented } from "./DriverError.ts"
import type * as DriverInterface from "./DriverInterface.ts"
import type * as DriverMethod from "./DriverMethod.ts"
import * as DriverTree from "./DriverTree.ts"
import * as ExporterConnection from "./ExporterConnection.ts"
import { shownPath } from "./internal/shownPath.ts"

/**
 * The driver at a path speaks another interface than the device's contract.
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
  /** The paths of drivers that do speak it. */
  candidates: Schema.Array(Schema.String),
  /** All drivers, with what they speak. */
  available: Schema.Array(Schema.Struct({ path: Schema.String, client: Schema.String }))
}) {
  override get message(): string {
    const driver = this.path === "" ? "the root driver" : `the driver at ${JSON.stringify(this.path)}`
    const expected = this.expected.join(" or ")
    const problem = this.actual === ""
      ? `has no label ${DriverTree.clientLabel}, expected ${expected}`
      : `speaks ${this.actual}, not ${expected}`
    const nameOf = (path: string) => path === "" ? "(root)" : path
    const list = this.candidates.length === 0
      ? `no driver here does, there are: ${
        this.available.map(({ client, path }) => `${nameOf(path)} (${client === "" ? "no label" : client})`).join(", ")
      }`
      : `spoken by: ${this.candidates.map(nameOf).join(", ")}`
    return `${driver} ${problem}; ${list}`
  }
}

/**
 * What a device can fail to be found with.
 *
 * @since 0.1.0
 * @category errors
 */
export type DeviceError = DriverTree.DriverNotFound | InterfaceMismatch

const clientOf = (node: { readonly labels: Readonly<Record<string, string>> }): string =>
  node.labels[DriverTree.clientLabel] ?? ""

/**
 * The typed client of the driver at a path. Fails when there is no driver, or one of another interface.
 *
 * @since 0.1.0
 * @category constructors
 */
export const connect = <I extends DriverInterface.Any>(
  contract: I,
  path: string | ReadonlyArray<string>
): Effect.Effect<DriverInterface.Client<I>, DeviceError, ExporterConnection.ExporterConnection> =>
  Effect.flatMap(ExporterConnection.ExporterConnection, ({ driver, root }) =>
    Effect.flatMap(driver(path), (client) => {
      const spoken = [contract.client, ...contract.alsoSpokenBy]
      if (spoken.includes(clientOf(client))) return Effect.succeed(DriverClient.fromInterface(client, contract))
      const available = DriverTree.nodes(root).map((node) => ({ path: shownPath(node.path), client: clientOf(node) }))
      return new InterfaceMismatch({
        path: DriverTree.formatPath(client.path),
        expected: spoken,
        actual: clientOf(client),
        candidates: available.filter(({ client }) => spoken.includes(client)).map(({ path }) => path),
        available
      })
    }))

/**
 * The layers of a device's tag.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeviceLayers<Self, I extends DriverInterface.Any> {
  readonly contract: I
  /** The device at a path of a connected exporter; it is looked for, and its interface checked, when the layer is built. */
  readonly layer: (
    path: string | ReadonlyArray<string>
  ) => Layer.Layer<Self, DeviceError, ExporterConnection.ExporterConnection>
  /**
   * The device if there is a driver at the path. A program asks for it with `Effect.serviceOption`, and requires nothing
   * then. A driver of another interface is a failure as it is for `layer`.
   */
  readonly layerOptional: (
    path: string | ReadonlyArray<string>
  ) => Layer.Layer<never, InterfaceMismatch, ExporterConnection.ExporterConnection>
  /**
   * A plain fake from functions, without codec or exporter. Methods that are left out fail with `MethodNotImplemented`.
   *
   * Nothing checks arguments and results against the contract at run time: what the wire could not carry passes. The
   * checked fake is `ExporterTest.layer` with a `Driver.fromInterface`, or one of the fakes in `testing`.
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

// The methods of a class are on its prototype.
const faked = (methods: object, name: string) => {
  const method: unknown = Reflect.get(methods, name)
  return typeof method === "function" && method !== Reflect.get(Object.prototype, name)
    ? method.bind(methods)
    : undefined
}

/**
 * Makes the class of a device's tag, with the layers that install it.
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
 * class BoardPower extends Device.Tag("BoardPower", Power)<BoardPower>() {}
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
  <Self>(): Context.TagClass<Self, Id, DriverInterface.Client<I>> & DeviceLayers<Self, I> => {
    const tag = Context.Tag(id)<Self, DriverInterface.Client<I>>()
    const layers: DeviceLayers<Self, I> = {
      contract,
      layer: (path) => Layer.effect(tag, connect(contract, path)),
      layerOptional: (path) =>
        Layer.effectContext(
          connect(contract, path).pipe(
            Effect.map((client): Context.Context<never> => Context.make(tag, client)),
            Effect.catchTag("DriverNotFound", () => Effect.succeed(Context.empty()))
          )
        ),
      layerTest: (methods) =>
        Layer.succeed(
          tag,
          Object.fromEntries(
            Object.entries(contract.methods).map((
              [name, method]
            ) => [name, faked(methods, name) ?? missing(id, name, method)])
          ) as DriverInterface.Client<I>
        )
    }
    return Object.assign(tag, layers)
  }
