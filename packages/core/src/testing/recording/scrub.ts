// Removes secrets and values that differ between runs, in recordings and in the data compared with them.
import type * as Metadata from "../../grpc/Metadata.ts"
import type { JsonValue } from "../../protocol/ProtobufValue.ts"
import { pathOf } from "../driverNames.ts"
import type { Kind } from "../exporterCall.ts"
import { rewrite } from "./names.ts"

export interface Site {
  readonly kind: Kind
  readonly driver: string
  readonly method: string
}

export interface Scrub {
  readonly values: (value: JsonValue, site: Site & { readonly path: ReadonlyArray<string | number> }) => JsonValue
  readonly bytes: (bytes: Uint8Array, site: Site) => Uint8Array
}

const redacted = "[REDACTED]"

// A presigned request is a secret, because it works for everyone who knows it. It occurs as a resource (protocol.md
// 6.4), and as a result of a storage.
const isPresigned = ({ headers, kind, method, url }: { readonly [key: string]: JsonValue }): boolean =>
  kind === "presigned_request" ||
  typeof url === "string" && typeof method === "string" && typeof headers === "object" && headers !== null

// User information ends at the last @ of the authority. That place is unknown in a text that is not a valid HTTP URL,
// such as one with a slash in its password.
const withoutUser = (url: string): string =>
  URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
    ? url.replace(/^([^:/\\?#]*:[/\\\t\r\n]*)[^/\\?#]*@/, "$1")
    : url.includes("@")
    ? redacted
    : url

const presigned = (value: JsonValue): JsonValue => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value
  const handle = value as { readonly [key: string]: JsonValue }
  if (!isPresigned(handle)) return value
  const { headers, url } = handle
  return {
    ...handle,
    ...(typeof url === "string" ? { url: withoutUser(url).replace(/[?#].*$/s, `?${redacted}`) } : {}),
    ...(typeof headers === "object" && headers !== null
      ? { headers: Object.fromEntries(Object.keys(headers).map((name) => [name, redacted])) }
      : {})
  }
}

const siteOf = ({ driver, kind, method }: Site): Site => ({ kind, driver: pathOf(driver), method })

export const value = (scrub: Scrub, site: Site, value: JsonValue): JsonValue =>
  rewrite(value, (value, path) => scrub.values(presigned(value), { ...siteOf(site), path }))

export const args = (
  scrub: Scrub,
  call: Site & { readonly args: ReadonlyArray<JsonValue> }
): ReadonlyArray<JsonValue> => {
  const scrubbed = value(scrub, call, call.args)
  return Array.isArray(scrubbed) ? scrubbed : [scrubbed]
}

export const bytes = (scrub: Scrub, site: Site, bytes: Uint8Array): Uint8Array => scrub.bytes(bytes, siteOf(site))

// `author` is not a secret, `authorization` is.
const secret = /auth(?!or(?!i))|cookie|credential|passphrase|passw(or)?d|psk|secret|token|(api|private)[-_]?key/

const isSecret = (name: string): boolean => secret.test(name.toLowerCase())

// Methods of published drivers that return a secret, or take one by position.
const secretResults: ReadonlySet<string> = new Set(["get_default_user_pass", "get_ssh_identity"])
const secretArguments: ReadonlySet<string> = new Set(["flash_oci 3", "flash_oci_image 3"])

// The password of mitmproxy's web page, in the address that `start` and `status` return.
const tokenOfAddress = /([?&]token=)[^\s"'&]+/g

// The default: hides texts of a method or under a name, at any depth, that looks like the name of a secret, and tokens in addresses.
const values: Scrub["values"] = (value, { method, path }) =>
  typeof value !== "string"
    ? value
    : isSecret(method) || secretResults.has(method) || secretArguments.has(`${method} ${path[0]}`) ||
        path.some((name) => typeof name === "string" && isSecret(name))
    ? redacted
    : value.replace(tokenOfAddress, `$1${redacted}`)

export const of = (
  { scrub, scrubBytes }: {
    readonly scrub?: Scrub["values"] | undefined
    readonly scrubBytes?: Scrub["bytes"] | undefined
  }
): Scrub => ({ values: scrub ?? values, bytes: scrubBytes ?? ((bytes) => bytes) })

// Metadata that says nothing about the exporter and differs between runs.
const noise = /^(content-type|date|server|user-agent|te|trailer|grpc-.*)$/

export const metadata = (metadata: Metadata.Metadata): Record<string, string> =>
  Object.fromEntries(Array.from(metadata.entries).filter(([name]) => !secret.test(name) && !noise.test(name)))
