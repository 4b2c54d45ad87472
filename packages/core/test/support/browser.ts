// A Chromium for tests of pages. The browser comes inside an npm package, and needs nothing of the system.
import chromium from "@sparticuz/chromium"
import axe from "axe-core"
import { Context, Effect, Layer } from "effect"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Browser as Running, chromium as driver, type Page } from "playwright-core"

const repository = fileURLToPath(new URL("../../../../", import.meta.url))

export interface Visit {
  readonly page: Page
  /** What the page wrote to its console as an error or a warning, what it threw, and what it failed to load. */
  readonly complaints: ReadonlyArray<string>
}

export interface VisitOptions {
  readonly width?: number | undefined
  readonly height?: number | undefined
  readonly scheme?: "dark" | "light" | undefined
}

// The package has a browser for Linux on x64. Elsewhere it is the Chrome of the machine, if there is one.
const isBundled = process.platform === "linux" && process.arch === "x64"

const launch = async (): Promise<Running> =>
  driver.launch({
    headless: true,
    ...isBundled
      ? {
        // The options of the package are for functions in a cloud, and end the browser with its first page.
        args: ["--no-sandbox", "--headless=shell", "--hide-scrollbars", "--font-render-hinting=none"],
        executablePath: await chromium.executablePath()
      }
      : { channel: "chrome" }
  })

/** Whether tests without a browser may be left out. With CI=true they fail. */
export const isMissing = !isBundled && process.env["CI"] !== "true"

if (isMissing) {
  process.stderr.write(
    "*** NO BROWSER FOR THIS SYSTEM: the tests of pages do not run. CI=true makes this a failure. ***\n"
  )
}

/** A browser for tests of pages, if there is one. */
export class Browser extends Context.Tag("test/Browser")<Browser, Effect.Effect<Running>>() {
  static readonly layer: Layer.Layer<Browser> = isMissing
    ? Layer.succeed(Browser, Effect.dieMessage("there is no browser for this system"))
    : Layer.scoped(
      Browser,
      Effect.map(
        Effect.acquireRelease(Effect.promise(launch), (running) => Effect.promise(() => running.close())),
        Effect.succeed
      )
    )
}

/** Opens a page, which the scope closes. */
export const visit = (url: string, options: VisitOptions = {}) =>
  Effect.gen(function*() {
    const browser = yield* Effect.flatten(Browser)
    const context = yield* Effect.acquireRelease(
      Effect.promise(() =>
        browser.newContext({
          viewport: { width: options.width ?? 1280, height: options.height ?? 900 },
          colorScheme: options.scheme ?? "light",
          locale: "en-GB",
          timezoneId: "UTC"
        })
      ),
      (context) => Effect.promise(() => context.close())
    )
    const page = yield* Effect.promise(() => context.newPage())
    const complaints: Array<string> = []
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text())
    })
    page.on("pageerror", (error) => complaints.push(String(error)))
    page.on("requestfailed", (request) => complaints.push(`failed to load ${request.url()}`))
    yield* Effect.promise(() => page.goto(url))
    const visit: Visit = { page, complaints }
    return visit
  })

/** Keeps a picture of what is in view in `build`. With SCREENSHOTS set, the picture replaces that of the documentation. */
export const screenshot = (page: Page, name: string): Effect.Effect<void> =>
  Effect.promise(async () => {
    const directory = join(repository, process.env["SCREENSHOTS"] === undefined ? "build/screenshots" : "docs")
    await mkdir(directory, { recursive: true })
    await page.screenshot({ path: join(directory, `${name}.png`) })
  })

/** The serious accessibility problems that axe finds, each with the elements that have it. */
export const accessibilityProblems = (page: Page): Effect.Effect<ReadonlyArray<string>> =>
  Effect.promise(async () => {
    // Not as a script element, which a page may forbid.
    await page.evaluate(axe.source)
    const { violations } = await page.evaluate<axe.AxeResults>(`axe.run(document, { resultTypes: ["violations"] })`)
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ help, nodes }) => `${help}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`)
  })
