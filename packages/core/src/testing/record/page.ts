// The page of a record: one file without references to others, with the lines as its data.
import * as Effect from "effect/Effect"

const escapes: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;" }

const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => escapes[character] ?? character)

// In JSON, a `<` is always part of a text. Without it, nothing ends the script.
const embedded = (lines: ReadonlyArray<string>): string => lines.join("\n").replaceAll("<", "\\u003c")

const titleOf = (header: string): string => {
  const { name }: { readonly name: string } = JSON.parse(header)
  return name
}

export const render = (lines: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.map(Effect.promise(() => import("./generated.ts")), ({ script, style }) =>
    [
      "<!doctype html>",
      "<html lang=\"en\">",
      "<meta charset=\"utf-8\">",
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'\">",
      `<title>${escaped(titleOf(lines[0] ?? "{}"))}</title>`,
      `<style>${style}</style>`,
      "<main id=\"page\"></main>",
      `<script type="application/x-ndjson" id="record">${embedded(lines)}</script>`,
      `<script>${script}</script>`,
      ""
    ].join("\n"))
