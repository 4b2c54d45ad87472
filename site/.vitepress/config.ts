// The documentation site. scripts/docs.mjs writes its pages and sidebars into build/site, and runs VitePress.
import { readFileSync } from "node:fs"
import { type DefaultTheme, defineConfig } from "vitepress"

interface Sidebars {
  readonly guide: Array<DefaultTheme.SidebarItem>
  readonly errors: Array<DefaultTheme.SidebarItem>
  readonly drivers: Array<DefaultTheme.SidebarItem>
  readonly api: Array<DefaultTheme.SidebarItem>
  readonly repository: string | null
}

const pages = new URL("../../build/site/", import.meta.url)

const sidebars: Sidebars = JSON.parse(readFileSync(new URL("sidebars.json", pages), "utf8"))

export default defineConfig({
  title: "effect-jumpstarter",
  description: "Drive real hardware from TypeScript: a typed Effect client and driver host for Jumpstarter.",
  lang: "en-US",
  srcDir: "../build/site",
  outDir: "../build/docs",
  cacheDir: "../build/.vitepress",
  // GitHub serves a project's pages from a folder.
  base: process.env["DOCS_BASE"] ?? "/",
  cleanUrls: false,
  head: [["link", { rel: "icon", type: "image/svg+xml", href: `${process.env["DOCS_BASE"] ?? "/"}icon.svg` }]],
  // The index of the search is one chunk.
  vite: { build: { chunkSizeWarningLimit: 8000 } },
  markdown: {
    theme: { light: "github-light", dark: "github-dark" },
    languageAlias: { "jsonl": "json" }
  },
  themeConfig: {
    logo: "/icon.svg",
    outline: [2, 3],
    search: { provider: "local" },
    nav: [
      { text: "Start", link: "/start" },
      { text: "Guide", link: "/docs/", activeMatch: "^/docs/(?!drivers/|protocol)" },
      { text: "Drivers", link: "/docs/drivers/" },
      { text: "Errors", link: "/errors/" },
      { text: "API", link: "/api/" }
    ],
    sidebar: {
      "/": sidebars.guide,
      "/docs/drivers/": sidebars.drivers,
      "/errors/": sidebars.errors,
      "/api/": sidebars.api
    },
    ...sidebars.repository === null
      ? {}
      : { socialLinks: [{ icon: "github", link: sidebars.repository }] },
    footer: { message: "Apache-2.0" }
  }
})
