/**
 * A stand-in for a Jumpstarter service: a controller with clients, exporters and leases, and the router that pairs the two ends
 * of a tunnel. It follows the rules of the real ones, in codes, texts and orders, in memory on the test's clock, or on a
 * socket for other programs.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { PCGRandom } from "effect/Utils"
import type { GrpcHandlers } from "../grpc/GrpcHandler.ts"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import type { ExporterStatus } from "../protocol/ExporterStatus.ts"
import type * as GrpcChannel from "../transport/GrpcChannel.ts"
import type * as GrpcServer from "../transport/GrpcServer.ts"
import * as interruptible from "../util/interruptible.ts"
import type * as assignment from "./controller/assignment.ts"
import * as clientService from "./controller/clientService.ts"
import * as controllerService from "./controller/controllerService.ts"
import * as health from "./controller/health.ts"
import * as identity from "./controller/identity.ts"
import type * as leases from "./controller/lease.ts"
import type { Parts, Release } from "./controller/parts.ts"
import * as processes from "./controller/process.ts"
import { type ExporterObject, Registry } from "./controller/registry.ts"
import * as router from "./controller/router.ts"
import * as selectors from "./controller/selector.ts"
import { Handlers } from "./controller/serve.ts"
import * as times from "./controller/times.ts"
import { type TokenClaims, Tokens } from "./controller/tokens.ts"
import { Listeners } from "./controller/tunnels.ts"
import { type Holding, World } from "./controller/world.ts"

export type { Holding, TokenClaims }

/**
 * Who may lease which exporters, and for how long. Without any policy everybody may lease everything.
 *
 * @since 0.1.0
 * @category models
 */
export interface AccessPolicy {
  /** What clients are told whose lease the policies refuse. */
  readonly description?: string | undefined
  /** Of several exporters a lease gets one of the highest priority; 0 unless given. */
  readonly priority?: number | undefined
  /** A selector of exporters by their labels; all of them unless given. */
  readonly exporters?: string | undefined
  /** A selector of clients by their labels; all of them unless given. */
  readonly clients?: string | undefined
  /** Leases that are to last longer are refused; no limit unless given. */
  readonly maximumDuration?: Duration.DurationInput | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ControllerTestOptions {
  /** Where clients, exporters and leases are; `lab` unless given. */
  readonly namespace?: string | undefined
  /**
   * Whether answers take the time that they take from a real controller: a lease that waits is looked at once a second, a dial
   * waits in steps of half a second and more, a controller that is stopped goes on for 30 seconds, and one that was started
   * refuses every token for 10. With `none` all of these are immediate; what is refused, and with which words, is
   * the same. `none` unless given in memory, `observed` unless given on a socket.
   */
  readonly latency?: "none" | "observed" | undefined
  /** Which controller it is like: that of the published Python packages, or upstream's main branch. `0.9` unless given. */
  readonly release?: Release | undefined
  readonly policies?: ReadonlyArray<AccessPolicy> | undefined
  /** Labels of exporters that are left out of answers unless a client asks for them. Filters see them. */
  readonly hiddenLabels?: ReadonlyArray<string> | undefined
  /** Labels of exporters that are shown apart, with what is said of each. */
  readonly deprecatedLabels?: Readonly<Record<string, string>> | undefined
  /** Where to serve the controller and the router to other programs. They are in memory unless given. */
  readonly listen?: { readonly controller: GrpcServer.Listen; readonly router: GrpcServer.Listen } | undefined
}

/**
 * What a client or an exporter proves itself with: the values of its configuration file.
 *
 * @since 0.1.0
 * @category models
 */
export interface Credentials {
  readonly kind: identity.Kind
  readonly namespace: string
  readonly name: string
  /** The address of the controller. In memory it is a name that leads nowhere. */
  readonly endpoint: string
  readonly token: Redacted.Redacted
}

/**
 * A lease as a test looks at it.
 *
 * @since 0.1.0
 * @category models
 */
export interface LeaseView {
  readonly name: string
  readonly client: string
  /** Absent before it got one. */
  readonly exporter: string | undefined
  /** Why it waits, was refused or ended, or `Ready`; absent before the controller has looked at it. */
  readonly reason: string | undefined
  readonly ended: boolean
}

/**
 * An exporter as a test looks at it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExporterView {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly online: boolean
  readonly status: ExporterStatus
  readonly message: string
  /** How many drivers it registered. */
  readonly drivers: number
  /** The name of the lease that it is leased by. */
  readonly lease: string | undefined
}

