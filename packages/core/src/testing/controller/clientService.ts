// The service for clients: exporters, leases and tokens.
import { ClientServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import type * as client from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { GrpcRequest } from "../../grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import { subjectOf } from "./identity.ts"
import * as leases from "./lease.ts"
import * as leaseRequest from "./leaseRequest.ts"
import * as names from "./names.ts"
import * as pages from "./pages.ts"
import type { Parts } from "./parts.ts"
import { exporterNotFound, invalid, leaseNotFound, plain, type Refused } from "./refusal.ts"
import type { ClientObject } from "./registry.ts"
import * as selectors from "./selector.ts"
import { type Served, unary } from "./serve.ts"
import * as times from "./times.ts"
import { tokenLifetime } from "./tokens.ts"

const { methods } = ClientServiceDefinition

const namespaceOf = (parent: string) => Either.mapLeft(names.parseNamespace(parent), invalid)

const nameOf = (kind: names.Kind, identifier: string) => Either.mapLeft(names.parse(kind, identifier), invalid)

// The controller reads the lease of a request to update one without a check, and returns Go's panic with its stack trace.
const stack = [
  "",
  "goroutine 1 [running]:",
  "runtime/debug.Stack()",
  "\t/usr/lib/go/src/runtime/debug/stack.go:26 +0x5e"
]

const panic = plain(
  `panic caught: runtime error: invalid memory address or nil pointer dereference\n${stack.join("\n")}`
)

export const make = (parts: Parts): ReadonlyArray<Served> => {
  const { authenticator, registry, release, tokens, world } = parts
  const { namespace } = registry

  const leaseOf = (name: string): Either.Either<leases.Lease, Refused> =>
    Either.fromNullable(world.leases.get(name), () => plain(leaseNotFound(name)))

  const shown = (lease: leases.Lease) =>
    Effect.map(times.now, (now) => {
      world.refresh(lease, now)
      return leases.toMessage(lease, namespace, now)
    })

  const own = (caller: ClientObject, name: string, method: string): Either.Either<leases.Lease, Refused> =>
    Either.filterOrLeft(
      leaseOf(name),
      (lease) => lease.client === caller.name,
      () => plain(`${method} permission denied`)
    )

  const createLease = Effect.fnUntraced(function*(request: client.CreateLeaseRequest, call: GrpcRequest) {
    const parent = yield* namespaceOf(request.parent)
    const requested = yield* leaseRequest.check(request.lease)
    const caller = yield* authenticator.client(call, parent)
    const now = yield* times.now
    const name = request.leaseId === "" ? names.unique(now) : request.leaseId
    const lease = yield* leaseRequest.make(name, caller.name, requested, release)
    if (world.leases.has(name)) {
      return yield* plain(`leases.jumpstarter.dev ${JSON.stringify(name)} already exists`)
    }
    // The response shows the lease before its first check.
    const response = leases.toMessage(lease, namespace, now)
    world.add(lease, now)
    return response
  })

  const transfer = (lease: leases.Lease, to: string, now: number): Either.Either<void, Refused> =>
    Either.gen(function*() {
      const target = yield* nameOf("clients", to)
      if (target.namespace === namespace && target.name === lease.client) return
      if (target.namespace !== namespace) {
        return yield* Either.left(plain("cannot transfer lease to client in different namespace"))
      }
      if (lease.ended) return yield* Either.left(plain("cannot transfer lease: lease has already ended"))
      if (lease.begun === undefined) {
        return yield* Either.left(plain("cannot transfer lease: lease has not started yet"))
      }
      if (!registry.clients.has(target.name)) {
        return yield* Either.left(
          plain(`target client not found: clients.jumpstarter.dev ${JSON.stringify(target.name)} not found`)
        )
      }
      world.transfer(lease, target.name, now)
    })

  const updateLease = Effect.fnUntraced(function*(request: client.UpdateLeaseRequest, call: GrpcRequest) {
    if (request.lease === undefined) return yield* panic
    const { name, namespace: given } = yield* nameOf("leases", request.lease.name)
    const lease = yield* own(yield* authenticator.client(call, given), name, "UpdateLease")
    const now = yield* times.now
    const schedule = yield* leaseRequest.reschedule(lease, request.lease)
    if ((request.lease.client ?? "") !== "") yield* transfer(lease, request.lease.client ?? "", now)
    if (schedule !== lease.schedule) {
      lease.schedule = schedule
      lease.generation++
    }
    const response = leases.toMessage(lease, namespace, now)
    world.touched(lease, now)
    return response
  })

  const deleteLease = Effect.fnUntraced(function*(request: client.DeleteLeaseRequest, call: GrpcRequest) {
    const { name, namespace: given } = yield* nameOf("leases", request.name)
    const lease = yield* own(yield* authenticator.client(call, given), name, "DeleteLease")
    if (lease.released) {
      return yield* GrpcStatus.make(
        "FAILED_PRECONDITION",
        `lease ${JSON.stringify(request.name)} has already been released`
      )
    }
    world.release(lease, yield* times.now)
    return {}
  })

  const listLeases = Effect.fnUntraced(function*(request: client.ListLeasesRequest, call: GrpcRequest) {
    yield* authenticator.client(call, yield* namespaceOf(request.parent))
    const filter = yield* Either.mapLeft(selectors.parse(request.filter), plain)
    const tags = yield* Either.mapLeft(
      selectors.parse(request.tagFilter),
      (text) => invalid(`invalid tag_filter: ${text}`)
    )
    const now = yield* times.now
    const found = [...world.leases.values()]
      .filter((lease) =>
        (!lease.ended || request.onlyActive === false) && selectors.matches(filter, leases.labelsOf(lease))
        && selectors.matches(tags, lease.tags)
      )
      .sort((a, b) => a.name < b.name ? -1 : 1)
    const { items, next } = yield* Either.mapLeft(pages.page(found, request.pageSize, request.pageToken), plain)
    return {
      leases: items.map((lease) => {
        world.refresh(lease, now)
        return leases.toMessage(lease, namespace, now)
      }),
      nextPageToken: next
    }
  })

  const listExporters = Effect.fnUntraced(function*(request: client.ListExportersRequest, call: GrpcRequest) {
    yield* authenticator.client(call, yield* namespaceOf(request.parent))
    const filter = yield* Either.mapLeft(selectors.parse(request.filter), plain)
    const found = registry.all().filter(({ labels }) => selectors.matches(filter, labels))
    const { items, next } = yield* Either.mapLeft(pages.page(found, request.pageSize, request.pageToken), plain)
    return {
      exporters: items.map((exporter) => registry.toMessage(exporter, request.showHiddenLabels)),
      nextPageToken: next
    }
  })

  return [
    unary(ClientServiceDefinition, methods.getExporter, (request, call) =>
      Effect.gen(function*() {
        const { name, namespace: given } = yield* nameOf("exporters", request.name)
        yield* authenticator.client(call, given)
        const exporter = registry.exporters.get(name)
        return exporter === undefined
          ? yield* plain(exporterNotFound(name))
          : registry.toMessage(exporter, request.showHiddenLabels)
      })),
    unary(ClientServiceDefinition, methods.listExporters, listExporters),
    unary(ClientServiceDefinition, methods.getLease, (request, call) =>
      Effect.gen(function*() {
        const { name, namespace: given } = yield* nameOf("leases", request.name)
        yield* authenticator.client(call, given)
        return yield* shown(yield* leaseOf(name))
      })),
    unary(ClientServiceDefinition, methods.listLeases, listLeases),
    unary(ClientServiceDefinition, methods.createLease, createLease),
    unary(ClientServiceDefinition, methods.updateLease, updateLease),
    unary(ClientServiceDefinition, methods.deleteLease, deleteLease),
    unary(ClientServiceDefinition, methods.rotateToken, (request, call) =>
      Effect.gen(function*() {
        const caller = yield* authenticator.client(call, yield* namespaceOf(request.parent))
        const now = yield* times.now
        return {
          token: tokens.issue(now, subjectOf("Client", namespace, caller)),
          expiry: times.toTimestamp(times.wholeSecond(now + tokenLifetime))
        }
      }))
  ]
}
