/**
 * The client of one driver, without a contract: methods by name, JSON arguments and results.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import * as Metadata from "../grpc/Metadata.ts"
import type { ByteStream } from "../protocol/ByteStream.ts"
import * as callers from "../protocol/callerFrame.ts"
import * as clientErrors from "../protocol/clientErrors.ts"
import * as driverCallCodec from "../protocol/driverCall.ts"
import * as DriverError from "../protocol/DriverError.ts"
import * as DriverTree from "../protocol/DriverTree.ts"
import type { JsonValue } from "../protocol/ProtobufValue.ts"
import * as streamRequest from "../protocol/streamRequest.ts"
import type { Refusal } from "../protocol/valueCodec.ts"
import * as Resource from "../resource/Resource.ts"
import * as telemetry from "../telemetry/client.ts"
import * as telemetryMetrics from "../telemetry/metrics.ts"
import type { CallWitness, ConnectionWitness } from "../telemetry/witness.ts"
import * as interruptible from "../util/interruptible.ts"
import { mapItems } from "../util/mapItems.ts"
import * as encodingWarning from "./encodingWarning.ts"
import type { ExporterClient } from "./ExporterClient.ts"
import type * as LogStream from "./LogStream.ts"
import * as transfer from "./transfer.ts"

/**
 * A byte stream of a driver, with the metadata it was opened with.
 *
 * @since 0.1.0
 * @category models
 */
export interface DriverStream extends ByteStream<DriverError.DriverCallError> {
  readonly metadata: Metadata.Metadata
  /**
   * Returns the next bytes of `read`, and waits until there are some. Fails with `None` after the last ones. It costs a fraction of
   * running a `Stream`.
   */
  readonly receive: Effect.Effect<Uint8Array, Option.Option<DriverError.DriverCallError>>
}

/**
 * The client of one driver of an exporter, identified by its path. `uuid` and the other properties are a snapshot from the
 * last report; calls go to the driver that is there now.
 *
 * @since 0.1.0
 * @category models
 */
export interface DriverClient extends Omit<DriverTree.DriverNode, "children"> {
  readonly children: ReadonlyMap<string, DriverClient>
  /** The exporter's address. */
  readonly address: string

  /** The driver at a path below this one. */
  readonly child: (path: string | ReadonlyArray<string>) => Effect.Effect<DriverClient, DriverTree.DriverNotFound>

  /**
   * Calls a method. Arguments are positional. A trailing optional argument can be left out; pass null for one in the
   * middle. Calls that may have run are never retried, and no deadline is set: use `Effect.timeout`, which cancels the
   * call.
   *
   * With resources among its arguments, the call succeeds only when their transfers succeed.
   */
  readonly call: <Args extends ReadonlyArray<Resource.Argument | Resource.Unready>>(
    method: string,
    ...args: Resource.Arguments<Args>
  ) => Effect.Effect<JsonValue, DriverError.DriverCallError | Resource.TransferError<Args>>

  /** Calls a method that yields any number of results. Ending the stream early cancels the call. */
  readonly streamingCall: <Args extends ReadonlyArray<Resource.Argument | Resource.Unready>>(
    method: string,
    ...args: Resource.Arguments<Args>
  ) => Stream.Stream<JsonValue, DriverError.DriverCallError | Resource.TransferError<Args>>

  /**
   * Opens a byte stream, such as a serial console. Closing the scope closes the stream and the device behind it. If
   * something was written and the scope closes with a success, the device first gets up to half a second of real time to
   * read it. When many close at once, the half second begins anew with each one that ends, for five seconds at most.
   */
  readonly stream: (method: string) => Effect.Effect<DriverStream, DriverError.DriverCallError, Scope.Scope>

  /**
   * Opens client-side bytes for a driver to read or write. The transfer runs until the scope closes; pass the handle
   * to a call of this same driver.
   */
  readonly resource: <A, E, R>(
    resource: Resource.Resource<A, E, R>
  ) => Effect.Effect<Resource.ResourceHandle<A, E>, DriverError.DriverCallError, R | Scope.Scope>

  /** Writes the exporter's log into Effect's logger while the scope is open; see `LogStream.LogStream`. */
  readonly logStream: LogStream.LogStream["forward"]
}

/**
 * What the clients of one connection share.
 *
 * @since 0.1.0
 * @category models
 */
