// Reports the exporter's status to the controller, in the background. Only the latest status counts (protocol.md 13.2).
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { type ControllerError, mayPass } from "../controller/controllerError.ts"
import type { ExporterStatus } from "../protocol/ExporterStatus.ts"
import type { ExporterCalls } from "./exporterCalls.ts"
import * as pauses from "./pauses.ts"

export interface Report {
  readonly status: ExporterStatus
  readonly message: string
}

export interface StatusReports {
  readonly latest: () => Report
  readonly become: (status: ExporterStatus, message: string) => Effect.Effect<void>
  /** Reports the latest status now. A refusal is no failure. */
  readonly now: Effect.Effect<void, ControllerError>
  /** Sends what `become` leaves, until it is interrupted. */
  readonly run: Effect.Effect<never>
}

const limits = { least: 500, most: 10_000 }

export const make = (calls: Pick<ExporterCalls, "report">, first: Report): Effect.Effect<StatusReports> =>
  Effect.gen(function*() {
    let latest = first
    // Another one takes the place of one that has not been sent.
    const due = yield* Queue.sliding<void>(1)
    const turn = yield* Effect.makeSemaphore(1)

    // A status that the controller refuses is not sent again: the next one may be accepted.
    const now = turn.withPermits(1)(Effect.suspend(() => {
      const { message, status } = latest
      return Effect.catchIf(
        calls.report(status, message),
        (error) => !mayPass(error),
        (error) => Effect.logWarning(`the controller refused the status ${status}: ${error.message}`)
      )
    }))

    const sent = (failures: number): Effect.Effect<void> =>
      Effect.catchAll(now, () => Effect.zipRight(pauses.after(failures + 1, limits), sent(failures + 1)))

    return {
      latest: () => latest,
      become: (status, message) =>
        Effect.suspend(() => {
          latest = { status, message }
          return due.offer()
        }),
      now,
      run: Effect.forever(Effect.zipRight(due.take, sent(0)))
    }
  })
