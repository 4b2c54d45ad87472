// Which exporters the leases of a set could have now. Nothing is requested for it.
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ControllerClient, ControllerError, ExporterInfo } from "../controller/Controller.ts"
import * as interruptible from "../util/interruptible.ts"
import type { Target } from "./leaseRequest.ts"
import { type Candidates, shortages } from "./matching.ts"
import * as refusal from "./refusal.ts"

export interface Survey {
  /** Those that fit and are enabled, whether or not they are free. */
  readonly fitting: Candidates
  readonly free: Candidates
  /** What there is for one of them, in words. */
  readonly shown: (key: string) => string
}

// One whose status is unknown may be leased, too (`protocol.md` 12.4).
const isReady = ({ status }: ExporterInfo): boolean => status === "AVAILABLE" || status === "UNSPECIFIED"

const found = (
  controller: ControllerClient,
  { exporterName, selector }: Target
): Effect.Effect<ReadonlyArray<ExporterInfo>, ControllerError> =>
  selector === undefined
    ? Effect.catchIf(
      Effect.map(controller.exporter(exporterName), (exporter) => [exporter]),
      ({ reason }) => reason === "NotFound",
      () => Effect.succeed([])
    )
    : controller.exporters({ selector }).pipe(
      Stream.filter(({ name }) => exporterName === undefined || name === exporterName),
      Stream.runCollect,
      Effect.map((exporters) => Array.from(exporters))
    )

// Of all clients.
const leased = (controller: ControllerClient) =>
  Effect.map(
    Stream.runCollect(Stream.filterMap(controller.leases(), ({ exporter }) => exporter)),
    (names): ReadonlySet<string> => new Set(names)
  )

const noneLeased: ReadonlySet<string> = new Set()

export const make = (
  controller: ControllerClient,
  targets: ReadonlyMap<string, Target>
): Effect.Effect<Survey, ControllerError> =>
  Effect.gen(function*() {
    const exporters = new Map(
      yield* interruptible.forEach(
        targets,
        ([key, target]) => Effect.map(found(controller, target), (found) => [key, found] as const)
      )
    )
    const names = (isMeant: (exporter: ExporterInfo) => boolean): Candidates =>
      new Map(Array.from(exporters, ([key, found]) => [key, new Set(found.filter(isMeant).map(({ name }) => name))]))
    const isFree = (exporter: ExporterInfo) => exporter.enabled && exporter.online && isReady(exporter)
    const ready = names(isFree)
    // In a busy lab their statuses say enough: the list of all leases is longer.
    const taken = shortages(ready).length > 0 ? noneLeased : yield* leased(controller)
    return {
      fitting: names(({ enabled }) => enabled),
      free: names((exporter) => isFree(exporter) && !taken.has(exporter.name)),
      shown: (key) => {
        const all = exporters.get(key) ?? []
        return all.length === 0 ? "no exporter fits" : refusal.listed(all.map((exporter) =>
          refusal.shown(
            exporter,
            taken.has(exporter.name)
              ? ["leased"]
              : exporter.online && !isReady(exporter)
              ? [exporter.status]
              : []
          )
        ))
      }
    }
  })