export interface Session {
  readonly exporter: ExporterClient
  /** The exporter in metrics and spans: its name in the lab, else its address. */
  readonly name: string
  readonly logs: LogStream.LogStream
  /**
   * Runs before every call. Waits while the connection is re-established, finds the current uuid of the driver at this
   * path, and fails when the exporter's status is known to forbid calls.
   */
  readonly admit: (
    node: DriverTree.DriverNode,
    call: Pick<DriverError.CallSite, "method" | "kind" | "caller">
  ) => Effect.Effect<DriverError.CallSite, DriverError.DriverCallError>
  /** Turns the status that a call ended with into an error. */
  readonly explain: (
    node: DriverTree.DriverNode,
    status: GrpcStatusError,
    site: DriverError.CallSite
  ) => Effect.Effect<never, DriverError.DriverCallError>
  /** How long a driver that has answered may pause before the rest of a download is given up. */
  readonly transferIdleTimeout: Duration.DurationInput
  /** @internal */
  readonly witness?: ConnectionWitness | undefined
}

const encodeArguments = (
  uuid: string,
  method: string,
  args: ReadonlyArray<Resource.Argument>
): Either.Either<Uint8Array, Refusal> =>
  driverCallCodec.encodeRequest({
    uuid,
    method,
    args: args.map((arg) => arg instanceof Resource.ResourceHandle ? arg.handle : arg)
  })

const handlesOf = <Args extends ReadonlyArray<Resource.Argument>>(
  args: Args
): ReadonlyArray<Resource.ResourceHandle<unknown, Resource.TransferError<Args>>> =>
  args.filter((arg): arg is Resource.ResourceHandle<unknown, Resource.TransferError<Args>> & Args[number] =>
    arg instanceof Resource.ResourceHandle
  )

type Handles<E> = ReadonlyArray<Resource.ResourceHandle<unknown, E>>

const settleAll = <E>(handles: Handles<E>) => Effect.forEach(handles, ({ settle }) => settle, { discard: true })

// Fails with the first failed transfer, and never ends otherwise. A transfer that the driver broke off is left out: the
// answer to the call has the reason.
const firstFailure = <E>(handles: Handles<E>): Effect.Effect<never, E | DriverError.DriverCallError> =>
  Effect.zipRight(
    interruptible.forEach(
      handles,
      ({ result }) =>
        Effect.catchIf(
          result,
          (error) => DriverError.isDriverCallError(error) && error.origin === "driver",
          () => Effect.never
        )
    ),
    Effect.never
  )

const decodeHandle = Schema.decodeUnknown(Schema.parseJson(streamRequest.ClientStreamHandle))

/**
 * A call, and where the program made it.
 *
 * @internal
 */
export type Called = Parameters<Session["admit"]>[1]

type Arguments = ReadonlyArray<Resource.Argument | Resource.Unready>

type Answer<Args extends Arguments> = Effect.Effect<
  JsonValue,
  DriverError.DriverCallError | Resource.TransferError<Args>
>

type Items<Args extends Arguments> = Stream.Stream<
  JsonValue,
  DriverError.DriverCallError | Resource.TransferError<Args>
>

/**
 * The calls of a client for code that adds checks to them. What fails in `through` counts as a failure of the call: in its span, in
 * the metrics and in a record.
 *
 * @internal
 */
export interface CheckedCalls {
  readonly call: <Args extends Arguments, A, E>(
    called: Called,
    args: Resource.Arguments<Args>,
    through: (answer: Answer<Args>) => Effect.Effect<A, E>
  ) => Effect.Effect<A, E>
  readonly streamingCall: <Args extends Arguments, A, E>(
    called: Called,
    args: Resource.Arguments<Args>,
    through: (items: Items<Args>) => Stream.Stream<A, E>
  ) => Stream.Stream<A, E | DriverError.DriverCallError>
  /** Fails a call of which nothing was sent. */
  readonly refuse: <E>(called: Called, args: ReadonlyArray<unknown>, error: E) => Effect.Effect<never, E>
}

type Operations = Pick<DriverClient, "call" | "streamingCall" | "stream" | "resource"> & {
  readonly checked: CheckedCalls
}

