// Importing one contract loads one contract, and has no side effects.
import * as drivers from "@effect-jumpstarter/core/drivers"
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"

const folder = fileURLToPath(new URL("../../src/drivers", import.meta.url))

const sourceOf = (file: string): ts.SourceFile =>
  ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest)

// Whether a statement only names something. An import without names is there for what it does.
const isDeclaration = (statement: ts.Statement): boolean =>
  ts.isImportDeclaration(statement)
    ? statement.importClause !== undefined
    : ts.isExportDeclaration(statement) || ts.isVariableStatement(statement) || ts.isFunctionDeclaration(statement) ||
      ts.isClassDeclaration(statement) || ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)

// The files that a file loads, directly. Imports of types load nothing.
const readImports = (file: string): ReadonlyArray<string> => {
  const source = sourceOf(file)
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

// Most files are loaded by most contracts.
const known = new Map<string, ReadonlyArray<string>>()
const imports = (file: string): ReadonlyArray<string> => {
  const found = known.get(file) ?? readImports(file)
  known.set(file, found)
  return found
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

  it("has no side effects, so that a bundle has only what a program uses", () => {
    const files = [...loaded(join(folder, "index.ts"))].filter((file) => file.startsWith(folder))
    assert.isAbove(files.length, contracts.length)
    const effects = files.flatMap((file) => {
      const source = sourceOf(file)
      return source.statements.filter((statement) => !isDeclaration(statement)).map((statement) =>
        `${file}: ${statement.getText(source)}`
      )
    })
    assert.deepStrictEqual(effects, [])
  })
})
