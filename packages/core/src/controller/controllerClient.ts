// The RPCs of a client to the controller. Each carries the client's identity, retries transient failures, and fails with an error that
// says what to do.
import {
  ClientServiceDefinition,
  type CreateLeaseRequest,
  Lease as WireLease
} from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import { ControllerServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type * as GrpcStatus from "../grpc/GrpcStatus.ts"
import * as Metadata from "../grpc/Metadata.ts"
import * as rpcs from "../protocol/rpcs.ts"
import * as stub from "../protocol/stub.ts"
import type { Channel } from "../transport/GrpcChannel.ts"
import * as attempts from "./attempts.ts"
import type { ClientConfig } from "./ClientConfig.ts"
import { ControllerError, type ControllerReason } from "./controllerError.ts"
import type { ControllerClient } from "./controllerRequests.ts"
import * as labelSelector from "./labelSelector.ts"
import * as newLease from "./newLease.ts"
import * as records from "./records.ts"
import * as serviceAddress from "./serviceAddress.ts"
import * as tokens from "./tokens.ts"
import type { TokenSource } from "./tokenSource.ts"

const peer = "controller"

const defaultBound = Duration.seconds(30)

const defaultPageSize = 100

interface About extends Partial<Pick<ControllerError, "position" | "sent" | "subject">> {}

const clientMethods = ClientServiceDefinition.methods

export const make = (
  config: ClientConfig,
  channel: Channel,
  source: TokenSource,
  router: ControllerClient["router"]
): ControllerClient => {
  const { target } = channel
  const parent = `namespaces/${config.namespace}`
  const fullName = (kind: "clients" | "exporters" | "leases", name: string) => `${parent}/${kind}/${name}`

  const identity = (token: Redacted.Redacted) =>
    Metadata.make({
      authorization: `Bearer ${Redacted.value(token)}`,
      "jumpstarter-kind": "Client",
      "jumpstarter-namespace": config.namespace,
      "jumpstarter-name": config.name
    })

  const refuse = (
    rpc: string,
    reason: ControllerReason,
    code: GrpcStatus.GrpcCode,
    details: string,
    about: About = {}
  ) => new ControllerError({ reason, rpc, target, code, details, ...about })

  const invalid = (rpc: string, details: string, about?: About) =>
    refuse(rpc, "Invalid", "INVALID_ARGUMENT", details, { ...about, sent: false })

  // Makes one attempt, and a second one with a new token when the controller says that the first has expired. A tracer may show the
  // result of the span, so `read` hides tokens.
  const send = <Request, Response, A>(
    rpc: string,
    method: stub.Method<Request, Response>,
    request: Request,
    subject: string | undefined,
    read: (response: Response) => A
  ): Effect.Effect<A, ControllerError> => {
    const withToken = (token: Redacted.Redacted) =>
      Effect.mapBoth(stub.unary(channel, rpc, peer, method, request, { metadata: identity(token) }), {
        onFailure: attempts.fromStatus(method.name, subject),
        onSuccess: read
      })
    const renewed = (token: Redacted.Redacted, expired: ControllerError) =>
      source.renew(token).pipe(
        Effect.mapError(({ details }) =>
          config.refreshToken === undefined
            ? expired
            : attempts.amended(expired, { reason: "RefreshFailed", details: `the token has expired, and ${details}` })
        ),
        Effect.zipRight(Effect.flatMap(source.current, withToken))
      )
    return Effect.flatMap(
      source.current,
      (token) =>
        Effect.catchIf(
          withToken(token),
          ({ reason }) => reason === "TokenExpired",
          (expired) => renewed(token, expired)
        )
    ).pipe(
      Effect.withSpan(method.name, {
        kind: "client",
        captureStackTrace: false,
        attributes: {
          "rpc.system": "grpc",
          "rpc.service": rpc.split("/")[1],
          "rpc.method": method.name,
          "jumpstarter.namespace": config.namespace,
          ...(subject === undefined ? {} : { "jumpstarter.subject": subject })
        }
      })
    )
  }

  const ofClient = <Request, Response, A>(
    method: stub.Method<Request, Response>,
    request: Request,
    subject: string | undefined,
    read: (response: Response) => A
  ) => send(rpcs.ofClient(method), method, request, subject, read)

  const selectorOf = (rpc: string, text: string | undefined): Either.Either<string, ControllerError> =>
    Either.mapBoth(labelSelector.parse(text ?? ""), {
      onLeft: ({ details, position }) =>
        invalid(
          rpc,
          `the selector ${JSON.stringify(text)} is invalid at character ${position}: ${details}`,
          { position }
        ),
      onRight: ({ text }) => text
    })

  // A name becomes part of a longer name.
  const checkedName = (rpc: string, name: string): Either.Either<string, ControllerError> =>
    name !== "" && !name.includes("/")
      ? Either.right(name)
      : Either.left(invalid(rpc, `${JSON.stringify(name)} is not a name: write it without namespaces/`))

  const checkedDuration = (
    rpc: string,
    input: Duration.DurationInput,
    subject: string
  ): Either.Either<Duration.Duration, ControllerError> => {
    const problem = newLease.durationProblem(input)
    return problem === undefined
      ? Either.right(Duration.decode(input))
      : Either.left(invalid(rpc, problem, { subject }))
  }

  const view = (given: Duration.Duration | undefined): ControllerClient => {
    const bound = given ?? defaultBound

    const bounded = <A>(name: string, subject: string | undefined, attempt: Effect.Effect<A, ControllerError>) =>
      attempts.persist({ name, target, subject }, bound, attempt)

    const boundedOnce = <A>(
      name: string,
      subject: string,
      attempt: Effect.Effect<A, ControllerError>,
      reason: ControllerReason,
      done: Effect.Effect<Option.Option<A>, ControllerError>
    ) => attempts.persistOnce({ name, target, subject }, bound, attempt, reason, done)

    const getLease = (name: string) =>
      ofClient(clientMethods.getLease, { name: fullName("leases", name) }, name, records.leaseOf)

    const updateLease = (name: string, changes: Partial<WireLease>) =>
      ofClient(
        clientMethods.updateLease,
        { lease: { ...WireLease.create(), name: fullName("leases", name), ...changes }, updateMask: undefined },
        name,
        records.leaseOf
      )

    const pages = <A>(
      name: string,
      page: (
        token: string
      ) => Effect.Effect<{ readonly items: ReadonlyArray<A>; readonly next: string }, ControllerError>
    ) =>
      Stream.paginateChunkEffect("", (token) =>
        Effect.map(bounded(name, undefined, page(token)), ({ items, next }) => [
          Chunk.fromIterable(items),
          next === "" ? Option.none<string>() : Option.some(next)
        ]))

    // The duration to send is computed from a fresh read, because the controller takes the whole duration. A lease is read once: an
    // update that is sent again must not add to its own result.
    const changeDuration = (name: string, input: Duration.DurationInput, sign: 1 | -1) => {
      const rpc = "UpdateLease"
      const read = Effect.gen(function*() {
        yield* checkedName(rpc, name)
        const by = yield* checkedDuration(rpc, input, name)
        const lease = yield* getLease(name)
        const about = { subject: name, sent: false }
        if (records.isOver(lease)) {
          return yield* refuse(rpc, "Ended", "FAILED_PRECONDITION", "the lease has ended", about)
        }
        if (Option.isSome(lease.endTime) || Option.isNone(lease.duration)) {
          return yield* refuse(
            rpc,
            "NotExtendable",
            "FAILED_PRECONDITION",
            "the lease has a fixed end, so its duration cannot change",
            about
          )
        }
        const before = lease.duration.value
        const duration = yield* checkedDuration(
          rpc,
          sign === 1 ? Duration.sum(before, by) : Duration.subtract(before, by),
          name
        )
        const isScheduled = Option.isNone(lease.effectiveBeginTime)
        return {
          duration: records.toDuration(duration),
          // Before the lease begins, the controller requires the begin time with the duration. After that, it refuses a begin time.
          beginTime: isScheduled && Option.isSome(lease.beginTime)
            ? records.toTimestamp(lease.beginTime.value)
            : undefined
        }
      })
      return Effect.suspend(() => {
        let changes: Partial<WireLease> | undefined
        const attempt = Effect.gen(function*() {
          const { beginTime, duration } = changes ??= yield* read
          return yield* Effect.catchIf(
            updateLease(name, { beginTime, duration }),
            ({ reason }) => reason === "AlreadyStarted",
            () => updateLease(name, { duration })
          )
        })
        return bounded(rpc, name, attempt)
      })
    }

    return {
      config,
      target,
      within: (bound) => view(Duration.decode(bound)),
      exporters: ({ hiddenLabels, pageSize, selector } = {}) =>
        Stream.unwrap(Effect.map(
          selectorOf("ListExporters", selector),
          (filter) =>
            pages("ListExporters", (pageToken) =>
              ofClient(
                clientMethods.listExporters,
                {
                  parent,
                  pageSize: pageSize ?? defaultPageSize,
                  pageToken,
                  filter,
                  showHiddenLabels: hiddenLabels ?? false
                },
                undefined,
                ({ exporters, nextPageToken }) => ({ items: exporters.map(records.exporterOf), next: nextPageToken })
              ))
        )),
      exporter: (name) =>
        Effect.flatMap(checkedName("GetExporter", name), (name) =>
          bounded(
            "GetExporter",
            name,
            ofClient(
              clientMethods.getExporter,
              { name: fullName("exporters", name), showHiddenLabels: false },
              name,
              records.exporterOf
            )
          )),
      leases: ({ ended, pageSize, selector, tags } = {}) =>
        Stream.unwrap(Effect.map(
          Either.all([selectorOf("ListLeases", selector), selectorOf("ListLeases", tags)]),
          ([filter, tagFilter]) =>
            pages("ListLeases", (pageToken) =>
              ofClient(
                clientMethods.listLeases,
                {
                  parent,
                  pageSize: pageSize ?? defaultPageSize,
                  pageToken,
                  filter,
                  tagFilter,
                  onlyActive: !(ended ?? false)
                },
                undefined,
                ({ leases, nextPageToken }) => ({ items: leases.map(records.leaseOf), next: nextPageToken })
              ))
        )),
      lease: (name) =>
        Effect.flatMap(checkedName("GetLease", name), (name) => bounded("GetLease", name, getLease(name))),
      createLease: (lease) =>
        Effect.gen(function*() {
          const rpc = "CreateLease"
          const leaseId = lease.name === undefined ? crypto.randomUUID() : yield* checkedName(rpc, lease.name)
          const selector = yield* selectorOf(rpc, lease.selector)
          const { duration, exporterName = "" } = lease
          const problem = newLease.problem({ selector, exporterName, duration })
          if (problem !== undefined) return yield* invalid(rpc, problem)
          const request: CreateLeaseRequest = {
            parent,
            leaseId,
            lease: {
              ...WireLease.create(),
              selector,
              exporterName,
              duration: records.toDuration(Duration.decode(duration)),
              beginTime: lease.beginTime && records.toTimestamp(lease.beginTime),
              tags: { ...lease.tags },
              context: { ...lease.context },
              allowDisabled: lease.allowDisabled ?? false
            }
          }
          const made = yield* boundedOnce(
            rpc,
            leaseId,
            ofClient(clientMethods.createLease, request, leaseId, records.leaseOf),
            "AlreadyExists",
            Effect.map(
              getLease(leaseId),
              // An earlier lease may have used a name that the program chose, but not a random one.
              Option.liftPredicate((found) =>
                Option.contains(found.client, config.name) && (lease.name === undefined || !records.isOver(found))
              )
            )
          )
          const deprecated = Object.keys(made.deprecatedLabels)
          if (deprecated.length > 0) {
            yield* Effect.logWarning(
              `the lease ${made.name} selects deprecated labels: ${deprecated.join(", ")}`
            )
          }
          return made
        }),
      extendLease: (name, by) => changeDuration(name, by, 1),
      shortenLease: (name, by) => changeDuration(name, by, -1),
      transferLease: (name, client) =>
        Effect.gen(function*() {
          yield* checkedName("UpdateLease", name)
          yield* checkedName("UpdateLease", client)
          return yield* boundedOnce(
            "UpdateLease",
            name,
            updateLease(name, { client: fullName("clients", client) }),
            "NotYours",
            Effect.map(getLease(name), Option.liftPredicate((lease) => Option.contains(lease.client, client)))
          )
        }),
      deleteLease: (name) =>
        Effect.flatMap(checkedName("DeleteLease", name), (name) =>
          boundedOnce(
            "DeleteLease",
            name,
            ofClient(clientMethods.deleteLease, { name: fullName("leases", name) }, name, () => undefined),
            "AlreadyReleased",
            Effect.succeedSome(undefined)
          )),
      rotateToken: Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          const { expires, token } = yield* restore(
            bounded(
              "RotateToken",
              undefined,
              ofClient(clientMethods.rotateToken, { parent }, undefined, ({ expiry, token }) => ({
                token: Redacted.make(token),
                expires: records.toDate(expiry)
              }))
            )
          )
          const problem = tokens.problem(Redacted.value(token))
          if (problem !== undefined) {
            return yield* refuse("RotateToken", "Failed", "INTERNAL", `the new token from the controller ${problem}`)
          }
          yield* source.adopt(token)
          return { token, expires }
        })
      ),
      dial: (lease) =>
        Effect.gen(function*() {
          yield* checkedName("Dial", lease)
          const { address, token } = yield* attempts.persist(
            { name: "Dial", target, subject: lease },
            given ?? config.leases.dialTimeout,
            send(
              rpcs.dial,
              ControllerServiceDefinition.methods.dial,
              { leaseName: lease },
              lease,
              ({ routerEndpoint, routerToken }) => ({ address: routerEndpoint, token: Redacted.make(routerToken) })
            )
          )
          const unusable = (details: string) => refuse("Dial", "Untrusted", "INTERNAL", details, { subject: lease })
          const endpoint = yield* Either.mapLeft(
            serviceAddress.parse(address, config.tls),
            (problem) =>
              unusable(
                `the router address from the controller, ${JSON.stringify(address)}, cannot be used: ${problem}`
              )
          )
          const problem = tokens.problem(Redacted.value(token))
          if (problem !== undefined) return yield* unusable(`the router token from the controller ${problem}`)
          return { endpoint, token }
        }),
      router
    }
  }

  return view(undefined)
}
