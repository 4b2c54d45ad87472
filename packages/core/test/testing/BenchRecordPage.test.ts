// What a person sees of a test that failed: Vitest runs a file of tests, and a browser opens what they have left.
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { spawn } from "node:child_process"
import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import * as page from "../../src/testing/record/page.ts"
import * as browser from "../support/browser.ts"
import { repository } from "../support/process.ts"
import * as temporary from "../support/temporary.ts"

// Runs the tests of a board that does not boot, as a reader would.
const vitest = (directory: string) =>
  Effect.async<string>((resume) => {
    const child = spawn(process.execPath, [
      join(repository, "node_modules/vitest/vitest.mjs"),
      "run",
      "--config",
      join(repository, "packages/core/test/support/failingBoard.config.ts")
    ], {
      cwd: repository,
      env: { ...process.env, BENCH_RECORDS: directory, NO_COLOR: "1", FORCE_COLOR: undefined }
    })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text
      })
    }
    child.on("close", () => resume(Effect.succeed(output)))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

interface Run {
  readonly output: string
  readonly directory: string
  readonly files: ReadonlyArray<string>
}

class FailedRun extends Context.Tag("FailedRun")<FailedRun, Run>() {
  static readonly layer = Layer.scoped(
    FailedRun,
    Effect.gen(function*() {
      const directory = yield* Effect.map(temporary.directory, (path) => join(path, "records"))
      const output = yield* vitest(directory)
      return { output, directory, files: yield* Effect.promise(() => readdir(directory)) }
    })
  )
}

const boots = "failingboard-boots-to-a-login-prompt"

const openRecord = (name: string, options?: browser.VisitOptions) =>
  Effect.flatMap(
    FailedRun,
    ({ directory }) => browser.visit(pathToFileURL(join(directory, `${name}.html`)).href, options)
  )

const text = ({ page }: browser.Visit, selector: string) => Effect.promise(() => page.locator(selector).innerText())

const rendered = (lines: ReadonlyArray<unknown>) =>
  Effect.gen(function*() {
    const directory = yield* temporary.directory
    const html = yield* page.render(lines.map((line) => JSON.stringify(line)))
    const file = join(directory, "page.html")
    yield* Effect.promise(() => writeFile(file, html))
    return pathToFileURL(file).href
  })

const header = {
  record: "effect-jumpstarter",
  version: 1,
  name: "made up",
  outcome: "failed",
  begun: "2026-11-29T22:00:00.000Z",
  millis: 1_000,
  errors: []
}

