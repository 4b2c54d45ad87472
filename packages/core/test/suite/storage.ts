// What a storage does and refuses. It runs against the storage in memory, and against OpenDAL over a Python exporter's
// directory.
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { Opendal } from "../../src/drivers/index.ts"
import type { DriverCallError } from "../../src/protocol/DriverError.ts"

const base = "conduct"

const at = (path: string): string => `${base}/${path}`

const within = (path: string): string => path.slice(base.length + 1)

type Act = (storage: Opendal.Client) => Effect.Effect<unknown, DriverCallError>

const run = <A, E>(stream: Stream.Stream<A, E>) => Effect.map(Stream.runCollect(stream), (items) => [...items])

const names = (paths: Stream.Stream<string, DriverCallError>) =>
  Effect.map(run(paths), (paths) => paths.map(within).sort())

const write = (path: string): Act => (storage) => Opendal.writeString(storage, at(path), "new")
const read = (path: string): Act => (storage) =>
  Effect.catchTag(Opendal.readString(storage, at(path)), "TransferTooLarge", Effect.die)
const hash = (path: string): Act => (storage) => storage.hash(at(path))
const stat = (path: string): Act => (storage) =>
  Effect.map(storage.stat(at(path)), ({ mode }) => mode.entry_is_dir ? "directory" : "file")
const exists = (path: string): Act => (storage) => storage.exists(at(path))
const copy = (from: string, to: string): Act => (storage) => storage.copy(at(from), at(to))
const rename = (from: string, to: string): Act => (storage) => storage.rename(at(from), at(to))
const create = (path: string): Act => (storage) => storage.create_dir(at(path))
const remove = (path: string): Act => (storage) => storage.delete(at(path))
const removeAll = (path: string): Act => (storage) => storage.remove_all(at(path))
const list = (path: string): Act => (storage) => names(storage.list(at(path)))
const scan = (path: string): Act => (storage) => names(storage.scan(at(path)))

const before = ["", "e/", "f", "n/", "n/m/", "n/m/y", "n/x", "nn"]

const notBelow = "Unexpected (temporary) at OPERATION => not a directory"

/**
 * An act, and its result or the beginning of its failure. The files stay as they were before, unless the last column lists
 * the files afterwards.
 */
const acts: ReadonlyArray<
  readonly [what: string, act: Act, outcome: { readonly answers: unknown } | string, after?: ReadonlyArray<string>]
