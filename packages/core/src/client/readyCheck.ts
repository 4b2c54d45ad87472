// The client's own check of the exporter's status before a driver call (protocol.md 4.2). Python exporters do not
// enforce the rule, so without it a call could reach a device between leases.
import * as Effect from "effect/Effect"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import { blame } from "../protocol/callerFrame.ts"
import * as clientErrors from "../protocol/clientErrors.ts"
import { type CallSite, type ConnectionLost, ExporterNotReady } from "../protocol/DriverError.ts"
import { admitsDriverCalls } from "../protocol/ExporterStatus.ts"
import type { StatusPoller } from "./statusPoller.ts"

// A known status that admits calls is trusted: if it has changed since, the exporter refuses the call. For any other the
// exporter is asked again before the call is refused, so that an old status never holds up a ready exporter.
export const make =
  ({ ask, known }: StatusPoller) => (site: CallSite): Effect.Effect<void, ConnectionLost | ExporterNotReady> => {
    const refuse = (details: string) =>
      blame(new ExporterNotReady({ ...site, code: "FAILED_PRECONDITION", details, origin: "client" }), site)

    // Asking for the status failed, so the call was not sent.
    const unasked = (status: GrpcStatusError): Effect.Effect<never, ConnectionLost | ExporterNotReady> =>
      status.origin === "transport"
        ? clientErrors.connectionLost(site, "client", status)
        : refuse(
          `the exporter's status was ${known().status}, and asking for the present one failed: ${status.details}`
        )

    return Effect.suspend(() =>
      admitsDriverCalls(known().status) ? Effect.void : Effect.matchEffect(ask, {
        onFailure: unasked,
        onSuccess: ({ message, status }) =>
          admitsDriverCalls(status)
            ? Effect.void
            : refuse(`the exporter's status is ${status}${message === "" ? "" : `: ${message}`}`)
      })
    )
  }