/**
 * A name that a test gave and that the stand-in does not know.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownObject extends Schema.TaggedError<UnknownObject>(
  "@effect-jumpstarter/core/testing/ControllerTest/UnknownObject"
)("UnknownObject", { kind: Schema.Literal("client", "exporter", "lease"), name: Schema.String }) {
  override get message(): string {
    return `the controller of this test has no ${this.kind} named ${JSON.stringify(this.name)}`
  }
}

/**
 * What a test steers the stand-in with, and looks at it through.
 *
 * @since 0.1.0
 * @category models
 */
export interface Control {
  readonly namespace: string
  /** Reaches the controller. Callers say who they are in the metadata of each RPC. */
  readonly controller: GrpcChannel.Channel
  /** Reaches the router, wherever a dial says that it is. */
  readonly router: GrpcChannel.Channel
  /** The address that a dial answers with. */
  readonly routerEndpoint: string
  /** Adds a client. One of the same name is replaced, and its tokens are refused from then on. */
  readonly addClient: (
    name: string,
    options?: { readonly labels?: Readonly<Record<string, string>> | undefined }
  ) => Effect.Effect<Credentials>
  /** Adds an exporter, which nobody has seen yet; as `addClient`. */
  readonly addExporter: (
    name: string,
    options?: {
      readonly labels?: Readonly<Record<string, string>> | undefined
      readonly enabled?: boolean | undefined
    }
  ) => Effect.Effect<Credentials>
  /** Another token for the same client or exporter, with other claims in it. */
  readonly token: (credentials: Credentials, claims?: TokenClaims) => Effect.Effect<Redacted.Redacted, UnknownObject>
  /** Ends the controller as its cluster does: it goes on for 30 seconds (`latency`), then its streams end. */
  readonly stop: Effect.Effect<void>
  /** Starts one that was stopped. What it knew it still knows; who listened has to listen anew. */
  readonly start: Effect.Effect<void, GrpcServer.GrpcServerError>
  /** Both. */
  readonly restart: Effect.Effect<void, GrpcServer.GrpcServerError>
  /** Ends the router, and all tunnels with it. */
  readonly loseRouter: Effect.Effect<void>
  /** Starts it anew. */
  readonly restoreRouter: Effect.Effect<void, GrpcServer.GrpcServerError>
  /** Makes the controller believe that the exporter was not heard of for too long, until it is heard of. */
  readonly takeOffline: (exporter: string) => Effect.Effect<void, UnknownObject>
  /** Whether an exporter may be leased from now on. A lease that it has is not touched. */
  readonly setEnabled: (exporter: string, enabled: boolean) => Effect.Effect<void, UnknownObject>
  /** Removes an exporter as an administrator does. Its tokens are refused from then on. */
  readonly remove: (exporter: string) => Effect.Effect<void, UnknownObject>
  /** Ends a lease as if its time had passed. */
  readonly expire: (lease: string) => Effect.Effect<void, UnknownObject>
  /** Ends a lease as somebody does who deletes it. */
  readonly release: (lease: string) => Effect.Effect<void, UnknownObject>
  /** Gives a lease to another client. */
  readonly transfer: (lease: string, client: string) => Effect.Effect<void, UnknownObject>
  /** All leases that there ever were, in the order of their creation. */
  readonly leases: Effect.Effect<ReadonlyArray<LeaseView>>
  readonly exporters: Effect.Effect<ReadonlyArray<ExporterView>>
  /** Who had which exporter and when, in the order of their beginnings. */
  readonly holdings: Effect.Effect<ReadonlyArray<Holding>>
}

