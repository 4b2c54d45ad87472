// Finds the drivers of an exporter in its last report by their paths, because their uuids change when it restarts
// (protocol.md 7).
import * as Either from "effect/Either"
import { blame } from "../protocol/callerFrame.ts"
import { clientOf } from "../protocol/clientOf.ts"
import * as DriverError from "../protocol/DriverError.ts"
import * as DriverTree from "../protocol/DriverTree.ts"
import type { ExporterReport } from "./ExporterClient.ts"

export interface DriverLocator {
  readonly report: () => ExporterReport
  // Records a report, and returns whether it is from the same exporter as the previous one.
  readonly learn: (report: ExporterReport) => "same" | "replaced"
  // Returns the call site with the driver's current uuid. Fails when the driver is gone, or another one took its place.
  readonly locate: (
    node: DriverTree.DriverNode,
    site: DriverError.CallSite
  ) => Either.Either<DriverError.CallSite, DriverError.MethodNotImplemented>
}

export const make = (initial: ExporterReport): DriverLocator => {
  let report = initial

  const locate: DriverLocator["locate"] = (node, site) => {
    const gone = (details: string) =>
      blame(new DriverError.MethodNotImplemented({ ...site, code: "NOT_FOUND", details, origin: "client" }), site)
    return Either.flatMap(
      Either.mapLeft(
        DriverTree.find(report.root, node.path),
        ({ message }) => gone(`the exporter has changed: ${message}`)
      ),
      (now) =>
        clientOf(now) === clientOf(node)
          ? Either.right({ ...site, uuid: now.uuid })
          : Either.left(
            gone(`the exporter has changed: the driver here was a ${clientOf(node)} and is now a ${clientOf(now)}`)
          )
    )
  }

  return {
    report: () => report,
    learn: (next) => {
      const isSame = next.uuid === report.uuid && next.root.uuid === report.root.uuid
      report = next
      return isSame ? "same" : "replaced"
    },
    locate
  }
}
