// What a check of the doctor says.

export type Check = {
  readonly name: string
  readonly verdict: "ok" | "note" | "problem"
  readonly found: string
  /** The way out of a problem. */
  readonly todo?: string
}

export const ok = (name: string, found: string): Check => ({ name, verdict: "ok", found })

export const note = (name: string, found: string): Check => ({ name, verdict: "note", found })

export const problem = (name: string, found: string, todo: string): Check => ({ name, verdict: "problem", found, todo })
