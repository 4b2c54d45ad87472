// Finds the drivers of an exporter in its last report, by their paths: their uuids change when it restarts (protocol.md 7).
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import { blame } from "../protocol/callerFrame.ts"
import * as clientErrors from "../protocol/clientErrors.ts"
import { clientOf } from "../protocol/clientOf.ts"
import * as DriverError from "../protocol/DriverError.ts"
import * as DriverTree from "../protocol/DriverTree.ts"
import type { ExporterReport } from "./ExporterClient.ts"

export interface DriverLocator {
  readonly report: () => ExporterReport
  readonly update: (report: ExporterReport) => void
  // Reads the report again, because the exporter may be another one.
  readonly check: Effect.Effect<void>
  // The call site with the uuid that a driver has now. Fails when the driver is gone, or another one took its place.
  readonly locate: (
    node: DriverTree.DriverNode,
    site: DriverError.CallSite
  ) => Either.Either<DriverError.CallSite, DriverError.MethodNotImplemented>
  // What a status means for a call. An exporter that restarted does not know the uuids of the one before: our host
  // answers NOT_FOUND, Python's UNKNOWN, as both do for other reasons. So the report is read again, for these only.
  readonly explain: (
    node: DriverTree.DriverNode,
    status: GrpcStatusError,
    site: DriverError.CallSite
  ) => Effect.Effect<never, DriverError.DriverCallError>
}

export const make = Effect.fnUntraced(function*<E>(
  initial: ExporterReport,
  read: Effect.Effect<ExporterReport, E>,
  // Runs when the exporter turns out to be another one.
  replaced: Effect.Effect<void>
) {
  let report = initial
  // The exporter that `replaced` last ran for. An interruption can come between a report and the end of `replaced`.
  let noticed = initial
  const reading = yield* Effect.makeSemaphore(1)
  let begun = 0
  let answered = 0

  const readNow = Effect.suspend(() => {
    const turn = ++begun
    return Effect.flatMap(read, (next) => {
      report = next
      const isAnother = next.uuid !== noticed.uuid || next.root.uuid !== noticed.root.uuid
      return isAnother
        ? Effect.zipRight(
          replaced,
          Effect.sync(() => {
            noticed = report
          })
        )
        : Effect.void
    }).pipe(Effect.onExit((exit) =>
      Effect.sync(() => {
        if (!Exit.isInterrupted(exit)) answered = turn
      })
    ))
  })

  // One reading answers all who asked before it began. It runs in the fiber of one of them: when that fiber is interrupted,
  // the reading answers nobody, and the next one reads again.
  const reread = Effect.suspend(() => {
    const before = begun
    return reading.withPermits(1)(Effect.suspend(() => answered > before ? Effect.void : readNow))
  })

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
            gone(`the exporter has changed: the driver here is a ${clientOf(now)}, it was a ${clientOf(node)}`)
          )
    )
  }

  const explain: DriverLocator["explain"] = (node, status, site) =>
    Effect.suspend((): Effect.Effect<never, DriverError.DriverCallError> => {
      const error = DriverError.fromStatus(status, site)
      if (status.origin !== "peer" || status.code !== "NOT_FOUND" && status.code !== "UNKNOWN") return error
      return Effect.flatMap(Effect.ignore(reread), () => {
        const now = locate(node, site)
        if (Either.isRight(now) && now.right.uuid === site.uuid) return Effect.fail(error)
        const news = Either.match(now, {
          onLeft: ({ details }) => details,
          onRight: () => "the exporter restarted, the next call goes to the new one"
        })
        return clientErrors.connectionLost(site, "transport", status, `${news}: ${status.details}`)
      })
    })

  const locator: DriverLocator = {
    report: () => report,
    update: (next) => {
      report = next
      noticed = next
    },
    // `replaced` asks for the status, which can ask for this check again. That one must not wait for itself.
    check: Effect.ignore(reading.withPermitsIfAvailable(1)(readNow)),
    locate,
    explain
  }
  return locator
})