const operationsOf = (session: Session, node: DriverTree.DriverNode): Operations => {
  const prepare = (called: Called, args: ReadonlyArray<Resource.Argument>) =>
    Effect.flatMap(session.admit(node, called), (site) => {
      const request = Either.mapBoth(encodeArguments(site.uuid, site.method, args), {
        onLeft: ({ path, reason }) => clientErrors.invalidArgument(site, { details: reason, path }),
        onRight: (request) => ({ request, site })
      })
      const warning = encodingWarning.ofArguments(args, site.driver)
      return warning === undefined ? request : Effect.zipRight(warning, request)
    })

  const decode = (site: DriverError.CallSite) => (answer: Uint8Array) =>
    Either.mapLeft(
      driverCallCodec.decodeResponse(answer),
      ({ path, reason }) => clientErrors.unexpectedResult(site, "INTERNAL", { details: reason, path })
    )

  const decodeItem = (site: DriverError.CallSite, witness: CallWitness | undefined) => {
    const item = decode(site)
    return witness === undefined ? item : (answer: Uint8Array) => {
      const decoded = item(answer)
      if (Either.isRight(decoded)) witness.item(decoded.right)
      return decoded
    }
  }

  const explain = (site: DriverError.CallSite) => (status: GrpcStatusError) => session.explain(node, status, site)

  const operation = telemetryMetrics.operations(session.name, node, session.logs.calls, session.witness)

  const checked: CheckedCalls = {
    call: (called, args, through) => {
      const handles = handlesOf(args)
      return telemetry.call(operation("call", called.method), args, (ongoing) => {
        const answer = Effect.flatMap(
          prepare(called, args),
          ({ request, site }) =>
            session.exporter.driverCall(request, ongoing.options).pipe(
              Effect.catchAll(explain(site)),
              Effect.flatMap(decode(site))
            )
        )
        return through(
          handles.length === 0
            ? answer
            : interruptible.raceFirst(
              Effect.zipLeft(answer, settleAll(handles)),
              firstFailure(handles)
            )
        )
      })
    },
    streamingCall: (called, args, through) => {
      const handles = handlesOf(args)
      return telemetry.streamingCall(operation("streamingCall", called.method), args, (ongoing) => {
        const answers = Effect.map(
          prepare(called, args),
          ({ request, site }) =>
            mapItems(
              Stream.catchAll(
                session.exporter.streamingDriverCall(request, ongoing.options),
                (status) => Stream.fromEffect(explain(site)(status))
              ),
              decodeItem(site, ongoing.witness)
            )
        )
        return handles.length === 0
          ? Effect.map(answers, through)
          : Effect.succeed(through(
            Stream.unwrap(answers).pipe(
              Stream.concat(Stream.drain(Stream.fromEffect(settleAll(handles)))),
              Stream.interruptWhen(firstFailure(handles))
            )
          ))
      })
    },
    refuse: (called, args, error) =>
      telemetry.call(operation(called.kind, called.method), args, () => Effect.fail(error))
  }

  const call: DriverClient["call"] = (method, ...args) => {
    const caller = callers.of()
    return checked.call({ method, kind: "call", caller }, args, identity)
  }

  const streamingCall: DriverClient["streamingCall"] = (method, ...args) => {
    const caller = callers.of()
    return checked.streamingCall({ method, kind: "streamingCall", caller }, args, identity)
  }

  const stream: DriverClient["stream"] = (method) => {
    const caller = callers.of()
    return telemetry.stream(
      operation("stream", method),
      Effect.fnUntraced(function*(ongoing) {
        const site = yield* session.admit(node, { method, kind: "stream", caller })
        const fail = (status: GrpcStatusError) => {
          const error = DriverError.fromStatus(status, site)
          ongoing.outcome = Effect.succeed(Exit.fail(error))
          return error
        }
        const stream = yield* Effect.catchAll(
          session.exporter.driverStream(site.uuid, method, ongoing.options),
          explain(site)
        )
        return { name: site.driver, metadata: stream.metadata, ...ongoing.counted(stream, fail), end: stream.end }
      })
    )
  }

  const lend: DriverClient["resource"] = (resource) => {
    const caller = callers.of()
    return telemetry.stream(
      operation("resource", "resource"),
      Effect.fnUntraced(function*(ongoing) {
        if (Option.isSome(resource.size)) ongoing.witness?.expects(resource.size.value)
        const site = yield* session.admit(node, { method: "resource", kind: "resource", caller })
        const stream = yield* Effect.catchAll(
          session.exporter.resourceStream(
            site.uuid,
            // What a driver writes is encoded on this side, see `ResourceOptions`.
            resource._tag === "Source" ? Option.getOrNull(resource.contentEncoding) : null,
            ongoing.options
          ),
          explain(site)
        )
        const handle = yield* Option.match(Metadata.get(stream.metadata, streamRequest.resourceKey), {
          onNone: () => Effect.fail("the exporter sent no resource handle"),
          onSome: (text) => Effect.mapError(decodeHandle(text), (error) => error.message)
        }).pipe(
          Effect.mapError((details) => clientErrors.unexpectedResult(site, "INTERNAL", { details }))
        )
        const lent = yield* transfer.open(
          { ...stream, ...ongoing.counted(stream, identity) },
          ongoing,
          handle,
          resource,
          site,
          Duration.decode(session.transferIdleTimeout)
        )
        // A resource that is closed before its transfer is complete was cancelled on this side, so it counts as
        // interrupted, not failed.
        ongoing.outcome = Effect.exit(Effect.catchIf(
          lent.result,
          (error) => DriverError.isDriverCallError(error) && error.origin === "client" && error.code === "CANCELLED",
          () => Effect.interrupt
        ))
        return lent
      })
    )
  }

  return { call, streamingCall, stream, resource: lend, checked }
}

