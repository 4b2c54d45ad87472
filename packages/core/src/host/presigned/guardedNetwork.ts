// Networks that a request made on a client's behalf must not reach: this machine itself, its links, and the metadata
// services that return a cloud's credentials to any process on the machine.
import { BlockList, isIPv4, isIPv6 } from "node:net"
import { isLocalhost, withoutBrackets } from "../../grpc/hostPort.ts"

export type GuardedNetwork = "loopback" | "link-local" | "metadata"

const metadata = new BlockList()
// AWS, Azure, Google, Oracle, OpenStack and most others; credentials of containers and pods on AWS.
for (const address of ["169.254.169.254", "169.254.170.2", "169.254.170.23"]) metadata.addAddress(address, "ipv4")
// Alibaba, Azure's host agent, Oracle's former cloud.
for (const address of ["100.100.100.200", "168.63.129.16", "192.0.0.192"]) metadata.addAddress(address, "ipv4")
metadata.addSubnet("fd00:ec2::", 32, "ipv6")
// Google, Scaleway, OpenStack.
for (const address of ["fd20:ce::254", "fd00:42::42", "fe80::a9fe:a9fe"]) metadata.addAddress(address, "ipv6")

// Connecting to the unspecified address reaches this machine.
const loopback = new BlockList()
loopback.addSubnet("127.0.0.0", 8, "ipv4")
loopback.addSubnet("0.0.0.0", 8, "ipv4")
loopback.addAddress("::1", "ipv6")
loopback.addAddress("::", "ipv6")

const linkLocal = new BlockList()
linkLocal.addSubnet("169.254.0.0", 16, "ipv4")
linkLocal.addSubnet("fe80::", 10, "ipv6")

const kindOf = (address: string, family: "ipv4" | "ipv6"): GuardedNetwork | undefined =>
  metadata.check(address, family)
    ? "metadata"
    : loopback.check(address, family)
    ? "loopback"
    : linkLocal.check(address, family)
    ? "link-local"
    : undefined

// The eight groups of an IPv6 address; its last two may be written as an IPv4 address.
const groupsOf = (address: string): ReadonlyArray<number> => {
  const groups = address.replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, ...[a, b, c, d]: ReadonlyArray<string>) =>
      `${(Number(a) * 256 + Number(b)).toString(16)}:${(Number(c) * 256 + Number(d)).toString(16)}`
  )
  const [head, tail] = groups.split("::").map((part) => part === "" ? [] : part.split(":"))
  const given = [...head ?? [], ...tail ?? []]
  return [...head ?? [], ...new Array<string>(8 - given.length).fill("0"), ...tail ?? []].map((group) =>
    Number.parseInt(group, 16)
  )
}

const ipv4 = (high: number, low: number): string => `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`

// The IPv4 addresses that a network may reach behind an IPv6 address.
const within = (
  [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0]: ReadonlyArray<number>
): ReadonlyArray<string> => {
  const found: Array<string> = []
  // IPv4-compatible, -mapped and -translated addresses, and NAT64 with the well-known prefix.
  if ((a | b | c | d) === 0 && ((e === 0 && (f === 0 && g !== 0 || f === 0xff_ff)) || (e === 0xff_ff && f === 0))) {
    found.push(ipv4(g, h))
  }
  if (a === 0x64 && b === 0xff_9b && (c | d | e | f) === 0) found.push(ipv4(g, h))
  // NAT64 with a network's own prefix of 48, 64 or 96 bits (RFC 6052, 8215).
  if (a === 0x64 && b === 0xff_9b && c === 1) {
    found.push(ipv4(g, h), ipv4(d, (e & 255) << 8 | f >> 8), ipv4((e & 255) << 8 | f >> 8, (f & 255) << 8 | g >> 8))
  }
  // 6to4, Teredo with its server and its client, ISATAP.
  if (a === 0x20_02) found.push(ipv4(b, c))
  if (a === 0x20_01 && b === 0) found.push(ipv4(c, d), ipv4(g ^ 0xff_ff, h ^ 0xff_ff))
  if ((e & 0xfd_ff) === 0 && f === 0x5e_fe) found.push(ipv4(g, h))
  return found
}

/** Returns the guarded network that an address belongs to, if any, in every notation. */
export const guardedNetwork = (address: string): GuardedNetwork | undefined => {
  const bare = address.replace(/%.*$/s, "")
  if (isIPv4(bare)) return kindOf(bare, "ipv4")
  if (!isIPv6(bare)) return undefined
  const kind = kindOf(bare, "ipv6")
  if (kind !== undefined) return kind
  for (const inner of within(groupsOf(bare))) {
    const kind = kindOf(inner, "ipv4")
    if (kind !== undefined) return kind
  }
  return undefined
}

/** The same for the host of a URL. Other names are checked when they are resolved. */
export const guardedHost = (hostname: string): GuardedNetwork | undefined =>
  isLocalhost(hostname) ? "loopback" : guardedNetwork(withoutBrackets(hostname))
