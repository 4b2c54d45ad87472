/**
 * What the page and its server say to each other over one socket: JSON in text frames. The bytes of a file follow its `flash` in binary
 * frames, as many as the page has been asked for with `more`.
 */
import * as Schema from "effect/Schema"

/** What the page can do with a driver. */
export type Role = "power" | "console" | "flasher" | "other"

export interface DriverFacts {
  readonly path: string
  readonly label: string
  readonly description: string
  readonly role: Role
}

export type ToPage =
  | {
    readonly type: "bench"
    readonly address: string
    readonly title: string
    readonly motd: string
    readonly labels: Readonly<Record<string, string>>
    readonly isWritable: boolean
    readonly drivers: ReadonlyArray<DriverFacts>
  }
  | {
    readonly type: "state"
    readonly time: number
    readonly state: "Ready" | "Lost" | "Connecting" | "Closed"
    readonly reason: string
  }
  | { readonly type: "status"; readonly time: number; readonly status: string; readonly message: string }
  | {
    readonly type: "log"
    readonly time: number
    readonly level: string
    readonly source: string
    readonly operation: string
    readonly text: string
  }
  | {
    readonly type: "reading"
    readonly path: string
    readonly time: number
    readonly voltage: number
    readonly current: number
  }
  /** The bytes are in Base64. */
  | { readonly type: "output"; readonly path: string; readonly bytes: string }
  | { readonly type: "console"; readonly path: string; readonly isOpen: boolean; readonly text: string }
  | {
    readonly type: "transfer"
    readonly path: string
    readonly name: string
    readonly moved: number
    readonly size: number
    readonly state: "running" | "done" | "failed" | "cancelled"
    readonly text: string
  }
  /** Everything before this one has happened before the page was opened. */
  | { readonly type: "now" }
  /** How a request of this page ended. */
  | { readonly type: "outcome"; readonly isGood: boolean; readonly text: string }
  /** The page may send another piece of the file. */
  | { readonly type: "more"; readonly path: string }
  /** The page has to send the token first. */
  | { readonly type: "locked"; readonly text: string }

/** A gap in the numbers means that the page was too slow for some messages. */
export type Numbered = ToPage & { readonly number: number }

const path = Schema.String

export const FromPage = Schema.Union(
  Schema.Struct({ type: Schema.Literal("token"), token: Schema.Redacted(Schema.String) }),
  Schema.Struct({ type: Schema.Literal("power"), path, action: Schema.Literal("on", "off", "cycle") }),
  Schema.Struct({ type: Schema.Literal("input"), path, bytes: Schema.Uint8ArrayFromBase64 }),
  Schema.Struct({
    type: Schema.Literal("flash"),
    path,
    name: Schema.String,
    size: Schema.NonNegativeInt,
    target: Schema.optional(Schema.NonEmptyString)
  }),
  Schema.Struct({ type: Schema.Literal("cancel"), path })
)

export type FromPage = typeof FromPage.Type
export type FromPageEncoded = typeof FromPage.Encoded
