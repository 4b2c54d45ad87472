// The service with which exporters register and listen, and with which clients dial.
import * as client from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import { ControllerServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import type * as v1 from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import type { LabelSelector } from "@effect-jumpstarter/proto/jumpstarter/v1/kubernetes"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { GrpcRequest } from "../../grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import * as exporterStatus from "../../protocol/ExporterStatus.ts"
import * as labels from "./labels.ts"
import * as leases from "./lease.ts"
import * as leaseRequest from "./leaseRequest.ts"
import * as names from "./names.ts"
import type { Parts } from "./parts.ts"
import { exporterNotFound, leaseNotFound, plain, type Refused } from "./refusal.ts"
import type { ExporterObject } from "./registry.ts"
import * as selectors from "./selector.ts"
import { nameOnly, type Served, streaming, unary } from "./serve.ts"
import * as times from "./times.ts"
import * as tunnels from "./tunnels.ts"

const { methods } = ControllerServiceDefinition

// Writes a selector of the older API as a text of the newer one.
const toText = ({ matchExpressions, matchLabels }: LabelSelector): string =>
  [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(({ key, operator, values }) =>
      operator === "Exists"
        ? key
        : operator === "DoesNotExist"
        ? `!${key}`
        : `${key} ${operator.toLowerCase()} (${values.join(",")})`
    )
  ].join(",")

const operatorNames: Partial<Record<string, string>> = {
  in: "In",
  notin: "NotIn",
  exists: "Exists",
  "!": "DoesNotExist"
}

const toSelector = (selector: selectors.Selector): LabelSelector => ({
  matchLabels: selectors.equalities(selector),
  matchExpressions: selector.filter(({ operator }) => operator !== "=").map(({ key, operator, values }) => ({
    key,
    operator: operatorNames[operator] ?? operator,
    values: [...values]
  }))
})

const toStatus = (lease: leases.Lease | undefined): v1.StatusResponse => ({
  leased: lease !== undefined,
  leaseName: lease?.name,
  clientName: lease?.client,
  context: { ...lease?.context }
})

export const make = (parts: Parts): ReadonlyArray<Served> => {
  const { authenticator, listeners, observed, registry, release, routerEndpoint, tokens, world } = parts

  const leaseNamed = (name: string): Either.Either<leases.Lease, Refused> => {
    const lease = world.leases.get(name)
    return name === ""
      ? Either.left(plain("empty lease name"))
      : name.includes("/")
      ? Either.left(plain(`invalid resource name ${JSON.stringify(name)}: [may not contain '/']`))
      : lease === undefined
      ? Either.left(plain(leaseNotFound(name)))
      : Either.right(lease)
  }

  const exporterNamed = (name: string): Either.Either<ExporterObject, Refused> =>
    Either.fromNullable(registry.exporters.get(name), () => plain(exporterNotFound(name)))

  const register = Effect.fnUntraced(function*(request: v1.RegisterRequest, call: GrpcRequest) {
    const exporter = yield* authenticator.exporter(call)
    const kept = labels.registered(exporter.labels, request.labels)
    const problem = labels.problem(kept)
    if (problem !== undefined) {
      return yield* GrpcStatus.make(
        "INTERNAL",
        `unable to update exporter: Exporter.jumpstarter.dev ${JSON.stringify(exporter.name)} is invalid: ${problem}`
      )
    }
    exporter.labels = kept
    exporter.devices = request.reports
    world.reconsider(yield* times.now)
    return { uuid: exporter.uid }
  })

  const unregister = Effect.fnUntraced(function*(request: v1.UnregisterRequest, call: GrpcRequest) {
    const exporter = yield* authenticator.exporter(call)
    const now = yield* times.now
    exporter.devices = []
    if (release === "main") {
      world.report(exporter, "OFFLINE", request.reason === "" ? "Exporter unregistered" : request.reason, now)
    }
    world.reconsider(now)
    return {}
  })

  const reportStatus = Effect.fnUntraced(function*(request: v1.ReportStatusRequest, call: GrpcRequest) {
    const exporter = yield* authenticator.exporter(call)
    const now = yield* times.now
    world.report(exporter, exporterStatus.fromNumber(request.status), request.message ?? "", now)
    const lease = request.releaseLease === true ? world.leaseOf(exporter.name) : undefined
    if (lease !== undefined) world.release(lease, now)
    return {}
  })

  const status = (call: GrpcRequest) =>
    Stream.unwrapScoped(Effect.gen(function*() {
      const exporter = yield* authenticator.exporter(call)
      const notices = yield* Queue.unbounded<v1.StatusResponse>()
      yield* Effect.acquireRelease(
        Effect.map(
          times.now,
          (now) => world.watch(exporter, (lease) => void notices.unsafeOffer(toStatus(lease)), now)
        ),
        (leave) => Effect.map(times.now, leave)
      )
      return Stream.fromQueue(notices)
    }))

  const listen = (request: v1.ListenRequest, call: GrpcRequest) =>
    Stream.unwrap(Effect.gen(function*() {
      const exporter = yield* authenticator.exporter(call)
      const lease = yield* leaseNamed(request.leaseName)
      return lease.exporter === exporter.name ? listeners.listen(lease.name) : yield* plain("permission denied")
    }))

  const dial = Effect.fnUntraced(function*(request: v1.DialRequest, call: GrpcRequest) {
    const caller = yield* authenticator.client(call)
    const lease = yield* leaseNamed(request.leaseName)
    if (lease.client !== caller.name) return yield* plain("permission denied")
    const { exporter } = lease
    if (exporter === undefined) return yield* plain("lease not active")
    yield* tunnels.untilReady(Effect.suspend(() => exporterNamed(exporter)), observed)
    const response: v1.DialResponse = { routerEndpoint, routerToken: tokens.issueForRouter(yield* times.now) }
    yield* listeners.offer(lease.name, response)
    return response
  })

  const releaseByExporter = Effect.fnUntraced(function*(name: string, call: GrpcRequest) {
    const exporter = yield* authenticator.exporter(call)
    if (name === "") return yield* GrpcStatus.make("INTERNAL", "unable to get lease: resource name may not be empty")
    const lease = world.leases.get(name)
    if (lease === undefined) return yield* GrpcStatus.make("NOT_FOUND", `lease ${name} not found`)
    if (lease.exporter !== exporter.name) {
      return yield* GrpcStatus.make("FAILED_PRECONDITION", `lease ${name} is not held by exporter ${exporter.name}`)
    }
    if (!lease.ended) world.release(lease, yield* times.now)
    return {}
  })

  const releaseByClient = Effect.fnUntraced(function*(name: string, call: GrpcRequest) {
    const caller = yield* authenticator.client(call)
    const lease = yield* leaseNamed(name)
    if (lease.client !== caller.name) return yield* plain("ReleaseLease permission denied")
    if (!lease.ended) world.release(lease, yield* times.now)
    return {}
  })

  const requestLease = Effect.fnUntraced(function*(request: v1.RequestLeaseRequest, call: GrpcRequest) {
    const caller = yield* authenticator.client(call)
    const now = yield* times.now
    const name = names.unique(now)
    const lease = yield* leaseRequest.make(
      name,
      caller.name,
      client.Lease.fromPartial({
        selector: request.selector === undefined ? "" : toText(request.selector),
        duration: request.duration
      }),
      release
    )
    world.add(lease, now)
    return { name }
  })

  const getLease = Effect.fnUntraced(function*(request: v1.GetLeaseRequest, call: GrpcRequest) {
    const caller = yield* authenticator.client(call)
    const lease = yield* leaseNamed(request.name)
    if (lease.client !== caller.name) return yield* plain("GetLease permission denied")
    const now = yield* times.now
    world.refresh(lease, now)
    return {
      duration: times.toDuration(lease.schedule.duration),
      selector: toSelector(lease.selector),
      beginTime: lease.begun === undefined ? undefined : times.toTimestamp(lease.begun),
      endTime: lease.endedAt === undefined ? undefined : times.toTimestamp(lease.endedAt),
      exporterUuid: registry.exporters.get(lease.exporter ?? "")?.uid,
      conditions: leases.conditionsOf(lease)
    }
  })

  return [
    unary(ControllerServiceDefinition, methods.register, register),
    unary(ControllerServiceDefinition, methods.unregister, unregister),
    unary(ControllerServiceDefinition, methods.reportStatus, reportStatus),
    streaming(ControllerServiceDefinition, methods.status, (_, call) => status(call)),
    streaming(ControllerServiceDefinition, methods.listen, listen),
    unary(ControllerServiceDefinition, methods.dial, dial),
    unary(
      ControllerServiceDefinition,
      methods.releaseLease,
      ({ name }, call) =>
        authenticator.kind(call) === "Exporter" ? releaseByExporter(name, call) : releaseByClient(name, call)
    ),
    unary(ControllerServiceDefinition, methods.requestLease, requestLease),
    unary(ControllerServiceDefinition, methods.getLease, getLease),
    unary(
      ControllerServiceDefinition,
      methods.listLeases,
      (_, call) =>
        Effect.map(authenticator.client(call), ({ name }) => ({
          names: [...world.leases.values()].filter((lease) => lease.client === name && !lease.ended).map((lease) =>
            lease.name
          )
        }))
    ),
    ...(release === "main"
      ? [
        unary(
          ControllerServiceDefinition,
          methods.getServiceEndpoints,
          (_, call) => Effect.as(authenticator.exporter(call), { telemetryEndpoints: [] })
        )
      ]
      : [nameOnly(ControllerServiceDefinition, "AuditStream")])
  ]
}
