// YAML 1.1, which PyYAML reads, with the line of each key. The parser's own messages are never shown: they quote the text, which has
// tokens.
import * as Either from "effect/Either"
import {
  type Document,
  isMap,
  isNode,
  isPair,
  isScalar,
  LineCounter,
  parseDocument,
  type ScalarTag,
  type Tags,
  type YAMLError
} from "yaml"

export interface YamlProblem {
  readonly line: number | undefined
  readonly details: string
}

export interface YamlDocument {
  readonly value: unknown
  /** The line of a key. For a missing key, the line of the nearest mapping around it. */
  readonly lineOf: (path: ReadonlyArray<PropertyKey>) => number | undefined
}

const explanations: Partial<Record<YAMLError["code"], string>> = {
  BAD_INDENT: "the indentation does not fit the lines around it",
  BAD_SCALAR_START: "a value begins with a character that YAML reserves; write the value in quotes",
  BLOCK_AS_IMPLICIT_KEY: "there is a second colon; write a value that contains a colon and a space in quotes",
  DUPLICATE_KEY: "the key occurs twice",
  MISSING_CHAR: "a quote, a bracket, a comma or a colon is missing",
  MULTILINE_IMPLICIT_KEY: "the colon after a key is missing",
  MULTIPLE_DOCS: "there is more than one document; a configuration has no line ---",
  TAB_AS_INDENT: "the line is indented with a tab; YAML takes spaces"
}

// PyYAML takes a number with an exponent for a text, unless it has a dot and the exponent a sign: `e1` and `1e3` are names of exporters.
const withExponent: ScalarTag = {
  tag: "tag:yaml.org,2002:float",
  default: true,
  format: "EXP",
  test: /^[-+]?(?:[0-9][0-9_]*)?\.[0-9_]*[eE][-+][0-9]+$/,
  resolve: (text) => Number(text.replaceAll("_", ""))
}

const customTags = (tags: Tags): Tags =>
  tags.map((tag) => typeof tag === "object" && "format" in tag && tag.format === "EXP" ? withExponent : tag)

const options = { version: "1.1", prettyErrors: false, stringKeys: true, customTags } as const

/** Parses a text into a document that can be changed. */
export const parseTree = (
  text: string
): Either.Either<{ readonly document: Document; readonly lines: LineCounter }, YamlProblem> => {
  const lines = new LineCounter()
  const document = parseDocument(text, { ...options, lineCounter: lines })
  const [error] = document.errors
  return error === undefined ? Either.right({ document, lines }) : Either.left({
    line: lines.linePos(error.pos[0]).line,
    details: explanations[error.code] ?? `the text is not YAML here (${error.code})`
  })
}

const lineOf = (document: Document, lines: LineCounter) => (path: ReadonlyArray<PropertyKey>): number | undefined => {
  let node: unknown = document.contents
  let offset = isNode(node) ? node.range?.[0] : undefined
  for (const key of path) {
    const pair = isMap(node)
      ? node.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === key)
      : undefined
    if (pair === undefined || !isScalar(pair.key)) break
    offset = pair.key.range?.[0] ?? offset
    node = pair.value
  }
  return offset === undefined ? undefined : lines.linePos(offset).line
}

export const parse = (text: string): Either.Either<YamlDocument, YamlProblem> =>
  Either.flatMap(parseTree(text), ({ document, lines }) =>
    Either.try({
      try: () => ({ value: document.toJS() as unknown, lineOf: lineOf(document, lines) }),
      // An alias of aliases can expand to any size; `yaml` throws beyond a limit.
      catch: () => ({ line: undefined, details: "its aliases make it too large" })
    }))
