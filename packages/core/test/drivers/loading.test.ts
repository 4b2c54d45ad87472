// Importing one contract loads one contract, and has no side effects.
import * as drivers from "@effect-jumpstarter/core/drivers"
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"

const folder = fileURLToPath(new URL("../../src/drivers", import.meta.url))

// The files that a file loads, directly. Imports of types load nothing.
const imports = (file: string): ReadonlyArray<string> => {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest)
  return source.statements.flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return []
    const { moduleSpecifier } = statement
    if (moduleSpecifier === undefined || !ts.isStringLiteral(moduleSpecifier)) return []
    const isType = ts.isImportDeclaration(statement)
      ? statement.importClause?.isTypeOnly === true
      : statement.isTypeOnly
    return isType || !moduleSpecifier.text.startsWith(".") ? [] : [join(dirname(file), moduleSpecifier.text)]
  })
}

const loaded = (file: string, seen = new Set<string>()): ReadonlySet<string> => {
  if (seen.has(file)) return seen
  seen.add(file)
  for (const imported of imports(file)) loaded(imported, seen)
  return seen
}

const contracts = Object.entries(drivers).flatMap(([name, module]) => "contract" in module ? [name] : [])

// These drivers have children whose files or console their conveniences use.
const allowed: Readonly<Record<string, ReadonlyArray<string>>> = {
  BaseFlasher: ["Opendal", "Uboot"],
  HttpServer: ["Opendal"],
  Iscsi: ["Opendal"],
  RideSx: ["Opendal"]
}

describe("the catalogue", () => {
  it("loads one contract for each that is imported", () => {
    const others = contracts.flatMap((name) => {
      const files = loaded(join(folder, `${name}.ts`))
      const found = contracts.filter((other) => other !== name && files.has(join(folder, `${other}.ts`)))
      return found.length === 0 ? [] : [[name, found] as const]
    })
    assert.deepStrictEqual(Object.fromEntries(others), allowed)
  })

  it("loads nothing of the client, the host, or a room above", () => {
    for (const name of contracts) {
      for (const file of loaded(join(folder, `${name}.ts`))) {
        assert.notMatch(file, /\/src\/(client|host|lease|testing)\//)
      }
    }
  })
})
