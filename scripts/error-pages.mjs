// The pages of the site about errors: one for each class of errors that a public module exports, with its fields, and the functions that
// can fail with it. All of it comes from the types and the docstrings.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import ts from "typescript"
import { cell, exportsOf, programOf, sentence } from "./core-types.mjs"

const moduleOf = (path) => `@effect-jumpstarter/core/${path.slice(2)}`

/** Where Effect, Stream and Layer have what they fail with, among their type arguments. */
const failures = { Effect: 1, Stream: 1, Layer: 1 }

export const errorPages = (root) => {
  const manifest = JSON.parse(readFileSync(join(root, "packages/core/package.json"), "utf8"))
  const modules = Object.entries(manifest.exports)
    .filter(([path]) => /^\.\/(?:drivers\/|testing\/)?[A-Z]\w*$/.test(path))
    .map(([path, file]) => ({ path, file: join(root, "packages/core", file) }))
  const program = programOf(modules.map(({ file }) => file))
  const checker = program.getTypeChecker()
  const textOf = (symbol) => ts.displayPartsToString(symbol.getDocumentationComment(checker))
  const isInternal = (symbol) => symbol.getJsDocTags(checker).some(({ name }) => name === "internal")
  const isOurs = (symbol) =>
    (symbol.declarations ?? []).some((declaration) =>
      declaration.getSourceFile().fileName.includes("/packages/core/src/")
    )

  /** The names of the errors in the types of a value: what its effects fail with. */
  const failuresOf = (type, depth = 0) => {
    if (depth > 3) return []
    const signatures = checker.getSignaturesOfType(type, ts.SignatureKind.Call)
    if (signatures.length > 0) {
      return signatures.flatMap((signature) => failuresOf(checker.getReturnTypeOfSignature(signature), depth + 1))
    }
    const index = failures[type.symbol?.name]
    if (index === undefined) return []
    const argument = checker.getTypeArguments(type)[index]
    if (argument === undefined) return []
    return (argument.isUnion() ? argument.types : [argument]).map((part) => part.symbol).filter((symbol) =>
      symbol !== undefined
    )
  }

  const found = new Map()
  const failing = new Map()
  const note = (symbol, place) => {
    const places = failing.get(symbol) ?? new Set()
    failing.set(symbol, places.add(place))
  }
  for (const module of modules) {
    const short = module.path.slice(2)
    const name = short.split("/").at(-1)
    for (const { symbol } of exportsOf(program, module.file)) {
      if (symbol.flags & ts.SymbolFlags.Class) {
        const type = checker.getDeclaredTypeOfSymbol(symbol)
        const tag = type.getProperty("_tag")
        const isError = type.getProperty("message") !== undefined && type.getProperty("stack") !== undefined
        const literal = tag === undefined ? undefined : checker.getTypeOfSymbol(tag)
        if (isError && literal?.isStringLiteral() && !found.has(symbol)) {
          found.set(symbol, { module: moduleOf(module.path), space: name, symbol, tag: literal.value, type })
        }
      } else if (symbol.valueDeclaration !== undefined) {
        for (const error of failuresOf(checker.getTypeOfSymbol(symbol))) note(error, `\`${name}.${symbol.name}\``)
      }
      if (symbol.flags & ts.SymbolFlags.Interface && isOurs(symbol) && !isInternal(symbol)) {
        const isClient = short.startsWith("drivers/") && symbol.name === "Client"
        for (const member of checker.getDeclaredTypeOfSymbol(symbol).getProperties().filter(isOurs)) {
          const place = isClient ? "every method of a contract" : `\`${symbol.name}.${member.name}\``
          for (const error of failuresOf(checker.getTypeOfSymbol(member))) note(error, place)
        }
      }
    }
  }

  const troubleshooting = readFileSync(join(root, "docs/troubleshooting.md"), "utf8").split(/^## /m).slice(1)
    .map((section) => ({ title: section.split("\n")[0], text: section }))
  const anchorOf = (title) => title.toLowerCase().replaceAll(/[^\w\s-]/g, "").trim().replaceAll(/\s+/g, "-")

  const entries = [...found.values()].sort((one, other) => one.tag < other.tag ? -1 : one.tag > other.tag ? 1 : 0)
  const double = entries.find(({ tag }, index) => tag === entries[index + 1]?.tag)
  if (double !== undefined) throw new Error(`two classes of errors have the tag ${double.tag}`)
  return entries.map(({ module, space, symbol, tag, type }) => {
    const about = textOf(symbol)
    const schema = checker.getTypeOfSymbol(symbol).getProperty("fields")
    const fields = schema === undefined
      ? []
      : checker.getTypeOfSymbol(schema).getProperties().filter(({ name }) => name !== "_tag" && name !== "cause")
    const sections = troubleshooting.filter(({ text }) => text.includes(`\`${tag}\``))
    const places = [...failing.get(symbol) ?? []].sort()
    return {
      name: tag,
      tag,
      module,
      about: cell(sentence(about)),
      text: [
        `# ${tag}`,
        "",
        about,
        "",
        "```ts",
        `import { ${space} } from "@effect-jumpstarter/core${
          module.includes("/drivers/") ? "/drivers" : module.includes("/testing/") ? "/testing" : ""
        }"`,
        "",
        `effect.pipe(Effect.catchTag("${tag}", (error: ${space}.${symbol.name}) => ...))`,
        "```",
        "",
        ...fields.length === 0 ? [] : [
          "## Fields",
          "",
          "| Field | Type | |",
          "| --- | --- | --- |",
          ...fields.map((field) =>
            `| \`${field.name}\` | \`${
              cell(checker.typeToString(
                checker.getTypeOfSymbol(type.getProperty(field.name)),
                undefined,
                ts.TypeFormatFlags.NoTruncation
              ))
            }\` | ${cell(textOf(field))} |`
          ),
          ""
        ],
        ...places.length === 0 ? [] : [
          "## What fails with it",
          "",
          places.join(", "),
          ""
        ],
        ...sections.length === 0 ? [] : [
          "## Messages",
          "",
          "[Troubleshooting](../docs/troubleshooting.md) has each message, its cause and the way out:",
          "",
          ...sections.map(({ title }) => `- [${title}](../docs/troubleshooting.md#${anchorOf(title)})`),
          ""
        ]
      ].join("\n")
    }
  })
}
