// Label selectors, which Kubernetes parses, formats and matches in this way, and the part of them that leases allow.
import * as Either from "effect/Either"
import * as labels from "./labels.ts"

type Operator = "=" | "==" | "!=" | "in" | "notin" | "exists" | "!" | "gt" | "lt"

export interface Requirement {
  readonly key: string
  readonly operator: Operator
  /** Sorted, without duplicates. */
  readonly values: ReadonlyArray<string>
}

/** Requirements in the order of their keys. A selector matches labels that meet all of them. */
export type Selector = ReadonlyArray<Requirement>

interface Token {
  readonly kind: "word" | "keyword" | "symbol" | "end"
  readonly text: string
}

const isSymbol = (character: string): boolean => "=!(),><".includes(character)

const isSpace = (character: string): boolean => " \t\r\n".includes(character)

const symbolAt = (text: string, at: number): string => {
  const two = text.slice(at, at + 2)
  return two === "==" || two === "!=" ? two : two.slice(0, 1)
}

const tokenize = (text: string): Array<Token> => {
  const tokens: Array<Token> = []
  let at = 0
  while (at < text.length) {
    const character = text[at] ?? ""
    if (isSpace(character)) {
      at++
    } else if (isSymbol(character)) {
      const symbol = symbolAt(text, at)
      tokens.push({ kind: "symbol", text: symbol })
      at += symbol.length
    } else {
      let end = at
      while (end < text.length && !isSymbol(text[end] ?? "") && !isSpace(text[end] ?? "")) end++
      const word = text.slice(at, end)
      tokens.push({ kind: word === "in" || word === "notin" ? "keyword" : "word", text: word })
      at = end
    }
  }
  return tokens
}

const end: Token = { kind: "end", text: "" }

const operators: Readonly<Record<string, Operator>> = {
  in: "in",
  notin: "notin",
  "=": "=",
  "==": "==",
  "!=": "!=",
  ">": "gt",
  "<": "lt"
}

class SyntaxProblem {
  constructor(readonly text: string) {}
}

const sorted = (values: Iterable<string>): Array<string> => [...new Set(values)].sort()

class Parser {
  private at = 0
  private readonly tokens: ReadonlyArray<Token>

  constructor(text: string) {
    this.tokens = tokenize(text)
  }

  selector(): Array<Requirement> {
    const requirements: Array<Requirement> = []
    for (;;) {
      const next = this.peek()
      if (next.kind === "end") return requirements
      if (!this.isWord(next) && next.text !== "!") {
        throw new SyntaxProblem(`found '${next.text}', expected: !, identifier, or 'end of string'`)
      }
      requirements.push(this.requirement())
      const after = this.take()
      if (after.kind === "end") return requirements
      if (after.text !== ",") throw new SyntaxProblem(`found '${after.text}', expected: ',' or 'end of string'`)
      const following = this.peek()
      if (!this.isWord(following) && following.text !== "!") {
        throw new SyntaxProblem(`found '${following.text}', expected: identifier after ','`)
      }
    }
  }

  private peek(): Token {
    return this.tokens[this.at] ?? end
  }

  private take(): Token {
    const token = this.peek()
    this.at++
    return token
  }

  // `in` and `notin` are words where no operator is possible.
  private isWord(token: Token): boolean {
    return token.kind === "word" || token.kind === "keyword"
  }

  private requirement(): Requirement {
    const wrong = (problem: string) => new SyntaxProblem(`unable to parse requirement: ${problem}`)
    let first = this.take()
    const absent = first.text === "!"
    if (absent) first = this.take()
    if (!this.isWord(first)) throw wrong(`found '${first.text}', expected: identifier`)
    const key = first.text
    const keyIs = labels.keyProblem(key)
    if (keyIs !== undefined) throw wrong(`key: Invalid value: ${JSON.stringify(key)}: ${keyIs}`)
    if (absent) return { key, operator: "!", values: [] }
    if (this.peek().kind === "end" || this.peek().text === ",") return { key, operator: "exists", values: [] }

    const token = this.take()
    const operator = token.kind === "word" ? undefined : operators[token.text]
    if (operator === undefined) throw wrong(`found '${token.text}', expected: in, notin, =, ==, !=, gt, lt`)
    const values = operator === "in" || operator === "notin" ? this.values(wrong) : [this.exactValue(wrong)]
    values.forEach((value, index) => {
      if ((operator === "gt" || operator === "lt") && !/^[-+]?\d+$/.test(value)) {
        throw wrong(
          `values[${index}]: Invalid value: ${
            JSON.stringify(value)
          }: for 'Gt', 'Lt' operators, the value must be an integer`
        )
      }
      const valueIs = labels.valueProblem(value)
      if (valueIs !== undefined) {
        throw wrong(`values[${index}][${key}]: Invalid value: ${JSON.stringify(value)}: ${valueIs}`)
      }
    })
    return { key, operator, values }
  }

