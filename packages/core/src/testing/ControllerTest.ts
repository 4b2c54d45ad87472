/**
 * A stand-in for a Jumpstarter service: a controller with clients, exporters and leases, and the router that pairs the two ends
 * of a tunnel. It answers with the codes, texts and conditions of the real ones, and checks in their order. It runs in memory on the
 * test's clock, or on sockets for other programs.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { PCGRandom } from "effect/Utils"
import type { ExporterConnection } from "../client/ExporterConnection.ts"
import type * as ClientConfig from "../controller/ClientConfig.ts"
import { Controller, type ControllerClient, type ControllerError } from "../controller/Controller.ts"
import * as ExporterConfig from "../controller/ExporterConfig.ts"
import type { GrpcHandlers } from "../grpc/GrpcHandler.ts"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import type * as Driver from "../host/Driver.ts"
import type * as Exporter from "../host/Exporter.ts"
import * as ExporterRegistration from "../registration/ExporterRegistration.ts"
import type * as GrpcChannel from "../transport/GrpcChannel.ts"
import type * as GrpcServer from "../transport/GrpcServer.ts"
import * as interruptible from "../util/interruptible.ts"
import { type AccessPolicy, toPolicy } from "./controller/accessPolicy.ts"
import * as clients from "./controller/client.ts"
import * as clientService from "./controller/clientService.ts"
import * as controllerService from "./controller/controllerService.ts"
import * as health from "./controller/health.ts"
import * as identity from "./controller/identity.ts"
import type * as leases from "./controller/lease.ts"
import type { Parts, Release } from "./controller/parts.ts"
import * as processes from "./controller/process.ts"
import { type ExporterObject, Registry } from "./controller/registry.ts"
import * as router from "./controller/router.ts"
import { Handlers } from "./controller/serve.ts"
import * as times from "./controller/times.ts"
import { type TokenClaims, Tokens } from "./controller/tokens.ts"
import { Listeners } from "./controller/tunnels.ts"
import { known, UnknownObject } from "./controller/unknownObject.ts"
import * as views from "./controller/views.ts"
import { type Holding, World } from "./controller/world.ts"

export type { ExporterView, LeaseView } from "./controller/views.ts"
export { type AccessPolicy, type Holding, type TokenClaims, UnknownObject }

/**
 * Options of an exporter that hosts drivers.
 *
 * @since 0.1.0
 * @category models
 */
export interface HostOptions<H = never>
  extends Omit<ExporterRegistration.RegistrationOptions<never, never, never, H>, "drivers">
{
  /** The labels by which clients select it. */
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** Whether it can be leased; true unless given. */
  readonly enabled?: boolean | undefined
  /** Whether this program's own loggers also get what drivers and hooks log; false unless given. */
  readonly localLogs?: boolean | undefined
}

/**
 * The options of a stand-in.
 *
 * @since 0.1.0
 * @category models
 */
export interface ControllerTestOptions {
  /** The namespace of the clients, exporters and leases; `lab` by default. */
  readonly namespace?: string | undefined
  /**
   * With `observed` the controller takes as long as a real one: it checks waiting leases once a second, a dial checks its exporter
   * again after half a second and then less often, a controller that stops keeps serving for 30 seconds, and one that starts refuses
   * every token for 10 seconds. With `none` all of these are immediate. Codes and texts are the same. `none` by default in memory,
   * `observed` by default on sockets.
   */
  readonly latency?: "none" | "observed" | undefined
  /** The release of the controller: that of the published Python packages, or upstream's main branch; `0.9` by default. */
  readonly release?: Release | undefined
  /** Restrict which clients may lease which exporters; none by default. */
  readonly policies?: ReadonlyArray<AccessPolicy> | undefined
  /** Labels of exporters that are shown only to clients that ask for hidden labels. Filters always match them. */
  readonly hiddenLabels?: ReadonlyArray<string> | undefined
  /** Deprecated labels of exporters, each with a note. They are hidden as well, and listed with their notes in a separate field. */
  readonly deprecatedLabels?: Readonly<Record<string, string>> | undefined
  /** Where to serve the controller and the router to other programs; in memory by default. */
  readonly listen?: { readonly controller: GrpcServer.Listen; readonly router: GrpcServer.Listen } | undefined
}

/**
 * Identifies a client or an exporter: the values of its configuration file.
 *
 * @since 0.1.0
 * @category models
 */
export interface Credentials {
  readonly kind: identity.Kind
  readonly namespace: string
  readonly name: string
  /** The address of the controller. In memory nothing can connect to it. */
  readonly endpoint: string
  readonly token: Redacted.Redacted
}

