// The client's own check of the exporter's status before a driver call (protocol.md 4.2). Python exporters do not
// enforce the rule, so without it a call could reach a device between leases.
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import { type CallSite, ExporterNotReady } from "../DriverError.ts"
import { admitsDriverCalls, type StatusReport } from "../ExporterStatus.ts"
import type { GrpcStatusError } from "../GrpcStatus.ts"

// A status that admits calls is taken at its word: should it have changed, the exporter decides. One that does not is
// asked for again before a call is refused, so that a ready exporter is never kept waiting by old news.
export const make = Effect.fnUntraced(
  function*(getStatus: Effect.Effect<StatusReport, GrpcStatusError>, initial: StatusReport) {
    const latest = yield* Ref.make(initial)
    const status = Effect.tap(getStatus, (report) => Ref.set(latest, report))
    // When the status cannot be had the call itself will tell why.
    const fresh = Effect.orElse(status, () => Ref.get(latest))

    const check = (site: CallSite): Effect.Effect<void, ExporterNotReady> =>
      Effect.flatMap(
        Ref.get(latest),
        (known) =>
          admitsDriverCalls(known.status) ?
            Effect.void :
            Effect.flatMap(fresh, (report) =>
              admitsDriverCalls(report.status) ? Effect.void : new ExporterNotReady({
                ...site,
                code: "FAILED_PRECONDITION",
                details: `the exporter's status is ${report.status}${
                  report.message === "" ? "" : `: ${report.message}`
                }`,
                origin: "client"
              }))
      )

    return { status, check }
  }
)