  private exactValue(wrong: (problem: string) => SyntaxProblem): string {
    const next = this.peek()
    if (next.kind === "end" || next.text === ",") return ""
    if (!this.isWord(next)) throw wrong(`found '${next.text}', expected: identifier`)
    return this.take().text
  }

  private values(wrong: (problem: string) => SyntaxProblem): Array<string> {
    const open = this.take()
    if (open.text !== "(") throw wrong(`found '${open.text}' expected: '('`)
    const values: Array<string> = []
    let empty = true
    for (;;) {
      const next = this.take()
      if (this.isWord(next)) {
        if (!empty) throw wrong(`found '${next.text}', expected: ',' or ')'`)
        values.push(next.text)
        empty = false
      } else if (next.text === "," || next.text === ")") {
        // Between two commas is an empty value.
        if (empty) values.push("")
        empty = true
        if (next.text === ")") return sorted(values)
      } else {
        throw wrong(`found '${next.text}', expected: ',', ')' or identifier`)
      }
    }
  }
}

const byKey = (a: Requirement, b: Requirement): number => a.key < b.key ? -1 : a.key > b.key ? 1 : 0

/** Parses a selector, or returns the text of Kubernetes for its mistake. */
export const parse = (text: string): Either.Either<Selector, string> => {
  try {
    return Either.right(new Parser(text).selector().sort(byKey))
  } catch (problem) {
    if (problem instanceof SyntaxProblem) return Either.left(problem.text)
    throw problem
  }
}

const meets = ({ key, operator, values }: Requirement, given: Readonly<Record<string, string>>): boolean => {
  const value = Object.hasOwn(given, key) ? given[key] : undefined
  switch (operator) {
    case "=":
    case "==":
    case "in":
      return value !== undefined && values.includes(value)
    case "!=":
    case "notin":
      return value === undefined || !values.includes(value)
    case "exists":
      return value !== undefined
    case "!":
      return value === undefined
    case "gt":
    case "lt":
      return value !== undefined && /^[-+]?\d+$/.test(value)
        && (operator === "gt" ? BigInt(value) > BigInt(values[0] ?? 0) : BigInt(value) < BigInt(values[0] ?? 0))
  }
}

export const matches = (selector: Selector, given: Readonly<Record<string, string>>): boolean =>
  selector.every((requirement) => meets(requirement, given))

/** Parses the selector of a lease, which allows fewer operators and stores `!=` as `notin`. */
export const ofLease = (text: string): Either.Either<Selector, string> =>
  Either.flatMap(
    Either.mapLeft(parse(text), (problem) => `failed to parse label selector: ${problem}`),
    (requirements) => {
      const kept: Array<Requirement> = []
      for (const { key, operator, values } of requirements) {
        if (operator === "==" || operator === "gt" || operator === "lt") {
          return Either.left(`unsupported label selector operator: ${operator}`)
        }
        const before = operator === "=" ? kept.find((other) => other.key === key && other.operator === "=") : undefined
        if (before === undefined) kept.push({ key, operator: operator === "!=" ? "notin" : operator, values })
        else if (before.values[0] !== values[0]) {
          return Either.left(
            `invalid selector: label ${key} cannot have multiple equality requirements with different values (${
              before.values[0] ?? ""
            } and ${values[0] ?? ""})`
          )
        }
      }
      return Either.right(kept)
    }
  )

/** Returns the labels that a selector requires with `=`. */
export const equalities = (selector: Selector): Record<string, string> =>
  Object.fromEntries(
    selector.filter(({ operator }) => operator === "=").map(({ key, values }) => [key, values[0] ?? ""])
  )

const formatRequirement = ({ key, operator, values }: Requirement): string =>
  operator === "exists"
    ? key
    : operator === "!"
    ? `!${key}`
    : operator === "in" || operator === "notin"
    ? `${key} ${operator} (${values.join(",")})`
    : `${key}${operator}${values.join(",")}`

/** Formats a selector as Kubernetes does, an empty one as `<none>`. */
export const format = (selector: Selector): string =>
  selector.length === 0 ? "<none>" : selector.map(formatRequirement).join(",")
