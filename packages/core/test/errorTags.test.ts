// A program that does several things catches their failures in one place, by their tags.
import * as core from "@effect-jumpstarter/core"
import * as drivers from "@effect-jumpstarter/core/drivers"
import * as testing from "@effect-jumpstarter/core/testing"
import { assert, it } from "@effect/vitest"
import { Predicate } from "effect"

interface Tagged {
  readonly _tag: string
}

const isError = (value: unknown): value is Tagged =>
  typeof value === "function" && value.prototype instanceof Error && Predicate.hasProperty(value, "_tag")

const modules = Object.entries({ ...core, ...drivers, ...testing })

it("no two errors share a tag", () => {
  const named = new Map<Tagged, string>()
  for (const [module, exported] of modules) {
    for (const [name, value] of Object.entries(exported)) if (isError(value)) named.set(value, `${module}.${name}`)
  }
  const byTag = new Map<string, Array<string>>()
  for (const [{ _tag }, name] of named) byTag.set(_tag, [...byTag.get(_tag) ?? [], name])
  assert.isAbove(byTag.size, 20)
  assert.deepStrictEqual([...byTag].filter(([, names]) => names.length > 1), [])
})
