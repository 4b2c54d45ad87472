// Contracts that the user has written.
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"
import { bench, jsonLines, run } from "./support.ts"

const fan = fileURLToPath(new URL("modules/fan.ts", import.meta.url))

describe("--contracts", () => {
  it.scopedLive("types the drivers that the library does not know", () =>
    Effect.gen(function*() {
      const { path } = yield* bench
      const on = (...words: ReadonlyArray<string>) => run([...words, "--contracts", fan, "--host", path])

      const tree = yield* on("tree", "--methods")
      assert.match(tree.out, /fan +Fan +acme_drivers/)
      assert.match(tree.out, / say\(\) {2}read\n/)
      assert.match(tree.out, / set_speed\(argument1\) {2}write\n/)
      const { root } = JSON.parse((yield* on("tree", "--json")).out)
      assert.strictEqual(root.children[2].children[1].contract, "Fan")
      assert.strictEqual(root.children[0].contract, "Power")

      assert.strictEqual((yield* on("call", "group.fan", "set_speed", "50")).out, "50\n")
      const wrong = yield* on("call", "group.fan", "set_speed", "500")
      assert.match(wrong.err, /argument 1 of group\.fan\.set_speed: expected .*between/i)
      assert.strictEqual(wrong.code, 2)
      const watched = yield* on("watch", "group.fan", "names")
      assert.deepStrictEqual(jsonLines(watched.out), ["one", "two"])
      const skeleton = yield* on("contract", "group.fan")
      assert.include(skeleton.err, `note: this driver has a contract already, Fan of ${fan}`)
    }))

  it.scopedLive("says in one line why a module cannot be used", () =>
    Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const directory = yield* files.makeTempDirectoryScoped()
      const modules = {
        "empty.mjs": "export const fan = { client: 7 }",
        "broken.mjs": "throw new Error('no fan today')",
        "dependent.mjs": "export * from 'no-such-package'"
      }
      yield* Effect.forEach(Object.entries(modules), ([name, text]) =>
        files.writeFileString(`${directory}/${name}`, text))
      for (
        const [names, reason] of [
          [["none.mjs"], /there is no such file/],
          [["empty.mjs"], /it exports no contract; export what DriverInterface\.make returns/],
          [["broken.mjs"], /no fan today/],
          [["dependent.mjs"], /no-such-package/],
          [[fan, fan], /Fan is for acme_drivers\.client\.FanClient, as is Fan of .*fan\.ts; leave one out/]
        ] as const
      ) {
        const options = names.flatMap((name) => ["--contracts", name === fan ? fan : `${directory}/${name}`])
        // Nothing is connected: nothing listens there.
        const { code, err, out } = yield* run(["tree", ...options, "--host", `${directory}/none.sock`])
        assert.deepStrictEqual({ code, out }, { code: 6, out: "" })
        assert.match(err, /^effect-jumpstarter: cannot use the contracts of .*: .*\n$/)
        assert.match(err, reason)
      }
    }).pipe(Effect.provide(NodeContext.layer)))
})
