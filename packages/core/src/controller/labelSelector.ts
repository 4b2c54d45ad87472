// Kubernetes label selectors, in the syntax that the controller accepts. They are parsed before they are sent, because the controller
// does not report the position of a mistake.
import * as Either from "effect/Either"

type Requirement =
  | { readonly key: string; readonly operator: "exists" | "missing" }
  | { readonly key: string; readonly operator: "in" | "notin"; readonly values: ReadonlyArray<string> }

export interface SelectorProblem {
  /** The position of the mistake, in characters from 1. */
  readonly position: number
  readonly details: string
}

export interface LabelSelector {
  readonly requirements: ReadonlyArray<Requirement>
  /** The selector in the form that the controller accepts. */
  readonly text: string
}

const name = /^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/

const prefix = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/

const keyProblem = (key: string): string | undefined => {
  const parts = key.split("/")
  const last = parts.at(-1) ?? ""
  return parts.length > 2
    ? `the label ${key} has more than one slash`
    : parts.length === 2 && !prefix.test(parts[0] ?? "")
    ? `${JSON.stringify(parts[0])} before the slash is not a domain name`
    : name.test(last)
    ? undefined
    : `${JSON.stringify(last)} is not a label: at most 63 letters, digits, dots, dashes and underscores`
}

const valueProblem = (value: string): string | undefined =>
  value === "" || name.test(value)
    ? undefined
    : `${JSON.stringify(value)} is not a label value: at most 63 letters, digits, dots, dashes and underscores`

interface Token {
  readonly text: string
  readonly position: number
}

// A token is an operator or a word. White space separates words.
const tokensOf = (text: string): ReadonlyArray<Token> =>
  Array.from(
    text.matchAll(/==|!=|[=!,()<>]|[^\s=!,()<>]+/g),
    ({ 0: token, index }) => ({ text: token, position: index + 1 })
  )

const isWord = (token: Token | undefined): token is Token => token !== undefined && /^[^=!,()<>]/.test(token.text)

class Reader {
  private next = 0

  constructor(private readonly tokens: ReadonlyArray<Token>, private readonly end: number) {}

  get token(): Token | undefined {
    return this.tokens[this.next]
  }

  get position(): number {
    return this.token?.position ?? this.end
  }

  take(...texts: ReadonlyArray<string>): boolean {
    const taken = texts.includes(this.token?.text ?? "")
    if (taken) this.next += 1
    return taken
  }

  word(): string | undefined {
    const { token } = this
    if (!isWord(token)) return undefined
    this.next += 1
    return token.text
  }
}

const shown = ({ token }: Reader): string => token === undefined ? "the end" : JSON.stringify(token.text)

const fail = (position: number, details: string): Either.Either<never, SelectorProblem> =>
  Either.left({ position, details })

const check = (position: number, problem: string | undefined): Either.Either<void, SelectorProblem> =>
  problem === undefined ? Either.void : fail(position, problem)

const wrong = (reader: Reader, expected: string) =>
  fail(reader.position, `expected ${expected}, found ${shown(reader)}`)

// Reads the values of a set, which may be empty.
const setOf = (reader: Reader): Either.Either<ReadonlyArray<string>, SelectorProblem> =>
  Either.gen(function*() {
    if (!reader.take("(")) return yield* wrong(reader, "an opening parenthesis")
    const values: Array<string> = []
    while (!reader.take(")")) {
      const { position } = reader
      const value = reader.word()
      if (value === undefined) return yield* wrong(reader, "a value or a closing parenthesis")
      yield* check(position, valueProblem(value))
      values.push(value)
      if (!reader.take(",") && reader.token?.text !== ")") {
        return yield* wrong(reader, "a comma or a closing parenthesis")
      }
    }
    return values
  })

const requirementOf = (reader: Reader): Either.Either<Requirement, SelectorProblem> =>
  Either.gen(function*() {
    const isMissing = reader.take("!")
    const { position } = reader
    const key = reader.word()
    if (key === undefined) return yield* wrong(reader, "a label")
    yield* check(position, keyProblem(key))
    if (isMissing) return { key, operator: "missing" }
    const operator = reader.token
    if (operator?.text === "<" || operator?.text === ">") {
      return yield* fail(
        operator.position,
        `the controller does not support ${operator.text}; list the values: ${key} in (4,5)`
      )
    }
    if (reader.take("=", "==", "!=")) {
      const { position } = reader
      const value = reader.word() ?? ""
      yield* check(position, valueProblem(value))
      return { key, operator: operator?.text === "!=" ? "notin" : "in", values: [value] }
    }
    if (isWord(operator) && (operator.text === "in" || operator.text === "notin")) {
      reader.take(operator.text)
      return { key, operator: operator.text, values: yield* setOf(reader) }
    }
    return { key, operator: "exists" }
  })

const format = (requirement: Requirement): string => {
  switch (requirement.operator) {
    case "exists":
      return requirement.key
    case "missing":
      return `!${requirement.key}`
    case "in":
    case "notin": {
      const [first, ...others] = requirement.values
      return first !== undefined && others.length === 0
        ? `${requirement.key}${requirement.operator === "in" ? "=" : "!="}${first}`
        : `${requirement.key} ${requirement.operator} (${requirement.values.join(",")})`
    }
  }
}

/** Parses a selector. An empty text has no requirements. */
export const parse = (text: string): Either.Either<LabelSelector, SelectorProblem> =>
  Either.gen(function*() {
    const reader = new Reader(tokensOf(text), text.length + 1)
    const requirements: Array<Requirement> = []
    const equal = new Map<string, string>()
    while (reader.token !== undefined || requirements.length > 0) {
      const { position } = reader
      const requirement = yield* requirementOf(reader)
      if (requirement.operator === "in" && requirement.values.length === 1) {
        const [value = ""] = requirement.values
        const other = equal.get(requirement.key) ?? value
        yield* check(
          position,
          other === value
            ? undefined
            : `${requirement.key} cannot be both ${other} and ${value}; write ${requirement.key} in (${other},${value})`
        )
        equal.set(requirement.key, value)
      }
      requirements.push(requirement)
      if (reader.token === undefined) break
      if (!reader.take(",")) return yield* wrong(reader, "a comma")
    }
    return { requirements, text: requirements.map(format).join(",") }
  })
