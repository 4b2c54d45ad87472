// What the services of the controller are made of.
import type { Authenticator } from "./identity.ts"
import type { Registry } from "./registry.ts"
import type { Tokens } from "./tokens.ts"
import type { Listeners } from "./tunnels.ts"
import type { World } from "./world.ts"

/** `0.9` is the release that belongs to the published Python packages, `main` what upstream builds from its main branch. */
export type Release = "0.9" | "main"

export interface Parts {
  readonly release: Release
  /** Whether things take the time that they really take. */
  readonly observed: boolean
  readonly registry: Registry
  readonly world: World
  readonly tokens: Tokens
  readonly authenticator: Authenticator
  readonly listeners: Listeners
  /** Where both ends of a tunnel are sent. */
  readonly routerEndpoint: string
}
