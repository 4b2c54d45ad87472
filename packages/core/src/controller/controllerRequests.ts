// What a client can ask of the controller. Controller re-exports it.
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Endpoint from "../grpc/Endpoint.ts"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import type * as GrpcChannel from "../transport/GrpcChannel.ts"
import type { ClientConfig } from "./ClientConfig.ts"
import type { ControllerError } from "./controllerError.ts"
import type { ExporterInfo, LeaseInfo } from "./records.ts"

/**
 * Which exporters are listed.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExporterQuery {
  /** A label selector, as in `board=rpi4,!broken`; all unless given. */
  readonly selector?: string | undefined
  /** Whether labels that the lab hides are shown. They can be selected by either way. */
  readonly hiddenLabels?: boolean | undefined
  /** How many are asked for at a time; 100 unless given. */
  readonly pageSize?: number | undefined
}

/**
 * Which leases are listed: those of the whole namespace, not only the client's own.
 *
 * @since 0.1.0
 * @category models
 */
export interface LeaseQuery {
  /** A selector over the `key=value` pairs of the leases' own selectors. A lease by the name of an exporter has none. */
  readonly selector?: string | undefined
  /** A selector over the leases' tags. */
  readonly tags?: string | undefined
  /** Whether those that are over are listed as well. */
  readonly ended?: boolean | undefined
  /** How many are asked for at a time; 100 unless given. */
  readonly pageSize?: number | undefined
}

/**
 * A lease to be made, of an exporter that a selector fits, of one by its name, or of one by its name if the selector fits.
 *
 * @since 0.1.0
 * @category models
 */
export interface NewLease {
  /** The name of the lease, which no other lease may have or have had; a random one unless given. */
  readonly name?: string | undefined
  readonly selector?: string | undefined
  readonly exporterName?: string | undefined
  /** In all, from the begin. */
  readonly duration: Duration.DurationInput
  /** When it begins, in whole seconds; at once unless given. */
  readonly beginTime?: DateTime.Utc | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** What the exporter gets to know, where the service is new enough. */
  readonly context?: Readonly<Record<string, string>> | undefined
  /** Whether a disabled exporter may be leased, by its name. */
  readonly allowDisabled?: boolean | undefined
}

/**
 * Where a router waits for this client, and the token for one connection there. What is trusted at the endpoint is what the
 * configuration says.
 *
 * @since 0.1.0
 * @category models
 */
export interface RouterAddress {
  readonly endpoint: Endpoint.Tcp | Endpoint.Tls
  readonly token: Redacted.Redacted
}

/**
 * The requests of a client to the controller. What passes by itself is tried again (see `ControllerReason`), for 30 seconds, and
 * `dial` for the `dialTimeout` of the configuration; `within` sets another bound. Requests that change something are safe to
 * repeat: one whose answer was lost is not carried out twice.
 *
 * @since 0.1.0
 * @category models
 */
export interface ControllerClient {
  readonly config: ClientConfig
  /** The controller's address. */
  readonly target: string
  /** The same requests, each with this much time. */
  readonly within: (bound: Duration.DurationInput) => ControllerClient
  /** The exporters of the namespace, by name. */
  readonly exporters: (query?: ExporterQuery) => Stream.Stream<ExporterInfo, ControllerError>
  readonly exporter: (name: string) => Effect.Effect<ExporterInfo, ControllerError>
  /** The leases of the namespace, by name. */
  readonly leases: (query?: LeaseQuery) => Stream.Stream<LeaseInfo, ControllerError>
  /** Any lease of the namespace. */
  readonly lease: (name: string) => Effect.Effect<LeaseInfo, ControllerError>
  /** Makes a lease. It has no conditions at first, and no exporter; `lease` says when it has. */
  readonly createLease: (lease: NewLease) => Effect.Effect<LeaseInfo, ControllerError>
  /**
   * Adds to the duration of a lease, as it is now. Fails with `Ended` for one that is over, which the controller would take and do
   * nothing about, and with `NotExtendable` for one with a fixed end.
   */
  readonly extendLease: (name: string, by: Duration.DurationInput) => Effect.Effect<LeaseInfo, ControllerError>
  /** Takes from the duration of a lease, as it is now. One that has already run for longer ends at once. */
  readonly shortenLease: (name: string, by: Duration.DurationInput) => Effect.Effect<LeaseInfo, ControllerError>
  /** Gives a lease that has begun to another client of the namespace, from now on. */
  readonly transferLease: (name: string, client: string) => Effect.Effect<LeaseInfo, ControllerError>
  /** Releases a lease. Fails with `AlreadyReleased` the second time. */
  readonly deleteLease: (name: string) => Effect.Effect<void, ControllerError>
  /** Gets a new token, uses it from now on, and keeps it where the old one came from. The old one stays valid. */
  readonly rotateToken: Effect.Effect<
    { readonly token: Redacted.Redacted; readonly expires: Option.Option<DateTime.Utc> },
    ControllerError
  >
  /**
   * Has the exporter of a lease wait at a router. The controller looks neither at the end of the lease nor at whether the exporter
   * is alive.
   */
  readonly dial: (lease: string) => Effect.Effect<RouterAddress, ControllerError>
  /**
   * Opens a channel to a router that `dial` has named. The token of the dial is not part of it: several connections can share the
   * channel.
   */
  readonly router: (
    endpoint: RouterAddress["endpoint"]
  ) => Effect.Effect<GrpcChannel.Channel, GrpcStatusError, Scope.Scope>
}
