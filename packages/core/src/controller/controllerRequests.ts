// The requests of a client to the controller. Controller re-exports the types.
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
 * The exporters to list.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExporterQuery {
  /** A label selector, such as `board=rpi4,!broken`; all exporters unless given. */
  readonly selector?: string | undefined
  /** Whether to return labels that the lab hides. A selector can use them in any case. */
  readonly hiddenLabels?: boolean | undefined
  /** How many one request returns at most; 100 unless given. */
  readonly pageSize?: number | undefined
}

/**
 * The leases to list, of all clients of the namespace.
 *
 * @since 0.1.0
 * @category models
 */
export interface LeaseQuery {
  /** A selector on the `key=value` pairs of the leases' own selectors. A lease of an exporter by name has none. */
  readonly selector?: string | undefined
  /** A selector on the leases' tags. */
  readonly tags?: string | undefined
  /** Whether to list ended leases too. */
  readonly ended?: boolean | undefined
  /** How many one request returns at most; 100 unless given. */
  readonly pageSize?: number | undefined
}

/**
 * A lease to create: of any exporter that matches a selector, of an exporter by name, or of an exporter by name that must match the
 * selector.
 *
 * @since 0.1.0
 * @category models
 */
export interface NewLease {
  /** The name of the lease, which no other lease may have or have had; a random name unless given. */
  readonly name?: string | undefined
  readonly selector?: string | undefined
  readonly exporterName?: string | undefined
  /** The whole duration, from the begin time. */
  readonly duration: Duration.DurationInput
  /** When the lease begins, in whole seconds; at once unless given. */
  readonly beginTime?: DateTime.Utc | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** Values for the exporter, if the service is new enough. */
  readonly context?: Readonly<Record<string, string>> | undefined
  /** Whether to lease the exporter even if it is disabled; only by name. */
  readonly allowDisabled?: boolean | undefined
}

/**
 * The router at which the exporter waits, and the token for one connection. The configuration determines the trust of the endpoint.
 *
 * @since 0.1.0
 * @category models
 */
export interface RouterAddress {
  readonly endpoint: Endpoint.Tcp | Endpoint.Tls
  readonly token: Redacted.Redacted
}

/**
 * The requests of a client to the controller. A request retries transient failures (see `ControllerReason`) for 30 seconds, `dial` for
 * the `dialTimeout` of the configuration; `within` sets another bound. A request that changes something is not carried out twice when
 * its answer was lost.
 *
 * @since 0.1.0
 * @category models
 */
export interface ControllerClient {
  readonly config: ClientConfig
  /** The controller's address. */
  readonly target: string
  /** Returns the same requests with this time limit for each. */
  readonly within: (bound: Duration.DurationInput) => ControllerClient
  /** The exporters of the namespace, in the order of their names. */
  readonly exporters: (query?: ExporterQuery) => Stream.Stream<ExporterInfo, ControllerError>
  readonly exporter: (name: string) => Effect.Effect<ExporterInfo, ControllerError>
  /** The leases of the namespace, in the order of their names. */
  readonly leases: (query?: LeaseQuery) => Stream.Stream<LeaseInfo, ControllerError>
  /** Returns any lease of the namespace. */
  readonly lease: (name: string) => Effect.Effect<LeaseInfo, ControllerError>
  /** Creates a lease. It has no conditions and no exporter at first; `lease` returns them later. */
  readonly createLease: (lease: NewLease) => Effect.Effect<LeaseInfo, ControllerError>
  /**
   * Adds to the current duration of a lease. Fails with `Ended` when the lease has ended, because the controller would accept the
   * change and ignore it, and with `NotExtendable` when the lease has a fixed end.
   */
  readonly extendLease: (name: string, by: Duration.DurationInput) => Effect.Effect<LeaseInfo, ControllerError>
  /** Subtracts from the current duration of a lease. A lease that has already run for longer ends at once. */
  readonly shortenLease: (name: string, by: Duration.DurationInput) => Effect.Effect<LeaseInfo, ControllerError>
  /** Transfers a lease that has begun to another client of the namespace. */
  readonly transferLease: (name: string, client: string) => Effect.Effect<LeaseInfo, ControllerError>
  /** Releases a lease. Fails with `AlreadyReleased` the second time. */
  readonly deleteLease: (name: string) => Effect.Effect<void, ControllerError>
  /** Requests a new token, uses it from now on, and stores it where the old one came from. The old token stays valid. */
  readonly rotateToken: Effect.Effect<
    { readonly token: Redacted.Redacted; readonly expires: Option.Option<DateTime.Utc> },
    ControllerError
  >
  /**
   * Makes the exporter of a lease wait at a router. The controller checks neither whether the lease has ended nor whether the exporter
   * is alive.
   */
  readonly dial: (lease: string) => Effect.Effect<RouterAddress, ControllerError>
  /**
   * Opens a channel to a router that `dial` returned. The channel does not use the token of the dial, so several connections can share
   * it.
   */
  readonly router: (
    endpoint: RouterAddress["endpoint"]
  ) => Effect.Effect<GrpcChannel.Channel, GrpcStatusError, Scope.Scope>
}