layer(FailedRun.layer, { excludeTestServices: true, timeout: "60 seconds" })("a board that does not boot", (it) => {
  it.effect("those that fail leave a record and print its path, those that pass leave none", () =>
    Effect.gen(function*() {
      const { directory, files, output } = yield* FailedRun
      const names = ["boots-to-a-login-prompt", "fails-softly", "keeps-what-is-asked-for", "takes-too-long"]
      assert.deepStrictEqual(
        files.toSorted(),
        names.flatMap((name) => [`failingboard-${name}.html`, `failingboard-${name}.jsonl`])
      )
      assert.include(output, "3 failed | 2 passed")
      assert.include(output, pathToFileURL(join(directory, `${boots}.html`)).href)
      const outcomes = yield* Effect.forEach(names, (name) =>
        Effect.promise(async () => {
          const [first = ""] = (await readFile(join(directory, `failingboard-${name}.jsonl`), "utf8")).split("\n")
          const { errors, outcome }: { errors: ReadonlyArray<{ message: string }>; outcome: string } = JSON.parse(
            first
          )
          return [outcome, errors[0]?.message.split("\n")[0]]
        }))
      assert.deepStrictEqual(outcomes, [
        ["failed", "streaming call power.read failed (INTERNAL): overcurrent protection: 3.1 A for 200 ms"],
        ["failed", "expected 1 to be 2 // Object.is equality"],
        ["passed", undefined],
        ["failed", "Test timed out in 300ms."]
      ])
    }))

  it.layer(browser.Browser.layer)("in a browser", (it) => {
    const test = it.scoped.skipIf(browser.isMissing)

    test("the page shows the failing call, the last console lines and the power curve", () =>
      Effect.gen(function*() {
        const visit = yield* openRecord(boots, { height: 860 })
        const panes = visit.page.locator(".details > .pane")
        const [call, console, readings] = yield* Effect.promise(() => panes.allInnerTexts())
        assert.include(call, "Failing call")
        assert.include(call, "power.read()")
        assert.include(call, "overcurrent protection: 3.1 A for 200 ms")
        assert.include(console, "Kernel panic - not syncing: VFS: Unable to mount root fs")
        // What would color the line on a terminal is visible.
        assert.include(console, "^[[31m")
        assert.match(readings ?? "", /voltage 5\.00 V\s+current [23]\.\d+ A/)
        const boxes = yield* Effect.promise(() => Promise.all([0, 1, 2].map((index) => panes.nth(index).boundingBox())))
        assert.lengthOf(new Set(boxes.map((box) => box?.y)), 1, "they are beside each other")
        // The last line is in view, and the chart has been painted with two lines.
        const isInView = yield* Effect.promise(() =>
          visit.page.evaluate<boolean>(`(() => {
            const lines = document.querySelector(".details .console")
            const last = lines.lastElementChild.getBoundingClientRect()
            return last.bottom <= lines.getBoundingClientRect().bottom + 1
          })()`)
        )
        assert.isTrue(isInView)
        const colors = yield* Effect.promise(() =>
          visit.page.evaluate<number>(`(() => {
            const canvas = document.querySelector(".details canvas")
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
            let blue = 0, orange = 0
            for (let i = 0; i < data.length; i += 4) {
              if (data[i + 3] < 200) continue
              if (data[i] === 0x23 && data[i + 1] === 0x55 && data[i + 2] === 0xd3) blue++
              if (data[i] === 0xb8 && data[i + 1] === 0x48 && data[i + 2] === 0x0b) orange++
            }
            return Math.min(blue, orange)
          })()`)
        )
        assert.isAbove(colors, 100)
        const lanes = yield* Effect.promise(() => visit.page.locator(".lane-name").allInnerTexts())
        assert.deepStrictEqual(lanes.map((lane) => lane.split("\n")[0]), [
          "time",
          "connection",
          "steps",
          "power",
          "serial",
          "serial.connect",
          "power.read",
          "exporter log",
          "program log"
        ])
        yield* browser.screenshot(visit.page, "record")
        assert.deepStrictEqual(visit.complaints, [])
      }))

    test("what is chosen, with the mouse or the keyboard, shows in the details", () =>
      Effect.gen(function*() {
        const visit = yield* openRecord(boots)
        const { page } = visit
        yield* Effect.promise(() => page.locator(".log-line", { hasText: "waiting for the login prompt" }).click())
        assert.include(yield* text(visit, ".details > .pane >> nth=0"), "Program's log")
        // From the first to the second bar of a lane.
        yield* Effect.promise(async () => {
          await page.locator("[aria-label=power] button").first().focus()
          await page.keyboard.press("ArrowRight")
          await page.keyboard.press("Enter")
        })
        assert.include(yield* text(visit, ".details > .pane >> nth=0"), "power.read()")
        yield* Effect.promise(async () => {
          await page.keyboard.press("ArrowLeft")
          await page.keyboard.press("Enter")
        })
        assert.include(yield* text(visit, ".details > .pane >> nth=0"), "power.on()")
        // The console as it was then.
        assert.notInclude(yield* text(visit, ".details > .pane >> nth=1"), "Kernel panic")
        const before = yield* text(visit, ".axis .track")
        yield* Effect.promise(() => page.getByRole("button", { name: "Zoom in" }).click())
        assert.notStrictEqual(yield* text(visit, ".axis .track"), before)
        yield* Effect.promise(() => page.getByRole("combobox", { name: "Level" }).selectOption("warning"))
        assert.strictEqual(yield* Effect.promise(() => page.locator(".log-line").count()), 1)
        assert.deepStrictEqual(visit.complaints, [])
      }))

    test("it fits a phone, and has no serious accessibility problem, in both schemes", () =>
      Effect.gen(function*() {
        for (const scheme of ["light", "dark"] as const) {
          for (const width of [1280, 390]) {
            const visit = yield* openRecord(boots, { width, scheme })
            const needed = yield* Effect.promise(() =>
              visit.page.evaluate<number>("document.documentElement.scrollWidth")
            )
            assert.isAtMost(needed, width)
            assert.deepStrictEqual(yield* browser.accessibilityProblems(visit.page), [])
            assert.deepStrictEqual(visit.complaints, [])
          }
        }
      }))

    test("what devices and programs say neither runs nor disappears", () =>
      Effect.gen(function*() {
        const attack = "</script><script>window.owned = 1</script><img src=x onerror='window.owned = 1'><!--"
        const shown = `${attack}\u202e\u0007`
        const url = yield* rendered([
          { ...header, name: attack, errors: [{ message: shown, stack: `Error\n    at ${attack}` }] },
          { at: 1, event: "connection", exporter: attack, state: "Ready" },
          {
            at: 2,
            event: "begin",
            id: 1,
            kind: "call",
            exporter: "a",
            driver: attack,
            method: attack,
            args: [attack]
          },
          { at: 4, event: "begin", id: 2, kind: "stream", exporter: "a", driver: "serial", method: "connect" },
          { at: 5, event: "received", id: 2, data: { bytes: 1, text: shown } },
          { at: 6, event: "received", id: 2, data: { bytes: 2, base64: "AAE=" } },
          {
            at: 7,
            event: "log",
            exporter: "a",
            severity: "ERROR",
            source: "DRIVER",
            message: shown,
            fields: { [attack]: attack }
          },
          { at: 8, event: "message", level: "INFO", text: shown, annotations: { a: attack } },
          { at: 9, event: "end", id: 1, outcome: "failed", failure: { tag: attack, message: shown } }
        ])
        const visit = yield* browser.visit(url)
        assert.isTrue(yield* Effect.promise(() => visit.page.evaluate<boolean>("window.owned === undefined")))
        assert.strictEqual(yield* Effect.promise(() => visit.page.title()), attack)
        for (const place of [".run .error", ".failure", ".details .console", ".log"]) {
          const seen = yield* text(visit, place)
          assert.include(seen, attack, place)
          assert.include(seen, "\\u202e^G", place)
        }
        assert.include(yield* text(visit, ".details .console"), "^@^A")
        assert.deepStrictEqual(visit.complaints, [])
      }))

    test("shows what was under way when a process was killed", () =>
      Effect.gen(function*() {
        const call = { event: "begin", kind: "call", exporter: "a", driver: "power" }
        const visit = yield* browser.visit(
          yield* rendered([
            { ...header, outcome: "unfinished", millis: 1 },
            { at: 1, event: "connection", exporter: "a", state: "Ready" },
            { at: 2, ...call, id: 1, method: "broken", args: [] },
            { at: 3, event: "end", id: 1, outcome: "failed", failure: { tag: "UnexpectedResult", message: "no" } },
            { at: 4, ...call, id: 2, method: "hang", args: [] },
            { at: 2_000, event: "message", level: "INFO", text: "waiting" }
          ])
        )
        const run = yield* text(visit, ".run")
        assert.include(run, "unfinished")
        assert.match(run, /took at least\s+2\.00 s/i)
        assert.include(run, "The process ended before the run did")
        const details = yield* text(visit, ".details > .pane >> nth=0")
        assert.include(details, "Under way when the process ended")
        assert.include(details, "power.hang()")
        assert.deepStrictEqual(visit.complaints, [])
        assert.deepStrictEqual(yield* browser.accessibilityProblems(visit.page), [])
      }))

    test("shows a record without a connection, and calls whose beginning is left out", () =>
      Effect.gen(function*() {
        const visit = yield* browser.visit(
          yield* rendered([
            header,
            { at: 1, event: "end", id: 1, outcome: "done", result: 3 },
            { at: 2, event: "cut", of: "calls", until: 500, lines: 12 }
          ])
        )
        const run = yield* text(visit, ".run")
        assert.include(run, "No connection was recorded")
        assert.include(run, "12 calls between 2 ms and 500 ms are left out")
        assert.deepStrictEqual(visit.complaints, [])
        assert.deepStrictEqual(yield* browser.accessibilityProblems(visit.page), [])
      }))
  })
})
