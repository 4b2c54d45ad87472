// Where and why a value does not match its contract, in text for people.
import * as Array from "effect/Array"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import type { ValuePath } from "../protocol/DriverError.ts"
import * as DriverMethod from "./DriverMethod.ts"

export interface Mismatch {
  readonly path: ValuePath
  readonly reason: string
}

// The part of a value that fits into an error message.
const shown = 200

const sentence = (text: string): string => {
  const line = text
    .replace(/^Expected /, "expected ")
    .replace(/ \((Encoded|Type) side\)/g, "")
    .replace(/\s*\n\s*/g, " ")
  return line.length <= shown ? line : `${line.slice(0, shown)}…`
}

const hasMessage = (ast: AST.AST): boolean => Option.isSome(AST.getMessageAnnotation(ast))

// The side of a schema against which a value is checked: the encoded one, or the decoded one.
type Side = (ast: AST.AST) => AST.AST

// The first problem. For a union it is the union itself, unless a single member came close.
const locate = (side: Side) => {
  const go = (issue: ParseResult.ParseIssue, path: ValuePath): Mismatch => {
    const here = (issue: ParseResult.ParseIssue): Mismatch => ({
      path,
      reason: sentence(
        ParseResult.ArrayFormatter.formatIssueSync(issue)[0]?.message ?? "it is not what the contract describes"
      )
    })
    switch (issue._tag) {
      case "Pointer":
        return go(issue.issue, [
          ...path,
          ...Array.ensure(issue.path).map((step) => typeof step === "number" ? step : String(step))
        ])
      case "Missing":
        // The reported type of a missing tuple element is not reliable.
        return {
          path,
          reason: issue.ast instanceof AST.PropertySignature
            ? sentence(`it is missing, expected ${side(issue.ast.type)}`)
            : "it is missing"
        }
      case "Unexpected":
        return { path, reason: "it is not expected here" }
      case "Composite": {
        if (hasMessage(issue.ast)) return here(issue)
        const issues = Array.ensure(issue.issues)
        if (!AST.isUnion(issue.ast)) return go(issues[0]!, path)
        const close = issues.filter(({ _tag }) => _tag !== "Type")
        return close.length === 1
          ? go(close[0]!, path)
          : here(new ParseResult.Type(side(issue.ast), issue.actual))
      }
      case "Refinement":
        return issue.kind === "From" && !hasMessage(issue.ast) ? go(issue.issue, path) : here(issue)
      case "Transformation":
        return hasMessage(issue.ast) ? here(issue) : go(issue.issue, path)
      default:
        return here(issue)
    }
  }
  return go
}

// Mismatches of a value that cannot be decoded, and of one that cannot be encoded.
export const ofEncoded = locate(AST.encodedAST)

export const ofType = locate(AST.typeAST)

// A value that is not the expected one, described in the words of schemas.
export const wrong = (path: ValuePath, expected: string, actual: unknown): Mismatch =>
  ofType(new ParseResult.Type(Schema.Never.annotations({ identifier: expected }).ast, actual), path)

const count = (number: number): string => `${number === 0 ? "no" : number} argument${number === 1 ? "" : "s"}`

// How many arguments a method takes, in words.
const arity = ({ args = [], rest }: DriverMethod.ArgumentOptions): string => {
  const required = args.filter((argument) => !DriverMethod.isOptional(argument)).length
  if (rest !== undefined) return `at least ${count(required)}`
  return required === args.length ? count(required) : `${required} to ${count(args.length)}`
}

// Whether there are more arguments than the method takes.
export const surplus = (options: DriverMethod.ArgumentOptions, given: number): Mismatch | undefined => {
  const { args = [], rest } = options
  return rest === undefined && given > args.length
    ? { path: [args.length], reason: `the method takes ${arity(options)}, not ${given}` }
    : undefined
}

export const missing = (options: DriverMethod.ArgumentOptions, index: number): Mismatch => ({
  path: [index],
  reason: `the argument is missing, the method takes ${arity(options)}`
})
