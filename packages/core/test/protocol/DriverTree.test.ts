import type { DriverInstanceReport } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc, Option } from "effect"
import * as DriverTree from "../../src/protocol/DriverTree.ts"

const uuid = (index: number): string => `00000000-0000-4000-8000-${index.toString(16).padStart(12, "0")}`

const report = (
  index: number,
  parent?: number,
  name?: string,
  more?: Partial<DriverInstanceReport>
): DriverInstanceReport => ({
  uuid: uuid(index),
  parentUuid: parent === undefined ? undefined : uuid(parent),
  labels: name === undefined ? {} : { [DriverTree.nameLabel]: name },
  description: undefined,
  methodsDescription: {},
  ...more
})

const build = (...reports: ReadonlyArray<DriverInstanceReport>) =>
  Either.getOrThrowWith(DriverTree.fromReports(reports), (error) => error)

const reasonOf = (...reports: ReadonlyArray<DriverInstanceReport>) =>
  Either.getOrThrow(Either.flip(DriverTree.fromReports(reports))).message

const paths = (root: DriverTree.DriverNode): ReadonlyArray<string> =>
  DriverTree.nodes(root).map(({ path }) => DriverTree.formatPath(path))

describe("DriverTree", () => {
  describe("fromReports", () => {
    it("builds the tree with everything a report contains", () => {
      const root = build(
        report(1),
        report(2, 1, "power", {
          labels: { [DriverTree.nameLabel]: "power", [DriverTree.clientLabel]: "power.client.PowerClient" },
          description: "Mains",
          methodsDescription: { on: "Turns it on" }
        }),
        report(3, 1, "storage"),
        report(4, 3, "mux")
      )
      assert.strictEqual(root.uuid, uuid(1))
      assert.strictEqual(root.name, "")
      assert.deepStrictEqual(paths(root), ["", "power", "storage", "storage.mux"])
      const power = root.children.get("power")
      assert.deepStrictEqual(power, {
        uuid: uuid(2),
        name: "power",
        path: ["power"],
        labels: { [DriverTree.nameLabel]: "power", [DriverTree.clientLabel]: "power.client.PowerClient" },
        description: Option.some("Mains"),
        methodsDescription: { on: "Turns it on" },
        children: new Map()
      })
      assert.deepStrictEqual(root.description, Option.none())
    })

    it("accepts parents that do not directly precede their children", () => {
      const root = build(report(1), report(2, 1, "a"), report(3, 1, "b"), report(4, 2, "x"), report(5, 3, "y"))
      assert.deepStrictEqual(paths(root), ["", "a", "a.x", "b", "b.y"])
    })

    it("reads uuids as leniently as the reference implementation, and keeps their spelling", () => {
      const upper = "ABCDEF00-0000-4000-8000-000000000001"
      const root = build(
        report(1, undefined, undefined, { uuid: upper }),
        report(2, undefined, "a", { parentUuid: "abcdef00000040008000000000000001" })
      )
      assert.strictEqual(root.uuid, upper)
      assert.deepStrictEqual(paths(root), ["", "a"])
    })

    it("treats an empty parent as none", () => {
      assert.deepStrictEqual(paths(build(report(1, undefined, undefined, { parentUuid: "" }))), [""])
    })

    it("keeps the last of several roots", () => {
      const root = build(report(1), report(2, 1, "lost"), report(3), report(4, 3, "kept"))
      assert.strictEqual(root.uuid, uuid(3))
      assert.deepStrictEqual(paths(root), ["", "kept"])
    })

    it("keeps the last of several siblings with the same name", () => {
      const root = build(report(1), report(2, 1, "a"), report(3, 2, "x"), report(4, 1, "a"))
      assert.strictEqual(root.children.get("a")?.uuid, uuid(4))
      assert.deepStrictEqual(paths(root), ["", "a"])
    })

    it("treats a missing name as the empty name", () => {
      const root = build(report(1), report(2, 1))
      assert.strictEqual(root.children.get("")?.uuid, uuid(2))
    })

    it("finds the place of a subtree that is proxied elsewhere with the same uuids", () => {
      const root = build(
        report(1),
        report(2, 1, "dut"),
        report(3, 2, "console"),
        report(4, 1, "bench"),
        report(2, 4, "proxy"),
        report(3, 2, "console")
      )
      assert.deepStrictEqual(paths(root), ["", "dut", "dut.console", "bench", "bench.proxy", "bench.proxy.console"])
      const [original, proxy] = ["dut.console", "bench.proxy.console"].map((path) =>
        Either.getOrThrow(DriverTree.find(root, path))
      )
      assert.strictEqual(original?.uuid, proxy?.uuid)
      assert.notStrictEqual(original, proxy)
    })

    it("keeps names such as __proto__ as data", () => {
      const root = build(report(1), report(2, 1, "__proto__"), report(3, 2, "constructor"))
      assert.deepStrictEqual(paths(root), ["", "__proto__", "__proto__.constructor"])
    })

    it("refuses reports that form no tree", () => {
      assert.strictEqual(reasonOf(), "the exporter's report is not a driver tree: it is empty")
      assert.strictEqual(
        reasonOf(report(1), report(3, 2, "x"), report(2, 1, "a")),
        `the exporter's report is not a driver tree: driver ${uuid(3)} comes before its parent ${uuid(2)}`
      )
      assert.strictEqual(
        reasonOf(report(1, 1, "own")),
        `the exporter's report is not a driver tree: driver ${uuid(1)} comes before its parent ${uuid(1)}`
      )
      for (const bad of ["", "x", "00000000-0000-4000-8000-00000000000g", `${uuid(1)}0`]) {
        assert.strictEqual(
          reasonOf(report(1, undefined, undefined, { uuid: bad })),
          `the exporter's report is not a driver tree: ${JSON.stringify(bad)} is not a UUID`
        )
      }
    })

    it("accepts 5,000 drivers", () => {
      const flat = build(report(0), ...Array.from({ length: 4_999 }, (_, i) => report(i + 1, 0, `d${i}`)))
      assert.strictEqual(DriverTree.nodes(flat).length, 5_000)
    })

    it("accepts 501 levels of drivers, and refuses more before the stack is exhausted", () => {
      const chain = (
        length: number
      ) => [report(0), ...Array.from({ length: length - 1 }, (_, i) => report(i + 1, i, "d"))]
      assert.strictEqual(DriverTree.nodes(build(...chain(501))).length, 501)
      for (const length of [502, 20_000]) {
        assert.strictEqual(
          reasonOf(...chain(length)),
          "the exporter's report is not a driver tree: it is more than 500 drivers deep"
        )
      }
    })

    // Every child picks one of the drivers before it as its parent.
    const trees = fc.array(fc.nat(), { minLength: 0, maxLength: 40 })
    it.prop("finds every driver of any tree at its path", { parents: trees }, ({ parents }) => {
      const root = build(report(0), ...parents.map((parent, i) => report(i + 1, parent % (i + 1), `d${i + 1}`)))
      const nodes = DriverTree.nodes(root)
      assert.strictEqual(nodes.length, parents.length + 1)
      for (const node of nodes) {
        assert.strictEqual(Either.getOrThrow(DriverTree.find(root, node.path)), node)
        assert.strictEqual(Either.getOrThrow(DriverTree.find(root, DriverTree.formatPath(node.path))), node)
        assert.strictEqual(node.path.at(-1) ?? "", node.name)
      }
      parents.forEach((parent, i) => {
        const up = nodes.find((node) => node.uuid === uuid(parent % (i + 1)))
        assert.strictEqual(up?.children.get(`d${i + 1}`)?.uuid, uuid(i + 1))
      })
    })
  })

  describe("find", () => {
    const root = build(
      report(1),
      report(2, 1, "storage"),
      report(3, 2, "mux"),
      report(4, 1, "eth0.100"),
      report(5, 4, "dhcp")
    )

    it("follows names joined by dots, or a list of names", () => {
      assert.strictEqual(Either.getOrThrow(DriverTree.find(root, "storage.mux")).uuid, uuid(3))
      assert.strictEqual(Either.getOrThrow(DriverTree.find(root, ["storage", "mux"])).uuid, uuid(3))
      const storage = Either.getOrThrow(DriverTree.find(root, "storage"))
      assert.strictEqual(Either.getOrThrow(DriverTree.find(storage, "mux")).uuid, uuid(3))
    })

    it("returns the node itself for the empty path", () => {
      assert.strictEqual(Either.getOrThrow(DriverTree.find(root, "")), root)
      assert.strictEqual(Either.getOrThrow(DriverTree.find(root, [])), root)
    })

    it("finds names with dots only by a list", () => {
      assert.strictEqual(Either.getOrThrow(DriverTree.find(root, ["eth0.100", "dhcp"])).uuid, uuid(5))
      assert.isTrue(Either.isLeft(DriverTree.find(root, "eth0.100")))
    })

    it("fails with the paths that exist", () => {
      const error = Either.getOrThrow(Either.flip(DriverTree.find(root, "storage.nix")))
      assert.strictEqual(error.path, "storage.nix")
      assert.deepStrictEqual(error.available, ["storage", "storage.mux", "[\"eth0.100\"]", "[\"eth0.100\",\"dhcp\"]"])
      assert.strictEqual(
        error.message,
        "no driver at \"storage.nix\"; available: storage, storage.mux, [\"eth0.100\"], [\"eth0.100\",\"dhcp\"]"
      )
    })

    it("fails with full paths when searching below a node", () => {
      const storage = Either.getOrThrow(DriverTree.find(root, "storage"))
      const error = Either.getOrThrow(Either.flip(DriverTree.find(storage, "nix.nix")))
      assert.strictEqual(error.path, "storage.nix.nix")
      assert.deepStrictEqual(error.available, ["storage.mux"])
    })

    it("fails with `none` when there are no drivers", () => {
      const error = Either.getOrThrow(Either.flip(DriverTree.find(build(report(1)), "power")))
      assert.strictEqual(error.message, "no driver at \"power\"; available: none")
    })
  })
})
