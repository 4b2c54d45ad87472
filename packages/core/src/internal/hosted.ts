// The driver instances of an exporter: the table calls are routed by, and the resources clients have lent to each.
import type { DriverInstanceReport } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import type * as Deferred from "effect/Deferred"
import type * as Exit from "effect/Exit"
import type { ContentEncoding } from "../ContentEncoding.ts"
import type { Driver } from "../Driver.ts"
import { clientLabel, nameLabel } from "../DriverTree.ts"
import type { RouterStream } from "../RouterStream.ts"

// A resource stream that waits for the driver method that takes its handle.
export interface PendingResource {
  readonly stream: RouterStream
  readonly encoding: ContentEncoding | undefined
  // Completes as the driver's use of it has ended.
  readonly released: Deferred.Deferred<Exit.Exit<unknown, unknown>>
}

export interface Hosted {
  readonly uuid: string
  readonly driver: Driver
  readonly resources: Map<string, PendingResource>
}

// Uuids are compared leniently (protocol.md 4.1).
export const normalizeUuid = (uuid: string): string => uuid.replaceAll("-", "").toLowerCase()

export interface HostedTree {
  readonly reports: ReadonlyArray<DriverInstanceReport>
  readonly find: (uuid: string) => Hosted | undefined
}

// The same driver object at several places is one instance, reported at each of them (protocol.md 7).
export const make = (root: Driver): HostedTree => {
  const instances = new Map<Driver, Hosted>()
  const byUuid = new Map<string, Hosted>()
  const reports: Array<DriverInstanceReport> = []

  const host = (driver: Driver): Hosted => {
    const existing = instances.get(driver)
    if (existing !== undefined) return existing
    const hosted: Hosted = { uuid: crypto.randomUUID(), driver, resources: new Map() }
    instances.set(driver, hosted)
    byUuid.set(normalizeUuid(hosted.uuid), hosted)
    return hosted
  }

  const visit = (driver: Driver, name: string | undefined, parentUuid: string | undefined): void => {
    const { uuid } = host(driver)
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
    for (const [childName, child] of Object.entries(driver.children)) visit(child, childName, uuid)
  }
  visit(root, undefined, undefined)

  return { reports, find: (uuid) => byUuid.get(normalizeUuid(uuid)) }
}
