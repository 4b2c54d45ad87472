// Checks hosts and ports as people write them. Node throws on some invalid hosts, and treats an empty host as this machine.
import * as Either from "effect/Either"
import { BlockList, isIP, isIPv6 } from "node:net"

export interface HostPort {
  readonly host: string
  readonly port: number
}

const maxPort = 65_535

// An IPv6 address may end with the interface it belongs to, such as %eth0.
const withoutZone = (host: string): string => {
  const zone = /^([^%]+)%[^\s%/[\]]+$/.exec(host)
  return zone?.[1] !== undefined && isIPv6(zone[1]) ? zone[1] : host
}

// URLs put IPv6 addresses in brackets.
export const withoutBrackets = (host: string): string => host.replace(/^\[(.*)\]$/, "$1")

export const isAddress = (host: string): boolean => isIP(withoutZone(host)) !== 0

// The server name that a TLS client sends. It must not be an IP address.
export const serverName = (host: string): { readonly servername?: string } =>
  isAddress(host) ? {} : { servername: host }

// The host as URLs and HTTP write it, without a zone.
export const inUrl = (host: string): string => {
  const address = withoutZone(host)
  return address.includes(":") ? `[${address}]` : address
}

// Port 0 lets the system choose, for listening only.
const portProblem = (port: number, lowest: 0 | 1 = 1): string | undefined =>
  Number.isInteger(port) && port >= lowest && port <= maxPort
    ? undefined
    : `${port} is not a port; a port is a whole number from ${lowest} to ${maxPort}`

export const hostProblem = (host: string): string | undefined => {
  // JavaScript programs and unset environment variables can pass no host at all.
  if (typeof host !== "string" || host === "") return "the host is missing"
  if (isAddress(host)) return undefined
  const bracketed = /^\[(.*)\]$/.exec(host)?.[1]
  if (bracketed !== undefined && isAddress(bracketed)) return `write the host without brackets: ${bracketed}`
  const shown = JSON.stringify(host)
  if (host.includes(":")) return `${shown} is not an IPv6 address`
  if (host.length > 253) return "the host name is longer than 253 characters"
  // A name that URLs refuse, such as 300.1.1.1, does not work with HTTP/2 either.
  return /^[\p{L}\p{M}\p{N}._-]+$/u.test(host) && URL.canParse(`http://${host}/`)
    ? undefined
    : `${shown} is neither a host name nor an IP address`
}

export const problem = ({ host, port }: HostPort, lowest: 0 | 1 = 1): string | undefined =>
  hostProblem(host) ?? portProblem(port, lowest)

// Formats invalid hosts and ports too, because errors show them.
export const format = ({ host, port }: HostPort): string => `${/:/.test(host) ? `[${host}]` : host}:${port}`

// The address that a server listens on, for errors and logs.
export const formatListen = (listen: { readonly path: string } | HostPort): string =>
  "path" in listen ? listen.path : format(listen)

// Parses `host:port` or `[host]:port`. As in Python, the last colon of an IPv6 address without brackets begins the port.
export const parse = (text: string): Either.Either<HostPort, string> => {
  // The last group of an IPv6 address without brackets looks like a port.
  const isHost = isIPv6(text) && !text.includes("%")
  const found = /^\[([^\]]*)\](?::(.*))?$/s.exec(text) ?? /^(.*):([^:]*)$/s.exec(text)
  const host = found?.[1]
  const digits = found?.[2]
  if (host === undefined || digits === undefined || isHost && !isIPv6(host)) {
    const example = isHost ? format({ host: text, port: 8090 }) : `${text}:8090`
    return Either.left(`the port is missing; write ${example}`)
  }
  if (digits === "") return Either.left("the port is missing after the colon")
  if (!/^\d+$/.test(digits)) {
    return Either.left(`${JSON.stringify(digits)} is not a port; a port is a whole number from 1 to ${maxPort}`)
  }
  if (text.startsWith("[") && !isIPv6(withoutZone(host))) {
    return Either.left(
      host === "" ? "the host is missing" : `${JSON.stringify(host)} in brackets is not an IPv6 address`
    )
  }
  const read = { host, port: Number(digits) }
  const reason = problem(read)
  return reason === undefined ? Either.right(read) : Either.left(reason)
}

// Whether a name is localhost or below it (RFC 6761).
export const isLocalhost = (host: string): boolean => /^(.+\.)?localhost\.?$/i.test(host)

const loopback = new BlockList()
loopback.addSubnet("127.0.0.0", 8, "ipv4")
loopback.addAddress("::1", "ipv6")

// Whether only this machine can connect to a server on this host.
export const isLoopback = (host: string): boolean => {
  const address = withoutZone(host)
  const version = isIP(address)
  return version === 0 ? isLocalhost(host) : loopback.check(address, version === 4 ? "ipv4" : "ipv6")
}
