// docs/troubleshooting.md has every message that a user can meet. Every text of two words and more in the sources counts as
// one or as a part of one, so that nothing has to be registered, and none can be forgotten.
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import ts from "typescript"
import { repository } from "./support/process.ts"

const page = "docs/troubleshooting.md"
const sources = "packages/core/src/"

// A value in a message: `${host}` in the sources, `<host>` on the page.
const hole = "<>"

// Two words, maybe with values between them.
const hasWords = (text: string): boolean => /[A-Za-z]{2,}[,;:]?(?: \(?<>\)?[,;:]?)* [a-z]{2,}/.test(text)

// What is compared: quotes may come from `JSON.stringify`, which the text in the sources does not show.
const comparable = (text: string): string =>
  text.replace(/["`]/g, "").replace(/<[^<>]*>/g, hole).replace(/(?:<>){2,}/g, hole).replace(/\s+/g, " ").trim()

// Without the values at its ends, so that a row may begin with what they are.
const core = (text: string): string => comparable(text).replace(/^(?:<>| )+|(?:<>| )+$/g, "")

const isSum = (node: ts.Node): node is ts.BinaryExpression =>
  ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken

const textOf = (node: ts.Node): string =>
  ts.isStringLiteralLike(node)
    ? node.text
    : ts.isTemplateExpression(node)
    ? node.head.text + node.templateSpans.map(({ literal }) => hole + literal.text).join("")
    : isSum(node)
    ? textOf(node.left) + textOf(node.right)
    : ts.isParenthesizedExpression(node)
    ? textOf(node.expression)
    : hole

// Descriptions of methods and metrics are no messages.
const describes = (node: ts.Node): boolean =>
  ts.isPropertyAssignment(node) && node.name.getText() === "documentation" ||
  ts.isVariableDeclaration(node) && node.name.getText() === "description"

interface Text {
  readonly place: string
  readonly text: string
}

const textsOf = (file: string, content: string): ReadonlyArray<Text> => {
  const source = ts.createSourceFile(file, content, ts.ScriptTarget.Latest, true)
  const texts: Array<Text> = []
  const visit = (node: ts.Node): void => {
    if (describes(node) || ts.isExpressionStatement(node) && ts.isStringLiteral(node.expression)) return
    const isText = ts.isStringLiteralLike(node) || ts.isTemplateExpression(node) || isSum(node)
    const text = isText && !isSum(node.parent) ? textOf(node) : ""
    // A program for another thread, with messages of its own.
    if (text.startsWith("\"use strict\"")) return textsOf(file, text).forEach((inner) => texts.push(inner))
    if (hasWords(core(text))) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart())
      texts.push({ place: `${sources}${file}:${line + 1}`, text: core(text) })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return texts
}

const texts = readdirSync(`${repository}${sources}`, { encoding: "utf8", recursive: true })
  .filter((file) => file.endsWith(".ts"))
  .flatMap((file) => textsOf(file, readFileSync(`${repository}${sources}${file}`, "utf8")))

const longestFirst = [...new Set(texts.map(({ text }) => text))].sort((a, b) => b.length - a.length)

interface Row {
  readonly place: string
  readonly cells: ReadonlyArray<string>
  readonly messages: ReadonlyArray<string>
}

const rows = readFileSync(`${repository}${page}`, "utf8").split("\n").flatMap((line, index): ReadonlyArray<Row> => {
  const cells = line.startsWith("| ") ? line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim()) : []
  const [first = ""] = cells
  return cells.length === 0 || first === "Message" || /^-+$/.test(first) ? [] : [{
    place: `${page}:${index + 1}`,
    cells,
    messages: [...first.matchAll(/(`+)(.+?)\1(?!`)/g)].map(([, , message = ""]) => message)
  }]
})

const messages = rows.map(({ messages }) => messages.map(comparable).join("\n")).join("\n")

describe(page, () => {
  it("says of every message what it means, and the way out", () => {
    assert.isAbove(texts.length, 400)
    assert.deepStrictEqual(
      rows.filter(({ cells, messages }) => cells.length !== 3 || cells.includes("") || messages.length === 0)
        .map(({ place }) => `${place}: a row has a message in backticks, what it means, and the way out`),
      []
    )
  })

  it("has every message of the sources", () => {
    assert.deepStrictEqual(
      texts.filter(({ text }) => !messages.includes(text)).map(({ place, text }) =>
        `${place}: ${page} has no row with \`${text}\`. Add one to the table of the place where it is met: the message in ` +
        "backticks with <name> for each value, what it means, the way out. A part of a message can go into the row of the whole"
      ),
      []
    )
  })

  it("has no message that is not in the sources", () => {
    assert.deepStrictEqual(
      rows.flatMap(({ messages, place }) =>
        messages.flatMap((message) => {
          const rest = longestFirst.reduce((rest, text) => rest.replaceAll(text, "\0"), comparable(message))
          return rest.includes("\0") && !hasWords(rest) ? [] : [
            `${place}: no text in ${sources} says \`${
              rest.replaceAll("\0", "…")
            }\` of \`${message}\`. Write the message as ` +
            "the sources have it, with <name> for each value, or remove it"
          ]
        })
      ),
      []
    )
  })
})