/**
 * Controls and observes a stand-in.
 *
 * @since 0.1.0
 * @category models
 */
export interface Control {
  readonly namespace: string
  /** Reaches the controller. The metadata of each RPC identifies its caller. */
  readonly controller: GrpcChannel.Channel
  /** Reaches the router, whatever address a dial returns. */
  readonly router: GrpcChannel.Channel
  /** The address that a dial returns. */
  readonly routerEndpoint: string
  /** Adds a client. It replaces one of the same name, whose tokens are refused from then on. */
  readonly addClient: (
    name: string,
    options?: { readonly labels?: Readonly<Record<string, string>> | undefined }
  ) => Effect.Effect<Credentials>
  /** Adds an exporter that has never connected. Like `addClient`, it replaces one of the same name. */
  readonly addExporter: (
    name: string,
    options?: {
      readonly labels?: Readonly<Record<string, string>> | undefined
      readonly enabled?: boolean | undefined
    }
  ) => Effect.Effect<Credentials>
  /**
   * Adds an exporter that lends these drivers, and runs it until the scope closes, as `ExporterRegistration.make` does. It is online when
   * this returns. Drivers that come from an effect are made anew for each lease.
   */
  readonly hostExporter: <Child extends Driver.Driver<unknown> = never, E = never, R = never, H = never>(
    name: string,
    drivers: Readonly<Record<string, Child>> | Effect.Effect<Readonly<Record<string, Child>>, E, R>,
    options?: HostOptions<H>
  ) => Effect.Effect<
    ExporterRegistration.Registration,
    E | Exporter.ResetError | ControllerError,
    | Driver.Services<Child>
    | Exclude<H, ExporterConnection | ExporterRegistration.CurrentLease | Scope.Scope>
    | Exclude<R, Scope.Scope>
    | Scope.Scope
  >
  /** Returns the identity of an exporter that was added, for `ExporterRegistration`. Its RPCs go over `controller` and `router`. */
  readonly identityOf: (
    exporter: Credentials
  ) => Either.Either<ExporterRegistration.IdentityService, ExporterConfig.ExporterConfigError>
  /** Returns the requests of a client that was added. They go over `controller` and `router`, so no certificates are needed. */
  readonly controllerOf: (
    client: Credentials
  ) => Effect.Effect<ControllerClient, ClientConfig.ClientConfigError, Scope.Scope>
  /** Issues another token for a client or an exporter. `claims` replace those that the controller would set. */
  readonly token: (credentials: Credentials, claims?: TokenClaims) => Effect.Effect<Redacted.Redacted, UnknownObject>
  /**
   * Stops the controller as its cluster does: its streams end, with `latency: "observed"` after 30 seconds in which it keeps serving.
   * While it is down, no lease starts or expires.
   */
  readonly stop: Effect.Effect<void>
  /** Starts a stopped controller. It keeps its objects, but exporters have to listen again. */
  readonly start: Effect.Effect<void, GrpcServer.GrpcServerError>
  /** Stops the controller and starts it again. */
  readonly restart: Effect.Effect<void, GrpcServer.GrpcServerError>
  /** Ends the router and all tunnels. */
  readonly loseRouter: Effect.Effect<void>
  /** Starts the router again. */
  readonly restoreRouter: Effect.Effect<void, GrpcServer.GrpcServerError>
  /** Marks an exporter as offline, as if its connection had been lost for a minute. The exporter's next contact ends that. */
  readonly takeOffline: (exporter: string) => Effect.Effect<void, UnknownObject>
  /** Enables or disables an exporter for new leases. Its current lease continues. */
  readonly setEnabled: (exporter: string, enabled: boolean) => Effect.Effect<void, UnknownObject>
  /** Deletes an exporter as an administrator does. Its tokens are refused from then on. */
  readonly remove: (exporter: string) => Effect.Effect<void, UnknownObject>
  /** Ends a lease as if it had expired. */
  readonly expire: (lease: string) => Effect.Effect<void, UnknownObject>
  /** Ends a lease as if its client had deleted it. */
  readonly release: (lease: string) => Effect.Effect<void, UnknownObject>
  /** Transfers a lease to another client. */
  readonly transfer: (lease: string, client: string) => Effect.Effect<void, UnknownObject>
  /** All leases, the ended ones too, in the order of their creation. */
  readonly leases: Effect.Effect<ReadonlyArray<views.LeaseView>>
  /** All exporters, in the order of their names. */
  readonly exporters: Effect.Effect<ReadonlyArray<views.ExporterView>>
  /** Which client held which exporter and when, in the order in which the periods began. */
  readonly holdings: Effect.Effect<ReadonlyArray<Holding>>
}

