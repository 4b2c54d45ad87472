/**
 * A network of its own for a device, with DHCP, DNS and NAT: `jumpstarter_driver_dut_network` (`protocol.md` 14.3).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"

/**
 * An address that the DHCP server gave to a device.
 *
 * @since 0.1.0
 * @category schemas
 */
export const DhcpLease = Schema.Struct({
  mac: Schema.String,
  ip: Schema.String,
  hostname: Schema.String,
  /** When the lease ends, in seconds since 1970; 0 if it does not end. */
  expiry: Schema.Int
})

/**
 * @since 0.1.0
 * @category models
 */
export interface DhcpLease extends Schema.Schema.Type<typeof DhcpLease> {}

/**
 * A name that the DNS server answers with an address.
 *
 * @since 0.1.0
 * @category schemas
 */
export const DnsEntry = Schema.Struct({ hostname: Schema.String, ip: Schema.String })

/**
 * @since 0.1.0
 * @category models
 */
export interface DnsEntry extends Schema.Schema.Type<typeof DnsEntry> {}

/**
 * The state of the network. `upstream` is the exporter's interface to the outside.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Status = Schema.Struct({
  interface_status: Schema.Struct({
    name: Schema.String,
    exists: Schema.Boolean,
    addresses: Schema.Array(Schema.String)
  }),
  interface: Schema.String,
  upstream: Schema.NullOr(Schema.String),
  subnet: Schema.String,
  nat_mode: Schema.Literal("masquerade", "1to1", "disabled", "none"),
  dhcp_enabled: Schema.Boolean,
  leases: Schema.Array(DhcpLease),
  dns_entries: Schema.Array(DnsEntry),
  /** The rules, in the language of nftables. */
  nat_rules: Schema.String
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Status extends Schema.Schema.Type<typeof Status> {}

const optionalText = DriverMethod.optional(Schema.String)
const noText = DriverMethod.optional(Schema.String, { fallback: "" })

/**
 * The contract.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { DutNetwork } from "@effect-jumpstarter/core/drivers"
 * import { Effect, Stream } from "effect"
 *
 * class BoardNetwork extends Device.Tag("acme/BoardNetwork", DutNetwork.contract)<BoardNetwork>() {}
 *
 * const firstPackets = Effect.gen(function*() {
 *   const network = yield* BoardNetwork
 *   yield* network.add_dns_entry("update.example", "192.168.100.1")
 *   return yield* DutNetwork.capture(network, { filter: "udp port 53" }).pipe(Stream.take(3), Stream.runCollect)
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_dut_network.client.DutNetworkClient", {
  /** The interface, the leases, the names and the rules of the network. */
  status: DriverMethod.call({
    result: Status,
    effect: "read",
    documentation: "The interface, the leases, the names and the rules of the network.",
    idempotent: true
  }),
  /** Whether the network has a time server, and whether it runs. */
  ntp_status: DriverMethod.call({
    result: Schema.Struct({ enabled: Schema.Boolean, running: Schema.Boolean }),
    effect: "read",
    documentation: "Whether the network has a time server, and whether it runs.",
    idempotent: true
  }),
  /** The address of the device with a MAC address; null if it has none yet. */
  get_dut_ip: DriverMethod.call({
    args: DriverMethod.named((mac = Schema.String) => [mac]),
    result: Schema.NullOr(Schema.String),
    effect: "read",
    documentation: "The address of the device with a MAC address; null if it has none yet.",
    idempotent: true
  }),
  /** The addresses that the DHCP server has given. */
  get_leases: DriverMethod.call({
    result: Schema.Array(DhcpLease),
    effect: "read",
    documentation: "The addresses that the DHCP server has given.",
    idempotent: true
  }),
  /** Reserves an address, for a MAC address if there is one. The public address is for NAT of the mode 1to1. */
  add_address: DriverMethod.call({
    args: DriverMethod.named((ip = Schema.String, mac = optionalText, hostname = noText, publicIp = optionalText) => [
      ip,
      mac,
      hostname,
      publicIp
    ]),
    documentation:
      "Reserves an address, for a MAC address if there is one. The public address is for NAT of the mode 1to1.",
    idempotent: true
  }),
  /** Frees an address. */
  remove_address: DriverMethod.call({
    args: DriverMethod.named((ip = Schema.String) => [ip]),
    documentation: "Frees an address.",
    idempotent: true
  }),
  /** The rules of the network, in the language of nftables. */
  get_nat_rules: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "The rules of the network, in the language of nftables.",
    idempotent: true
  }),
  /** The names that the DNS server answers for itself. */
  get_dns_entries: DriverMethod.call({
    result: Schema.Array(DnsEntry),
    effect: "read",
    documentation: "The names that the DNS server answers for itself.",
    idempotent: true
  }),
  /** Gives an address to a name. */
  add_dns_entry: DriverMethod.call({
    args: DriverMethod.named((hostname = Schema.String, ip = Schema.String) => [hostname, ip]),
    documentation: "Gives an address to a name.",
    idempotent: true
  }),
  /** Removes a name. */
  remove_dns_entry: DriverMethod.call({
    args: DriverMethod.named((hostname = Schema.String) => [hostname]),
    documentation: "Removes a name.",
    idempotent: true
  }),
  /** Runs tcpdump on the device's interface, and streams the lines that it prints. Options that name an interface or a file are dropped. */
  tcpdump: DriverMethod.streamingCall({
    args: DriverMethod.named((args = DriverMethod.optional(Schema.Array(Schema.String))) => [args]),
    item: Schema.String,
    effect: "read",
    documentation:
      "Runs tcpdump on the device's interface, and streams the lines that it prints. Options that name an interface or a file are dropped."
  })
}, { driverType: "network" })

/**
 * The client of a device's network.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface CaptureOptions {
  /** An expression in the language of pcap, such as `udp port 53`; without it, all packets. */
  readonly filter?: string | undefined
  /** Whether addresses are shown as names. False by default, because looking names up takes time and makes packets. */
  readonly names?: boolean | undefined
}

/**
 * Streams the packets in a device's network, as tcpdump prints them, without tcpdump's lines about itself. The
 * stream does not end by itself; when its reader stops, so does tcpdump. The exporter's configuration must have
 * `enable_tcpdump: true`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const capture = (
  network: Pick<Client, "tcpdump">,
  options: CaptureOptions = {}
): Stream.Stream<string, DriverCallError> =>
  Stream.filter(
    callers.on(callers.of(), () =>
      network.tcpdump([
        ...options.names === true ? [] : ["-n"],
        ...options.filter === undefined ? [] : ["--", options.filter]
      ])),
    (line) => !/^(tcpdump: |listening on |\d+ packets? )/.test(line)
  )
