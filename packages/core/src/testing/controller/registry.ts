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

/** Only `Registry`, `World` and the services change it. */
export interface ExporterObject {
  readonly name: string
  readonly uid: string
  labels: Readonly<Record<string, string>>
  enabled: boolean
  devices: ReadonlyArray<DriverInstanceReport>
  online: boolean
  status: ExporterStatus
  message: string
  /** The time of its last contact. */
  lastSeen: number
  /** The number of its open `Status` streams, which keep it in contact. */
  watching: number
  /** Fires when its status changes. */
  readonly changed: Signal
}

/** After how many milliseconds without contact an exporter is offline. */
export const contactLimit = 60_000

/** Labels that are hidden, and deprecated labels with their notes. */
export interface ShownLabels {
  readonly hidden: ReadonlySet<string>
  readonly deprecated: Readonly<Record<string, string>>
}

export class Registry {
  readonly clients = new Map<string, ClientObject>()
  readonly exporters = new Map<string, ExporterObject>()

  constructor(readonly namespace: string, private readonly shown: ShownLabels) {}

  /** Replaces an object of the same name, whose tokens are no longer valid. */
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

  /** Returns the exporters in the order of their names. */
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

/** Whether an exporter is online and has registered drivers. */
export const isThere = (exporter: ExporterObject): boolean => exporter.online && exporter.devices.length > 0

/** Whether the last report says that the exporter waits for a lease. One that never reported is treated as if it did. */
export const isReady = ({ status }: ExporterObject): boolean => status === "AVAILABLE" || status === "UNSPECIFIED"