const childless: ReadonlyMap<string, DriverClient> = new Map()

const makeAll = (
  session: Session,
  nodes: ReadonlyMap<string, DriverTree.DriverNode>
): ReadonlyMap<string, DriverClient> => {
  const clients = new Map<string, DriverClient>()
  nodes.forEach((node, name) => clients.set(name, new Client(session, node)))
  return clients
}

// Most drivers of a large tree are never called, so the functions of a client are made when one of them is used.
class Client implements DriverClient {
  readonly uuid: string
  readonly name: string
  readonly path: ReadonlyArray<string>
  readonly labels: DriverTree.DriverNode["labels"]
  readonly description: DriverTree.DriverNode["description"]
  readonly methodsDescription: DriverTree.DriverNode["methodsDescription"]
  readonly children: ReadonlyMap<string, DriverClient>
  readonly #session: Session
  readonly #node: DriverTree.DriverNode
  #operations: Operations | undefined

  constructor(session: Session, node: DriverTree.DriverNode) {
    this.uuid = node.uuid
    this.name = node.name
    this.path = node.path
    this.labels = node.labels
    this.description = node.description
    this.methodsDescription = node.methodsDescription
    this.#session = session
    this.#node = node
    this.children = node.children.size === 0 ? childless : makeAll(session, node.children)
  }

  get address() {
    return this.#session.exporter.target
  }

  get call() {
    return this.#used.call
  }

  get streamingCall() {
    return this.#used.streamingCall
  }

  get stream() {
    return this.#used.stream
  }

  get resource() {
    return this.#used.resource
  }

  get logStream() {
    return this.#session.logs.forward
  }

  get child(): DriverClient["child"] {
    return (path) => {
      const found = DriverTree.find<DriverClient>(this, path)
      return Either.isRight(found) ? found : Either.left(callers.blame(found.left, { caller: callers.of() }))
    }
  }

  static checkedCallsOf(client: DriverClient): CheckedCalls | undefined {
    return #session in client ? client.#used.checked : undefined
  }

  get #used(): Operations {
    this.#operations ??= operationsOf(this.#session, this.#node)
    return this.#operations
  }
}

/**
 * The client of a node of the tree, and of all nodes below it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (session: Session, node: DriverTree.DriverNode): DriverClient => new Client(session, node)

// A client that a program has put around another one is called as it is, because it may do more than pass calls on.
const around = (client: DriverClient): CheckedCalls => ({
  call: <Args extends Arguments, A, E>(
    { caller, method }: Called,
    args: Resource.Arguments<Args>,
    through: (answer: Answer<Args>) => Effect.Effect<A, E>
  ) => through(callers.on(caller, () => client.call<Args>(method, ...args))),
  streamingCall: <Args extends Arguments, A, E>(
    { caller, method }: Called,
    args: Resource.Arguments<Args>,
    through: (items: Items<Args>) => Stream.Stream<A, E>
  ) => through(callers.on(caller, () => client.streamingCall<Args>(method, ...args))),
  refuse: (_called, _args, error) => Effect.fail(error)
})

/**
 * The calls of a client, for a contract.
 *
 * @internal
 */
export const checkedCalls = (client: DriverClient): CheckedCalls => Client.checkedCallsOf(client) ?? around(client)
