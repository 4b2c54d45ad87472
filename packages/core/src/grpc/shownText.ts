// Returns the text of any value that can be thrown or logged. It never throws, because callers would not catch it.
import * as Inspectable from "effect/Inspectable"

export const shownText = (value: unknown, otherwise: string): string => {
  try {
    const text: unknown = value instanceof Error ? value.message : value
    return typeof text === "string" ? text : String(Inspectable.toStringUnknown(text, 0))
  } catch {
    return otherwise
  }
}
