// Makes the page of a record from its lines.
import * as BenchRecord from "@effect-jumpstarter/core/testing/BenchRecord"
import * as Effect from "effect/Effect"
import * as output from "../output.ts"
import * as visible from "../visible.ts"

export interface Arguments {
  readonly json: boolean
  readonly file: string
}

export const run = ({ file, json }: Arguments) =>
  Effect.flatMap(BenchRecord.writePage(file), (page) => output.document(json, { page }, () => [visible.line(page)]))
