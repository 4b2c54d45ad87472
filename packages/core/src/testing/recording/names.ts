// Replaces uuids, which differ between runs, with uuids that are numbered in the order of their first use.
import type { JsonValue } from "../../protocol/ProtobufValue.ts"
import { normalizeUuid } from "../../protocol/uuid.ts"

const uuids = /[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}/gi

// The numbered uuids of a recording.
export class Aliases {
  private readonly aliases = new Map<string, string>()

  add(uuid: string): string {
    const known = this.aliases.get(normalizeUuid(uuid))
    if (known !== undefined) return known
    const alias = `00000000-0000-4000-8000-${String(this.aliases.size + 1).padStart(12, "0")}`
    this.aliases.set(normalizeUuid(uuid), alias)
    return alias
  }

  // Replaces known uuids in a text. Unknown uuids stay, because they may have a meaning.
  readonly in = (text: string): string => text.replace(uuids, (uuid) => this.aliases.get(normalizeUuid(uuid)) ?? uuid)
}

// Replaces a value and the values inside it, from the outside in.
export const rewrite = (
  value: JsonValue,
  replace: (value: JsonValue, path: ReadonlyArray<string | number>) => JsonValue,
  path: ReadonlyArray<string | number> = []
): JsonValue => {
  const replaced = replace(value, path)
  return typeof replaced !== "object" || replaced === null
    ? replaced
    : Array.isArray(replaced)
    ? replaced.map((item, index) => rewrite(item, replace, [...path, index]))
    : Object.fromEntries(
      Object.entries(replaced).map(([key, item]) => [key, rewrite(item, replace, [...path, key])])
    )
}
