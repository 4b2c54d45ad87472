// The parts that the services of the controller share.
import type { Authenticator } from "./identity.ts"
import type { Registry } from "./registry.ts"
import type { Tokens } from "./tokens.ts"
import type { Listeners } from "./tunnels.ts"
import type { World } from "./world.ts"

/** `0.9` is the release of the published Python packages, `main` is upstream's main branch. */
export type Release = "0.9" | "main"

export interface Parts {
  readonly release: Release
  /** Whether the services take as long as the real ones. */
  readonly observed: boolean
  readonly registry: Registry
  readonly world: World
  readonly tokens: Tokens
  readonly authenticator: Authenticator
  readonly listeners: Listeners
  /** The router's address, for both ends of a tunnel. */
  readonly routerEndpoint: string
}
