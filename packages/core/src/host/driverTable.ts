// The driver instances of an exporter: the table that routes calls, and the resources that clients have lent to each
// driver.
import type { DriverInstanceReport } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import type * as Deferred from "effect/Deferred"
import type * as Exit from "effect/Exit"
import { clientLabel, formatPath, nameLabel } from "../protocol/DriverTree.ts"
import type { DuplexStream } from "../protocol/duplexStream.ts"
import { normalizeUuid } from "../protocol/uuid.ts"
import type { ContentEncoding } from "../resource/ContentEncoding.ts"
import * as callQueue from "./callQueue.ts"
import type { Driver } from "./Driver.ts"
import type { ProvidedDriver } from "./services.ts"

// A resource stream that waits for the driver method that takes its handle.
export interface PendingResource {
  readonly stream: DuplexStream
  readonly encoding: ContentEncoding | undefined
  // Completes when the driver no longer uses the resource.
  readonly released: Deferred.Deferred<Exit.Exit<unknown, unknown>>
}

export interface Hosted {
  readonly uuid: string
  readonly driver: ProvidedDriver
  // The first path at which the driver appears.
  readonly path: string
  readonly resources: Map<string, PendingResource>
  // The queue for its calls and streaming calls.
  readonly queue: callQueue.CallQueue
}

export interface HostedTree {
  readonly reports: ReadonlyArray<DriverInstanceReport>
  // Parents come first.
  readonly instances: ReadonlyArray<Hosted>
  readonly find: (uuid: string) => Hosted | undefined
}

// A driver object at several places is one instance, reported at each of them (protocol.md 7).
export const make = <R>(
  root: Driver<R>,
  provide: (driver: Driver<R>) => ProvidedDriver,
  maxWaiting: number
): HostedTree => {
  const instances = new Map<Driver<R>, Hosted>()
  // Keyed by the uuids as reported, and in normalized spelling.
  const byUuid = new Map<string, Hosted>()
  const reports: Array<DriverInstanceReport> = []

  const host = (driver: Driver<R>, path: string): Hosted => {
    const existing = instances.get(driver)
    if (existing !== undefined) return existing
    const { concurrency } = driver
    if (concurrency !== "unbounded" && !(Number.isInteger(concurrency) && concurrency > 0)) {
      throw new RangeError(
        `the concurrency of the driver ${
          JSON.stringify(path)
        } is ${concurrency}; it must be a whole number of 1 or more, or "unbounded"`
      )
    }
    const hosted: Hosted = {
      uuid: crypto.randomUUID(),
      driver: provide(driver),
      path,
      resources: new Map(),
      queue: callQueue.make(concurrency, maxWaiting)
    }
    instances.set(driver, hosted)
    byUuid.set(hosted.uuid, hosted)
    byUuid.set(normalizeUuid(hosted.uuid), hosted)
    return hosted
  }

  const visit = (driver: Driver<R>, path: ReadonlyArray<string>, parentUuid: string | undefined): void => {
    const { uuid } = host(driver, formatPath(path))
    const name = path.at(-1)
    reports.push({
      uuid,
      parentUuid,
      labels: {
        ...driver.labels,
        [clientLabel]: driver.client,
        ...(name === undefined ? {} : { [nameLabel]: name })
      },
      description: driver.description,
      methodsDescription: driver.methodsDescription
    })
    for (const [childName, child] of Object.entries(driver.children)) visit(child, [...path, childName], uuid)
  }
  visit(root, [], undefined)

  return {
    reports,
    instances: [...instances.values()],
    find: (uuid) => byUuid.get(uuid) ?? byUuid.get(normalizeUuid(uuid))
  }
}
