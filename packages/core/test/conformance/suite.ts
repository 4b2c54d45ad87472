// Runs the conformance suite, and tells its complaints apart: the suite itself knows only cases that fail and cases that do not.
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as program from "../support/program.ts"
import type { Program } from "../support/programs.ts"
import * as temporary from "../support/temporary.ts"

/** Where scripts/conformance.mjs has put the suite, if there is one. */
export const directory = process.env["CONFORMANCE_SUITE"]

export interface Run {
  readonly mode: "client" | "server"
  /** The program that the suite drives, and its arguments. */
  readonly program: readonly [name: Program, ...args: ReadonlyArray<string>]
  readonly tls: boolean
  readonly clientCertificates: boolean
  /** Patterns of the names of cases: only these. */
  readonly only?: ReadonlyArray<string>
  /** A suite to run instead of the ones that the program brings. */
  readonly cases?: unknown
}

export interface Complaint {
  readonly test: string
  readonly complaint: string
}

export interface Report {
  readonly total: number
  readonly complaints: ReadonlyArray<Complaint>
}

const features = ({ clientCertificates, tls }: Run) => ({
  versions: ["HTTP_VERSION_2"],
  protocols: ["PROTOCOL_GRPC"],
  codecs: ["CODEC_PROTO"],
  compressions: ["COMPRESSION_IDENTITY"],
  supportsH2c: true,
  supportsTls: tls,
  supportsTlsClientCerts: clientCertificates
})

const complaintsOf = (lines: string): ReadonlyArray<string> =>
  lines.split("\n").map((line) => line.trim()).filter((line) => line !== "")

/** Reads what the suite prints. Throws when it has not run all of its cases. */
export const parse = (output: string): Report => {
  const [, total, passed, failed] = /^Total cases: (\d+)\n(\d+) passed, (\d+) failed$/m.exec(output) ?? []
  const cases = Array.from(
    output.matchAll(/^FAILED: (.*):\n((?:\t.*\n)+)/gm),
    ([, test = "", lines = ""]) => complaintsOf(lines).map((complaint) => ({ test, complaint }))
  )
  // A case that has another form than these would pass for one without complaints.
  const complete = cases.length === Number(failed) && Number(passed) + Number(failed) === Number(total)
  if (!complete || output.includes("could not be run")) {
    throw new Error(`the conformance suite has not run: ${output.slice(-2_000)}`)
  }
  return { total: Number(total), complaints: cases.flat() }
}

// Below that of the test, so that what the suite has said is shown.
const limit = 50_000

export const run = (options: Run): Effect.Effect<Report> =>
  Effect.scoped(Effect.gen(function*() {
    const files = yield* temporary.directory
    const write = (name: string, content: unknown) =>
      // JSON is YAML.
      Effect.promise(() => writeFile(join(files, name), JSON.stringify(content)))
    yield* write("features.yaml", { features: features(options) })
    if (options.cases !== undefined) yield* write("cases.yaml", options.cases)
    const { mode, only = [], program: [name, ...args] } = options
    const suite = directory ?? ""
    const output = yield* Effect.async<string>((resume) => {
      const child = execFile(
        join(suite, "connectconformance"),
        [
          ...["--conf", join(files, "features.yaml"), "--mode", mode],
          ...only.flatMap((pattern) => ["--run", pattern]),
          ...(options.cases === undefined ? [] : ["--test-file", join(files, "cases.yaml")]),
          ...["--", process.execPath, program.path(name), ...args]
        ],
        {
          env: { ...process.env, CONFORMANCE_MESSAGES: join(suite, "messages.binpb") },
          maxBuffer: 64 * 1024 * 1024,
          timeout: limit
        },
        // That it exits with a failure says no more than its complaints.
        (error, stdout, stderr) => resume(Effect.succeed(stdout === "" ? `${error?.message} ${stderr}` : stdout))
      )
      return Effect.sync(() => child.kill())
    })
    return parse(output)
  }))