/**
 * The stand-in that `layer` provides.
 *
 * @since 0.1.0
 * @category tags
 */
export class ControllerTest extends Context.Tag("@effect-jumpstarter/core/testing/ControllerTest")<
  ControllerTest,
  Control
>() {}

// How long a controller that stops keeps serving.
const draining = "30 seconds"

// For how many milliseconds a controller that has started refuses tokens.
const warmUp = 10_000

// In memory no program resolves these.
const memoryAddresses = { controller: "controller.memory:443", router: "router.memory:443" }

// How many RPCs a connection can have open. The real router has no limit.
const streamLimits = { controller: 250, router: 2 ** 32 - 1 }

/**
 * Starts a stand-in that runs until the scope closes.
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
      policies: (options.policies ?? []).map(toPolicy),
      random: (count) => random.integer(count)
    })
    let warmAt = 0
    const start = (service: keyof typeof memoryAddresses, handlers: GrpcHandlers) =>
      listen === undefined
        ? processes.inMemory(handlers, memoryAddresses[service])
        : processes.onSocket(handlers, listen[service], streamLimits[service])
    // A scope that is made now closes after everything that a test adds to the scope of this stand-in.
    const copying = yield* Scope.fork(scope, ExecutionStrategy.sequential)
    const routing = yield* start("router", router.make(tokens, copying))
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
      "controller",
      new Handlers([...clientService.make(parts), ...controllerService.make(parts), health.check])
    )
    yield* interruptible.forkScoped(world.run)

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
      hostExporter: (name, drivers, { enabled, labels, ...options } = {}) =>
        Effect.flatMap(control.addExporter(name, { enabled, labels }), (credentials) =>
          Effect.provideServiceEffect(
            ExporterRegistration.make({ localLogs: false, ...options, drivers }),
            ExporterRegistration.Identity,
            // The stand-in's own values are valid.
            Effect.orDie(control.identityOf(credentials))
          )),
      identityOf: ({ endpoint, name, namespace, token }) =>
        Either.map(ExporterConfig.make({ namespace, name, endpoint, token }), (config) => ({
          config,
          controller: controlling.channel,
          router: () => Effect.succeed(routing.channel)
        })),
      controllerOf: (client) => clients.make({ ...client, controller: controlling.channel, router: routing.channel }),
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
      leases: Effect.map(times.now, (now) =>
        Array.from(world.leases.values(), (lease) => {
          world.refresh(lease, now)
          return views.ofLease(lease)
        })),
      exporters: Effect.sync(() =>
        registry.all().map((exporter) => views.ofExporter(exporter, world.leaseOf(exporter.name)))
      ),
      holdings: Effect.sync(() => [...world.holdings])
    }
    return control
  })

/**
 * @since 0.1.0
 * @category models
 */
export interface LayerOptions extends ControllerTestOptions {
  /** The name of the client whose `Controller` the layer provides; `client` unless given. */
  readonly client?: string | undefined
}

/**
 * Provides a stand-in that runs as long as the layer, and the `Controller` of one of its clients, with which programs lease exporters.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Driver, ExporterConnection, Lease } from "@effect-jumpstarter/core"
 * import { ControllerTest } from "@effect-jumpstarter/core/testing"
 * import { Effect } from "effect"
 *
 * const power = Driver.make({
 *   client: "jumpstarter_driver_power.client.PowerClient",
 *   methods: { on: Driver.call(() => Effect.void) }
 * })
 *
 * const powerOn = Effect.gen(function*() {
 *   const client = yield* ExporterConnection.driver("power")
 *   yield* client.call("on")
 * }).pipe(Effect.provide(Lease.layer({ selector: "board=rpi4", duration: "30 minutes" })))
 *
 * const test = Effect.gen(function*() {
 *   const lab = yield* ControllerTest.ControllerTest
 *   yield* lab.hostExporter("bench-1", { power }, { labels: { board: "rpi4" } })
 *   yield* powerOn
 *   return yield* lab.leases // one, which has ended
 * }).pipe(Effect.scoped, Effect.provide(ControllerTest.layer()))
 * ```
 */
export const layer = (
  { client = "client", ...options }: LayerOptions = {}
): Layer.Layer<
  Controller | ControllerTest,
  GrpcServer.GrpcServerError | GrpcStatusError | ClientConfig.ClientConfigError
> =>
  Layer.scopedContext(Effect.gen(function*() {
    const lab = yield* make(options)
    const controller = yield* lab.controllerOf(yield* lab.addClient(client))
    return Context.make(ControllerTest, lab).pipe(Context.add(Controller, controller))
  }))
