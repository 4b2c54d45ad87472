// Keeps the exporter known to the controller: it registers, reports its status, and learns from a stream whether it is leased
// (protocol.md 13.2). All three are repeated when the stream ends, because the controller may have lost something meanwhile.
import type { DriverInstanceReport } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ControllerError, ControllerReason } from "../controller/Controller.ts"
import type { ExporterCalls } from "./exporterCalls.ts"
import * as pauses from "./pauses.ts"
import type { StatusReports } from "./statusReports.ts"

/** A lease of the exporter. */
export interface Notice {
  readonly lease: string
  /** The name of the client that holds it. */
  readonly client: string
  /** Values that the client gave the lease. Older services have none. */
  readonly context: Readonly<Record<string, string>>
}

export interface Options {
  readonly calls: ExporterCalls
  readonly reports: StatusReports
  readonly labels: Readonly<Record<string, string>>
  readonly drivers: ReadonlyArray<DriverInstanceReport>
  /** Receives what the controller says. `undefined` means that the exporter is not leased. */
  readonly notify: (notice: Notice | undefined) => Effect.Effect<void>
}

export interface Presence {
  /** Waits until the controller knows the exporter. */
  readonly online: Effect.Effect<void, ControllerError>
  readonly run: Effect.Effect<never>
}

const limits = { least: 250, most: 5_000 }

// A program with one of these problems never gets online, so that it ends at its start. Later, the same problem may pass: somebody may
// be mending it.
const lasting: ReadonlySet<ControllerReason> = new Set([
  "Unauthenticated",
  "TokenExpired",
  "UnknownExporter",
  "PermissionDenied",
  "Invalid",
  "Unsupported",
  "Untrusted"
])

export const make = ({ calls, drivers, labels, notify, reports }: Options): Effect.Effect<Presence> =>
  Effect.gen(function*() {
    const online = yield* Deferred.make<void, ControllerError>()
    let failures = 0
    let shown: ControllerReason | undefined

    const arrived = Effect.gen(function*() {
      if (shown !== undefined) yield* Effect.logInfo("the controller is there again")
      failures = 0
      shown = undefined
      yield* Deferred.succeed(online, undefined)
    })

    const session = Effect.gen(function*() {
      yield* calls.register(labels, drivers)
      yield* reports.now
      yield* Stream.runForEach(calls.status, ({ clientName = "", context, leaseName = "", leased }) =>
        Effect.zipRight(
          notify(leased && leaseName !== "" ? { lease: leaseName, client: clientName, context } : undefined),
          arrived
        ))
    })

    const failed = (error: ControllerError) =>
      Effect.suspend(() => {
        failures++
        const isNews = shown !== error.reason
        shown = error.reason
        return Effect.zipRight(
          lasting.has(error.reason) ? Deferred.fail(online, error) : Effect.void,
          isNews
            ? Effect.logWarning(`the exporter has lost its controller, and tries again: ${error.message}`)
            : Effect.logDebug(error.message)
        )
      })

    // In normal operation the stream ends at times.
    const ended = Effect.sync(() => {
      failures++
    })

    return {
      online: Deferred.await(online),
      run: Effect.forever(
        Effect.zipRight(
          Effect.matchEffect(session, { onFailure: failed, onSuccess: () => ended }),
          Effect.suspend(() => pauses.after(failures, limits))
        )
      )
    }
  })
