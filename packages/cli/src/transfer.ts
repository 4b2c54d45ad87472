// What flashing and dumping have in common.
import * as Device from "@effect-jumpstarter/core/Device"
import type * as DriverClient from "@effect-jumpstarter/core/DriverClient"
import * as StorageMux from "@effect-jumpstarter/core/drivers/StorageMux"
import * as DriverTree from "@effect-jumpstarter/core/DriverTree"
import * as ExporterConnection from "@effect-jumpstarter/core/ExporterConnection"
import type * as ProgressBar from "@effect-jumpstarter/core/ProgressBar"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import * as contracts from "./contracts.ts"
import { usage } from "./failure.ts"
import { Tty } from "./Tty.ts"

/** Counts bytes and computes their SHA-256 while they pass. */
export class Digest {
  readonly #hash = createHash("sha256")
  size = 0

  readonly add = (bytes: Uint8Array): void => {
    this.#hash.update(bytes)
    this.size += bytes.length
  }

  get sha256(): string {
    return this.#hash.copy().digest("hex")
  }
}

export const observed = <E, R>(
  stream: Stream.Stream<Uint8Array, E, R>,
  digest: Digest
): Stream.Stream<Uint8Array, E, R> =>
  Stream.map(stream, (bytes) => {
    digest.add(bytes)
    return bytes
  })

/** The progress of a transfer on the error output: a bar on a terminal, lines elsewhere. */
export const progress = (label: string) =>
  Effect.flatMap(Tty, ({ errors }) =>
    Effect.map(errors.columns, (columns): ProgressBar.ProgressBarOptions => ({
      label,
      output: { write: errors.unsafeWrite, isTTY: errors.isTerminal, columns }
    })))

/** A driver, and its method for a transfer. */
export interface Found {
  readonly driver: DriverClient.DriverClient
  readonly place: string
  readonly method: string
}

const hasOne = (driver: DriverClient.DriverClient, methods: ReadonlyArray<string>): boolean =>
  methods.some((method) => contracts.entryOf(driver)?.methods[method]?.kind === "Call")

/** Finds a driver and the first of these methods that its contract has. A driver without a contract is asked for the first. */
export const find = (path: string, methods: readonly [string, ...ReadonlyArray<string>]) =>
  Effect.gen(function*() {
    const { driver: find, root } = yield* ExporterConnection.ExporterConnection
    const driver = yield* find(contracts.parsePath(path))
    const place = contracts.shownPath(driver.path)
    const entry = contracts.entryOf(driver)
    const method = methods.find((method) => entry?.methods[method]?.kind === "Call")
    if (method !== undefined) return { driver, place, method }
    if (entry === undefined) return { driver, place, method: methods[0] }
    const others = DriverTree.nodes(root).filter((driver) => hasOne(driver, methods))
    return yield* usage(
      `${place} is a ${entry.name}, which has no method ${methods.join(" or ")}; ${
        others.length === 0
          ? "no driver of this exporter has one"
          : `name one that has: ${others.map(({ path }) => contracts.shownPath(path)).join(", ")}`
      }`
    )
  })

/** Connects storage behind a switch to the exporter for the time of a transfer, and to the device afterwards. */
export const switched = <A, E, R>({ driver }: Found, use: Effect.Effect<A, E, R>) => {
  const { dut, host } = contracts.entryOf(driver)?.methods ?? {}
  return dut === undefined || host === undefined
    ? use
    : StorageMux.onHost(Device.fromInterface(driver, StorageMux.contract), use)
}