> = [
  ["writes a directory", write("a/"), "IsADirectory (permanent) at Operator::writer => write path is a directory"],
  ["writes below a file", write("f/c"), "AlreadyExists (permanent) at write => entity already exists"],
  ["writes further below a file", write("f/c/d"), notBelow.replace("OPERATION", "write")],
  ["writes onto a directory", write("n"), "Unexpected (temporary) at write => is a directory"],
  ["writes into new directories", write("g/h"), { answers: undefined }, [...before, "g/", "g/h"]],
  ["reads what is not there", read("nope"), "NotFound (permanent) at stat => entity not found"],
  ["reads what has a slash", read("f/"), "IsADirectory (permanent) at Operator::reader => read path is a directory"],
  ["reads below a file", read("f/c"), notBelow.replace("OPERATION", "stat")],
  ["hashes what is not there", hash("nope"), "NotFound (permanent) at stat => entity not found"],
  ["looks at a file", stat("f"), { answers: "file" }],
  ["looks at a directory", stat("n"), { answers: "directory" }],
  [
    "looks at a file with a slash",
    stat("f/"),
    "NotFound (permanent) at  => stat expected a directory, but found a file"
  ],
  ["looks below a file", stat("f/c"), notBelow.replace("OPERATION", "stat")],
  ["asks for a file", exists("f"), { answers: true }],
  ["asks for a directory", exists("n/"), { answers: true }],
  ["asks for a file with a slash", exists("f/"), { answers: false }],
  ["asks for what is not there", exists("nope"), { answers: false }],
  ["asks below a file", exists("f/c"), notBelow.replace("OPERATION", "stat")],
  ["copies onto what has a slash", copy("f", "a/"), "IsADirectory (permanent) at Operator::copy => to path"],
  ["copies from what has a slash", copy("n/", "z"), "IsADirectory (permanent) at Operator::copy => from path"],
  ["copies onto a directory", copy("f", "n"), "Unexpected (temporary) at copy => is a directory"],
  ["copies below a file", copy("f", "f/c"), "AlreadyExists (permanent) at copy => entity already exists"],
  ["copies from below a file", copy("f/c", "z"), notBelow.replace("OPERATION", "copy")],
  ["copies onto itself", copy("f", "f"), "IsSameFile (permanent) at Operator::copy => from and to paths are same"],
  ["copies a directory", copy("n", "z"), "Unexpected (temporary) at copy => invalid input parameter"],
  ["copies what is not there", copy("nope", "z"), "NotFound (permanent) at copy => entity not found"],
  ["copies a file", copy("f", "g/h"), { answers: undefined }, [...before, "g/", "g/h"]],
  ["renames to what has a slash", rename("f", "a/"), "IsADirectory (permanent) at Operator::move_ => to path"],
  ["renames what is not there", rename("nope", "z"), "NotFound (permanent) at rename => entity not found"],
  ["renames onto a directory", rename("f", "e"), "Unexpected (temporary) at rename => is a directory"],
  ["renames a file", rename("f", "nn"), { answers: undefined }, before.filter((name) => name !== "f")],
  [
    "renames a directory",
    rename("n", "e"),
    { answers: undefined },
    ["", "e/", "e/m/", "e/m/y", "e/x", "f", "nn"]
  ],
  ["renames a directory onto a file", rename("n", "f"), notBelow.replace("OPERATION", "rename")],
  ["renames a directory onto another", rename("e", "n"), "Unexpected (temporary) at rename => directory not empty"],
  [
    "renames a directory into itself",
    rename("n", "n/q"),
    "Unexpected (temporary) at rename => invalid input parameter"
  ],
  ["makes a directory without its slash", create("g"), "NotADirectory (permanent) at create_dir => the path trying"],
  ["makes a directory of a file", create("f/"), "AlreadyExists (permanent) at create_dir => entity already exists"],
  ["makes a directory below a file", create("f/c/"), notBelow.replace("OPERATION", "create_dir")],
  ["makes a directory that is there", create("n/"), { answers: undefined }],
  ["deletes a directory with files", remove("n/"), "Unexpected (temporary) at delete => directory not empty"],
  ["deletes it without its slash", remove("n"), "Unexpected (temporary) at delete => directory not empty"],
  ["deletes an empty directory", remove("e"), { answers: undefined }, before.filter((name) => name !== "e/")],
  ["deletes a file", remove("f"), { answers: undefined }, before.filter((name) => name !== "f")],
  ["deletes a file with a slash", remove("f/"), { answers: undefined }, before.filter((name) => name !== "f")],
  ["deletes what is not there", remove("nope"), { answers: undefined }],
  ["deletes below a file", remove("f/c"), notBelow.replace("OPERATION", "delete")],
  ["removes a directory", removeAll("n/"), { answers: undefined }, ["", "e/", "f", "nn"]],
  ["removes everything that begins so", removeAll("n"), { answers: undefined }, ["", "e/", "f"]],
  ["removes a file with a slash", removeAll("f/"), { answers: undefined }],
  ["removes below a file", removeAll("f/c"), notBelow.replace("OPERATION", "stat")],
  ["lists a directory", list("n/"), { answers: ["n/", "n/m/", "n/x"] }],
  ["lists what begins so", list("n"), { answers: ["n/", "nn"] }],
  ["lists what begins with a file", list("f"), { answers: ["f"] }],
  ["lists below a file", list("f/"), { answers: [] }],
  ["scans what begins so", scan("n"), { answers: ["n/", "n/m/", "n/m/y", "n/x", "nn"] }],
  ["scans what is not there", scan("nope/"), { answers: [] }]
]

/** The acts and their names, for the client of a storage. */
export const conduct = acts.map(([what, act, outcome, after = before]) => ({
  what,
  shows: Effect.fnUntraced(function*(client: Opendal.Client) {
    yield* client.remove_all(at(""))
    for (const path of ["f", "n/x", "n/m/y", "nn"]) yield* Opendal.writeString(client, at(path), path)
    yield* client.create_dir(at("e/"))
    const result = yield* Effect.either(act(client))
    if (typeof outcome === "string") {
      const details = Either.match(result, { onLeft: (error) => error.details, onRight: () => "it succeeds" })
      strictEqual(details.slice(0, outcome.length), outcome)
    } else {
      deepStrictEqual(result, Either.right(outcome.answers))
    }
    deepStrictEqual(yield* names(client.scan(at(""))), after.toSorted())
  })
}))
