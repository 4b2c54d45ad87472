// The image that a board fetches: from the exporter, from a server, or from a registry.
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Resource from "../../resource/Resource.ts"

/**
 * An image cannot be fetched in the way that was asked for. Nothing was flashed.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidImage extends Schema.TaggedError<InvalidImage>(
  "@effect-jumpstarter/core/drivers/BaseFlasher/InvalidImage"
)("InvalidImage", { reason: Schema.String }) {
  override get message(): string {
    return `cannot flash the image: ${this.reason}`
  }
}

/**
 * How to log in to the registry of an image. Python's client takes them from the variables `OCI_USERNAME` and `OCI_PASSWORD`.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import type { BaseFlasher } from "@effect-jumpstarter/core/drivers"
 * import { Config } from "effect"
 *
 * const image: Config.Config<BaseFlasher.Image> = Config.all({
 *   username: Config.nonEmptyString("OCI_USERNAME"),
 *   password: Config.redacted("OCI_PASSWORD")
 * }).pipe(Config.map((credentials) => ({ url: "oci://registry.example/board/image:latest", credentials })))
 * ```
 */
export interface RegistryCredentials {
  readonly username: string
  readonly password: Redacted.Redacted
}

/**
 * An image that the exporter serves to the board, or one that the board fetches itself, over HTTP or from an OCI registry. The
 * ending of its name, `.gz`, `.xz` or `.zst`, says how it is compressed. The URL of a registry begins with `oci://`.
 *
 * Headers are typed on the board's console, so its transcript and the errors of its commands show them: use a token that is good for
 * this image only. Credentials are typed while the console has no echo, so neither it nor an error shows them.
 *
 * @since 0.1.0
 * @category models
 */
export type Image<E = never, R = never> =
  | { readonly name: string; readonly image: Resource.Source<void, E, R> }
  | {
    readonly url: string
    readonly headers?: Readonly<Record<string, string>> | undefined
    readonly credentials?: RegistryCredentials | undefined
  }

/** What the board fetches. The ending of the name says how it is compressed. */
export interface Remote {
  readonly url: string
  readonly name: string
  readonly headers: Readonly<Record<string, string>>
  readonly credentials?: RegistryCredentials | undefined
  readonly method: "shell" | "fls"
}

const isOfRegistry = (url: string): boolean => url.startsWith("oci://")

/** Why the board could not fetch an image. */
export const problem = (image: Image<unknown, unknown>, method: Remote["method"] | undefined): string | undefined => {
  if (!("url" in image)) return undefined
  const { credentials, url } = image
  if (!isOfRegistry(url)) {
    return credentials === undefined
      ? undefined
      : "credentials are for images of registries, whose URLs begin with oci://"
  }
  if (method === "shell") return "only the method `fls` can fetch an image of a registry"
  if (credentials === undefined) return undefined
  if (credentials.username === "") return "the credentials have no username"
  return Redacted.value(credentials.password) === "" ? "the credentials have no password" : undefined
}

/** What the board fetches for an image, which the exporter may serve. */
export const remote = (
  image: Image<unknown, unknown>,
  method: Remote["method"] | undefined,
  exporterUrl: string
): Remote => {
  if (!("url" in image)) {
    const { name } = image
    return { name, url: `${exporterUrl}/${encodeURIComponent(name)}`, headers: {}, method: method ?? "shell" }
  }
  const { credentials, headers = {}, url } = image
  return { name: url, url, headers, credentials, method: method ?? (isOfRegistry(url) ? "fls" : "shell") }
}
