// The clients and exporters that the controller knows, as objects of Kubernetes.
import * as client from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import type { DriverInstanceReport } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import type { ExporterStatus } from "../../protocol/ExporterStatus.ts"
import * as exporterStatus from "../../protocol/ExporterStatus.ts"
import * as names from "./names.ts"
import { Signal } from "./signal.ts"

export interface ClientObject {
  readonly name: string
  readonly uid: string
  readonly labels: Readonly<Record<string, string>>
}

/** What is done to it, `Registry` or the world around it does. */
export interface ExporterObject {
  readonly name: string
  readonly uid: string
  labels: Readonly<Record<string, string>>
  enabled: boolean
  devices: ReadonlyArray<DriverInstanceReport>
  online: boolean
  status: ExporterStatus
  message: string
  /** When it was last heard of. */
  lastSeen: number
  /** How many streams of `Status` it has open, which count as hearing of it. */
  watching: number
  /** Who waits for its status to change. */
  readonly changed: Signal
}

/** What a time without a sign of an exporter makes of it. */
export const contactLimit = 60_000

/** Which labels are not shown, and which are shown apart, with what is said of them. */
export interface ShownLabels {
  readonly hidden: ReadonlySet<string>
  readonly deprecated: Readonly<Record<string, string>>
}

export class Registry {
  readonly clients = new Map<string, ClientObject>()
  readonly exporters = new Map<string, ExporterObject>()

  constructor(readonly namespace: string, private readonly shown: ShownLabels) {}

  /** Makes the object anew: one of the same name loses its place, and its tokens count no more. */
  addClient(name: string, labels: Readonly<Record<string, string>>): ClientObject {
    const object: ClientObject = { name, uid: crypto.randomUUID(), labels }
    this.clients.set(name, object)
    return object
  }

  addExporter(name: string, labels: Readonly<Record<string, string>>, enabled: boolean): ExporterObject {
    const object: ExporterObject = {
      name,
      uid: crypto.randomUUID(),
      labels,
      enabled,
      devices: [],
      online: false,
      status: "UNSPECIFIED",
      message: "Never seen",
      lastSeen: 0,
      watching: 0,
      changed: new Signal()
    }
    const dropped = this.exporters.get(name)
    this.exporters.set(name, object)
    dropped?.changed.fire()
    return object
  }

  removeExporter(name: string): void {
    const dropped = this.exporters.get(name)
    this.exporters.delete(name)
    dropped?.changed.fire()
  }

  /** Those that could be leased, if they were free: in the order of their names. */
  all(): Array<ExporterObject> {
    return [...this.exporters.values()].sort((a, b) => a.name < b.name ? -1 : 1)
  }

  toMessage(exporter: ExporterObject, withHidden: boolean): client.Exporter {
    const { deprecated, hidden } = this.shown
    const isShown = (key: string) => withHidden || !hidden.has(key) && !Object.hasOwn(deprecated, key)
    return client.Exporter.fromPartial({
      name: names.format("exporters", { namespace: this.namespace, name: exporter.name }),
      labels: Object.fromEntries(Object.entries(exporter.labels).filter(([key]) => isShown(key))),
      online: exporter.online,
      status: exporterStatus.toNumber(exporter.status),
      statusMessage: exporter.message,
      enabled: exporter.enabled,
      deprecatedLabels: Object.fromEntries(
        Object.entries(deprecated).filter(([key]) => Object.hasOwn(exporter.labels, key))
      )
    })
  }
}

/** Whether it has drivers to lend and somebody is there. */
export const isThere = (exporter: ExporterObject): boolean => exporter.online && exporter.devices.length > 0

/** Whether its last report says that it waits for a lease. One that never reported is taken to. */
export const isReady = ({ status }: ExporterObject): boolean => status === "AVAILABLE" || status === "UNSPECIFIED"
