/** The files of the page, which esbuild makes from `page` when the program starts. */
import * as Effect from "effect/Effect"
import { build } from "esbuild"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"

export interface Asset {
  readonly type: string
  readonly bytes: Uint8Array
}

const sources = new URL("../../page/", import.meta.url)

const types: Readonly<Record<string, string>> = { js: "text/javascript", css: "text/css" }

/** Bundles the page. A mistake in its sources is a defect. */
export const assets: Effect.Effect<ReadonlyMap<string, Asset>> = Effect.promise(async () => {
  const { outputFiles } = await build({
    entryPoints: ["page.ts", "page.css"].map((name) => fileURLToPath(new URL(name, sources))),
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    outdir: "/",
    logLevel: "silent"
  })
  const html = await readFile(new URL("page.html", sources))
  const icon = await readFile(new URL("icon.svg", sources))
  return new Map<string, Asset>([
    ["/", { type: "text/html; charset=utf-8", bytes: html }],
    ["/icon.svg", { type: "image/svg+xml", bytes: icon }],
    ...outputFiles.map(({ contents, path }): [string, Asset] => {
      const name = path.split(/[\\/]/).at(-1) ?? ""
      return [`/${name}`, { type: `${types[name.split(".").at(-1) ?? ""] ?? ""}; charset=utf-8`, bytes: contents }]
    })
  ])
})
