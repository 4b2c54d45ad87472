// The URL of a request, sent as it was written: a signature covers each of its bytes. `URL` rewrites `'`, `\`, `%2E%2E` and
// more, so it is used only to read the host and the port.
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"

export interface RequestUrl {
  /** As `URL` parses it. */
  readonly url: URL
  /** The path as it is sent. */
  readonly path: string
  /** The query as it is sent, with its question mark, or empty. */
  readonly query: string
  /** The user information, as a header. */
  readonly authorization: string | undefined
}

// An authority ends where RFC 3986 says. `URL` also ends it at a backslash. Text that two parsers read as different hosts
// is refused.
const form = /^https?:\/\/([^/?#\\]+)((?:\/[^?#]*)?)((?:\?[^#]*)?)(?:#.*)?$/i

const hex = (bytes: Iterable<number>): string =>
  Array.from(bytes, (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("")

const utf8 = new TextEncoder()

// HTTP allows only ASCII without spaces here.
const encoded = (text: string): string => text.replaceAll(/[^!-~]+/g, (part) => hex(utf8.encode(part)))

// User information is malformed if its percent-encoding is not valid text.
const basic = (user: string): string | undefined => {
  try {
    const colon = user.indexOf(":")
    const [name, password] = colon < 0 ? [user, ""] : [user.slice(0, colon), user.slice(colon + 1)]
    return `Basic ${Encoding.encodeBase64(`${decodeURIComponent(name)}:${decodeURIComponent(password)}`)}`
  } catch {
    return undefined
  }
}

/** Parses a URL, or returns what is wrong with it. */
export const parse = (text: string): Either.Either<RequestUrl, string> => {
  // eslint-disable-next-line no-control-regex -- the code looks for them
  if (/[\0-\x1f\x7f]/.test(text)) return Either.left("has a line break or another control character")
  if (text !== text.trim()) return Either.left("begins or ends with a space")
  const [, authority = "", path = "", query = ""] = form.exec(text) ?? []
  const at = authority.lastIndexOf("@")
  if (authority.length === at + 1 || !URL.canParse(text)) return Either.left("is not an http or https URL")
  const user = authority.slice(0, Math.max(at, 0))
  const authorization = user === "" ? undefined : basic(user)
  if (user !== "" && authorization === undefined) return Either.left("has malformed user information")
  return Either.right({
    url: new URL(text),
    path: path === "" ? "/" : encoded(path),
    query: encoded(query),
    authorization
  })
}

/** The URL as it is sent, without user information and fragment. */
export const format = ({ path, query, url }: RequestUrl): string => `${url.origin}${path}${query}`

/** For error messages: the query of a presigned URL is its signature. */
export const redacted = ({ path, query, url }: RequestUrl): string =>
  `${url.origin}${path}${query === "" ? "" : "?[REDACTED]"}`

// The header has bytes, and servers send UTF-8 in it.
const locationText = (location: string): string => {
  if (/[^\0-\xff]/.test(location)) return location
  const bytes = Uint8Array.from(location, (char) => char.charCodeAt(0))
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    return location.replaceAll(/[\x80-\xff]/g, (char) => hex([char.charCodeAt(0)]))
  }
}

const withoutDots = (path: string): string => {
  const kept: Array<string> = []
  const segments = path.slice(1).split("/")
  for (const [index, segment] of segments.entries()) {
    if (segment === "..") kept.pop()
    else if (segment !== ".") kept.push(segment)
    if (index === segments.length - 1 && /^\.\.?$/.test(segment)) kept.push("")
  }
  return `/${kept.join("/")}`
}

/** Where a redirect leads, as text for `parse`. */
export const resolve = (from: RequestUrl, location: string): string => {
  const to = locationText(location)
  const { origin, protocol } = from.url
  if (/^[a-z][a-z\d+.-]*:/i.test(to)) return to
  if (to.startsWith("//")) return `${protocol}${to}`
  if (to.startsWith("/")) return `${origin}${to}`
  const [, path = "", rest = ""] = /^([^?#]*)(.*)$/s.exec(to) ?? []
  if (path === "") return `${origin}${from.path}${rest.startsWith("?") ? rest : from.query}`
  return `${origin}${withoutDots(`${from.path.replace(/[^/]*$/, "")}${path}`)}${rest}`
}
