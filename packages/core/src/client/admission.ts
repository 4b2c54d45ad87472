// What every call passes before it is sent, and what the status it ends with means.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import { blame } from "../protocol/callerFrame.ts"
import * as clientErrors from "../protocol/clientErrors.ts"
import * as DriverError from "../protocol/DriverError.ts"
import * as DriverTree from "../protocol/DriverTree.ts"
import { admitsDriverCalls } from "../protocol/ExporterStatus.ts"
import * as sharedQuery from "../util/sharedQuery.ts"
import type { Session } from "./DriverClient.ts"
import type { DriverLocator } from "./driverLocator.ts"
import type { KnownStatus } from "./knownStatus.ts"
import type { Link } from "./reconnect.ts"
import type { StatusPoller } from "./statusPoller.ts"

export const make = (
  link: Link,
  locator: DriverLocator,
  status: KnownStatus,
  poller: StatusPoller
): Pick<Session, "admit" | "explain"> => {
  // A known status that admits calls is trusted: if it has changed, the exporter refuses the call. For any other known
  // status, the exporter is queried again before the call is refused, so that an old status never holds up a ready
  // exporter.
  const checkStatus = (
    site: DriverError.CallSite
  ): Effect.Effect<void, DriverError.ConnectionLost | DriverError.ExporterNotReady> => {
    const refuse = (details: string) =>
      blame(
        new DriverError.ExporterNotReady({ ...site, code: "FAILED_PRECONDITION", details, origin: "client" }),
        site
      )

    // The status request failed, so the call was not sent.
    const unasked = (
      error: GrpcStatusError
    ): Effect.Effect<never, DriverError.ConnectionLost | DriverError.ExporterNotReady> =>
      DriverError.fromStatus(error, site)._tag === "ConnectionLost"
        ? clientErrors.connectionLost(site, "client", error)
        : refuse(
          `the exporter's status was ${status.report().status}, and the request for its current status failed: ${error.details}`
        )

    return Effect.suspend(() =>
      admitsDriverCalls(status.report().status) ? Effect.void : Effect.matchEffect(poller.ask, {
        onFailure: unasked,
        onSuccess: ({ message, status }) =>
          admitsDriverCalls(status)
            ? Effect.void
            : refuse(`the exporter's status is ${status}${message === "" ? "" : `: ${message}`}`)
      })
    )
  }

  const admit: Session["admit"] = (node, { caller, kind, method }) => {
    const driver = DriverTree.formatPath(node.path)
    const site = { address: link.exporter.target, driver, uuid: node.uuid, method, kind, caller }
    const located = link.ready.pipe(
      Effect.mapError((error) => clientErrors.connectionLost(site, "client", error)),
      Effect.flatMap(() => locator.locate(node, site))
    )
    // Byte streams are not gated (protocol.md 4.2).
    return kind === "call" || kind === "streamingCall" ? Effect.tap(located, checkStatus) : located
  }

  const identify = sharedQuery.make(Effect.zipRight(
    link.identify,
    // The previous query ran to its end, or this is another exporter.
    Effect.suspend(() => status.isCurrent() ? Effect.void : Effect.ignore(poller.ask))
  ))

  // An exporter that restarted does not know the old uuids: our host answers NOT_FOUND, Python's UNKNOWN. Both also have
  // other causes, so these two codes make the client ask the exporter for its identity.
  const explain: Session["explain"] = (node, error, site) =>
    Effect.suspend((): Effect.Effect<never, DriverError.DriverCallError> => {
      const meant = DriverError.fromStatus(error, site)
      if (error.origin !== "peer" || error.code !== "NOT_FOUND" && error.code !== "UNKNOWN") return meant
      return Effect.flatMap(identify, () => {
        const now = locator.locate(node, site)
        if (Either.isRight(now) && now.right.uuid === site.uuid) return Effect.fail(meant)
        const news = Either.match(now, {
          onLeft: ({ details }) => details,
          onRight: () => "the exporter restarted; the next call goes to the new instance"
        })
        return clientErrors.connectionLost(site, "transport", error, `${news}: ${error.details}`)
      })
    })

  return { admit, explain }
}