/**
 * The stand-in that `layer` gives.
 *
 * @since 0.1.0
 * @category tags
 */
export class ControllerTest extends Context.Tag("@effect-jumpstarter/core/testing/ControllerTest")<
  ControllerTest,
  Control
>() {}

// How long a controller goes on that is asked to end, and how long one that was started can read no token.
const draining = "30 seconds"

const warmUp = 10_000

// In memory nobody resolves them.
const memoryAddresses = { controller: "controller.memory:443", router: "router.memory:443" }

// A policy names exporters and clients in a program, so one that cannot be read is a mistake of that program.
const selectorOf = (text = ""): selectors.Selector =>
  Either.getOrThrowWith(
    selectors.parse(text),
    (problem) => new Error(`the selector of a policy cannot be read: ${problem}`)
  )

const policyOf = (policy: AccessPolicy): assignment.Policy => ({
  description: policy.description ?? "",
  priority: policy.priority ?? 0,
  exporters: selectorOf(policy.exporters),
  clients: selectorOf(policy.clients),
  maximumDuration: Duration.toMillis(policy.maximumDuration ?? Duration.infinity)
})

const viewOf = (lease: leases.Lease): LeaseView => ({
  name: lease.name,
  client: lease.client,
  exporter: lease.exporter,
  reason: lease.conditions.at(-1)?.reason,
  ended: lease.ended
})

