// Which tools may be called: those that read, writes if the person who starts the server says so, and destructive ones by their names.
import type * as DriverMethod from "@effect-jumpstarter/core/DriverMethod"

export interface Policy {
  readonly writes: boolean
  /** Methods that may be called whatever they do: `flash`, or `storage.flash` for one driver. */
  readonly allowed: ReadonlyArray<string>
}

interface Asked {
  /** The path of the driver. */
  readonly place: string
  readonly method: string
  readonly effect: DriverMethod.MethodEffect
  /** What messages call the method. */
  readonly title: string
}

/** Returns why a call is refused, and undefined when it is not. */
export const refusal = ({ allowed, writes }: Policy, { effect, method, place, title }: Asked): string | undefined => {
  if (effect === "read" || allowed.includes(method) || allowed.includes(`${place}.${method}`)) return undefined
  if (effect === "destructive") {
    return `${title} is destructive, and this server allows such methods only by name; it has to be started with --allow ${title}`
  }
  return writes
    ? undefined
    : `${title} changes the device, and this server only reads; it has to be started with --allow-writes, or with --allow ${title}`
}
