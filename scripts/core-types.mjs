// The types and docstrings of packages/core, for the scripts that write pages from them.
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")

/** The program of some files, as the packages compile them. */
export const programOf = (files) =>
  ts.createProgram(files, {
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    allowImportingTsExtensions: true,
    types: ["node"],
    typeRoots: [join(root, "node_modules/@types")]
  })

/** What a file of the program exports. */
export const exportsOf = (program, file) => {
  const checker = program.getTypeChecker()
  return checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file))).map((symbol) => ({
    name: symbol.name,
    symbol: symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
  }))
}

/** The first sentence of a docstring. */
export const sentence = (text) => /^.*?[.!?](?= |$)/.exec(text.replaceAll(/\s+/g, " ").trim())?.[0] ?? text.trim()

/** Text for a cell of a Markdown table. */
export const cell = (text) => text.replaceAll("|", "\\|").replaceAll(/\s+/g, " ").trim()