/**
 * Starts a stand-in, which runs until the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: ControllerTestOptions = {}
): Effect.Effect<Control, GrpcServer.GrpcServerError | GrpcStatusError, Scope.Scope> =>
  Effect.gen(function*() {
    const { listen, release = "0.9" } = options
    const observed = (options.latency ?? (listen === undefined ? "none" : "observed")) === "observed"
    const namespace = options.namespace ?? "lab"
    const scope = yield* Effect.scope
    const tokens = new Tokens()
    const registry = new Registry(namespace, {
      hidden: new Set(options.hiddenLabels),
      deprecated: options.deprecatedLabels ?? {}
    })
    const random = new PCGRandom(yield* Random.nextInt)
    const world = new World(registry, {
      observed,
      polls: release === "0.9",
      policies: (options.policies ?? []).map(policyOf),
      random: (count) => random.integer(count)
    })
    let warmAt = 0
    const start = (handlers: GrpcHandlers, address: string, where: GrpcServer.Listen | undefined) =>
      where === undefined ? processes.inMemory(handlers, address) : processes.onSocket(handlers, where)
    // Made now, it ends after whatever a test does next in the scope of this stand-in.
    const copying = yield* Scope.fork(scope, ExecutionStrategy.sequential)
    const routing = yield* start(router.make(tokens, copying), memoryAddresses.router, listen?.router)
    const parts: Parts = {
      release,
      observed,
      registry,
      world,
      tokens,
      authenticator: new identity.Authenticator(registry, tokens, () => warmAt),
      listeners: new Listeners(),
      routerEndpoint: routing.address
    }
    const controlling = yield* start(
      new Handlers([...clientService.make(parts), ...controllerService.make(parts), health.check]),
      memoryAddresses.controller,
      listen?.controller
    )
    yield* interruptible.forkScoped(world.run)

    const known = <A>(kind: UnknownObject["kind"], name: string, objects: ReadonlyMap<string, A>) =>
      Effect.suspend(() => {
        const object = objects.get(name)
        return object === undefined ? new UnknownObject({ kind, name }) : Effect.succeed(object)
      })
    const withLease = (name: string, change: (lease: leases.Lease, now: number) => void) =>
      Effect.zipWith(known("lease", name, world.leases), times.now, change)
    const withExporter = (name: string, change: (exporter: ExporterObject, now: number) => void) =>
      Effect.zipWith(known("exporter", name, registry.exporters), times.now, change)

    const issue = (
      kind: identity.Kind,
      object: { readonly name: string; readonly uid: string },
      now: number,
      claims?: TokenClaims
    ) => Redacted.make(tokens.issue(now, identity.subjectOf(kind, namespace, object), claims))

    const add = (kind: identity.Kind, make: () => { readonly name: string; readonly uid: string }) =>
      Effect.map(times.now, (now): Credentials => {
        const object = make()
        world.reconsider(now)
        return { kind, namespace, name: object.name, endpoint: controlling.address, token: issue(kind, object, now) }
      })

    const stop = (observed ? Effect.sleep(draining) : Effect.void).pipe(
      Effect.zipRight(controlling.down),
      Effect.zipRight(Effect.sync(() => world.pause()))
    )
    const started = Effect.zipRight(
      Effect.map(times.now, (now) => {
        warmAt = observed ? now + warmUp : 0
        world.resume(now)
      }),
      controlling.up
    )

    const control: Control = {
      namespace,
      controller: controlling.channel,
      router: routing.channel,
      routerEndpoint: routing.address,
      addClient: (name, { labels = {} } = {}) => add("Client", () => registry.addClient(name, labels)),
      addExporter: (name, { enabled = true, labels = {} } = {}) =>
        add("Exporter", () => registry.addExporter(name, labels, enabled)),
      token: ({ kind, name }, claims) =>
        Effect.zipWith(
          kind === "Client" ? known("client", name, registry.clients) : known("exporter", name, registry.exporters),
          times.now,
          (object, now) => issue(kind, object, now, claims)
        ),
      stop,
      start: started,
      restart: Effect.zipRight(stop, started),
      loseRouter: routing.down,
      restoreRouter: routing.up,
      takeOffline: (name) => withExporter(name, (exporter) => world.lose(exporter)),
      setEnabled: (name, enabled) =>
        withExporter(name, (exporter, now) => {
          exporter.enabled = enabled
          world.reconsider(now)
        }),
      remove: (name) =>
        withExporter(name, (_, now) => {
          registry.removeExporter(name)
          world.reconsider(now)
        }),
      expire: (name) => withLease(name, (lease, now) => world.expire(lease, now)),
      release: (name) => withLease(name, (lease, now) => world.release(lease, now)),
      transfer: (name, to) =>
        Effect.zipRight(
          known("client", to, registry.clients),
          withLease(name, (lease, now) => world.transfer(lease, to, now))
        ),
      leases: Effect.sync(() => Array.from(world.leases.values(), viewOf)),
      exporters: Effect.sync(() =>
        registry.all().map(({ devices, labels, message, name, online, status }) => ({
          name,
          labels,
          online,
          status,
          message,
          drivers: devices.length,
          lease: world.leaseOf(name)?.name
        }))
      ),
      holdings: Effect.sync(() => [...world.holdings])
    }
    return control
  })

/**
 * A stand-in for as long as the layer lives.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { ControllerTest } from "@effect-jumpstarter/core/testing"
 * import { Effect } from "effect"
 *
 * const test = Effect.gen(function*() {
 *   const lab = yield* ControllerTest.ControllerTest
 *   const alice = yield* lab.addClient("alice")
 *   yield* lab.addExporter("bench-1", { labels: { board: "rpi4" } })
 *   return alice.token // what a configuration file would hold
 * }).pipe(Effect.provide(ControllerTest.layer()))
 * ```
 */
export const layer = (
  options?: ControllerTestOptions
): Layer.Layer<ControllerTest, GrpcServer.GrpcServerError | GrpcStatusError> =>
  Layer.scoped(ControllerTest, make(options))
