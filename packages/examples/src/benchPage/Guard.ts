/**
 * Who may open the page. Any website that a browser shows can send requests to this machine, so the names in `Host` and `Origin` are
 * checked: a name that an attacker lets point to this machine is not among them.
 */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createHash, timingSafeEqual } from "node:crypto"
import { hostname, networkInterfaces } from "node:os"

export interface Access {
  /** The names under which the page may be opened, with their ports. */
  readonly hosts: ReadonlyArray<string>
  readonly token: Option.Option<Redacted.Redacted>
}

const local = ["localhost", "127.0.0.1", "::1"]

const namesOf = (listen: string): ReadonlyArray<string> =>
  isLocal(listen)
    ? local
    : listen === "0.0.0.0" || listen === "::"
    ? [hostname(), ...Object.values(networkInterfaces()).flatMap((addresses = []) => addresses), ...local].map((one) =>
      typeof one === "string" ? one : one.address
    )
    : [listen]

/** The names of a server that listens at an address, with its port. Browsers leave out port 80. */
export const hostsOf = (listen: string, port: number): ReadonlyArray<string> =>
  namesOf(listen).map((name) => name.includes(":") ? `[${name}]` : name).map((name) =>
    port === 80 ? name : `${name}:${port}`
  )

export const isLocal = (listen: string): boolean => local.includes(listen)

/** Why a request is refused; `undefined` when it is not. A page of another site is known by its origin. */
export const refusal = (
  { hosts }: Access,
  { host, origin }: { readonly host: string | undefined; readonly origin: string | undefined },
  isSocket: boolean
): string | undefined =>
  host === undefined || !hosts.includes(host)
    ? `the page is at ${hosts.join(" or ")}, not at ${host ?? "a host without a name"}`
    : isSocket && origin === undefined
    ? "the socket is for the page"
    : origin !== undefined && origin !== `http://${host}`
    ? `the page cannot be used from ${origin}`
    : undefined

const digest = (text: string) => createHash("sha256").update(text).digest()

/** Compares in a time that tells nothing about the token. */
export const opens = ({ token }: Access, given: Redacted.Redacted): boolean =>
  Option.match(token, {
    onNone: () => true,
    onSome: (token) => timingSafeEqual(digest(Redacted.value(token)), digest(Redacted.value(given)))
  })
