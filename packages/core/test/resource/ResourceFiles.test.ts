// Local files as sources and targets: files without positions, files that change while they are read, files that cannot be
// written.
import { Driver, ExporterConnection, Resource } from "@effect-jumpstarter/core"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import { FileSystem } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, type Scope, Stream } from "effect"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import * as program from "../support/program.ts"
import * as temporary from "../support/temporary.ts"

const mebibyte = 1024 * 1024

/** Counts the flashed bytes, and dumps as many mebibytes as requested. */
const board = Driver.make({
  client: "board",
  methods: {
    flash: Driver.call(([handle], { resource }) =>
      Effect.scoped(
        Effect.flatMap(resource(handle), ({ read }) => Stream.runFold(read, 0, (sum, bytes) => sum + bytes.length))
      )
    ),
    dump: Driver.call(([handle, count], { resource }) =>
      Effect.scoped(
        Effect.flatMap(resource(handle), ({ write }) =>
          write(Stream.map(Stream.range(1, Number(count)), () => new Uint8Array(mebibyte))))
      )
    )
  }
})

const call = <A, E, R>(method: string, resource: Resource.Resource<A, E, R>, ...rest: ReadonlyArray<number>) =>
  Effect.gen(function*() {
    const client = yield* ExporterConnection.driver("board")
    return yield* client.call(method, yield* client.resource(resource), ...rest)
  }).pipe(Effect.scoped)

const flash = (path: string) => Effect.flatMap(Resource.fromFile(path), (image) => call("flash", image))

const dump = (path: string, mebibytes: number) =>
  Effect.flatMap(Resource.toFile(path), (target) => call("dump", target, mebibytes))

const test = <A, E>(
  name: string,
  body: Effect.Effect<A, E, ExporterConnection.ExporterConnection | FileSystem.FileSystem | Scope.Scope>
) => it.scopedLive(name, () => Effect.provide(body, [ExporterTest.layer({ board }), NodeFileSystem.layer]))

const fifo = Effect.tap(
  Effect.map(temporary.directory, (directory) => `${directory}/fifo`),
  (path) => Effect.sync(() => execFileSync("mkfifo", [path]))
)

/** Runs a shell command; `output` is what it prints. */
const shell = (command: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync((): ChildProcess => spawn("sh", ["-c", command], { stdio: ["ignore", "pipe", "inherit"] })),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    ),
    (child) => {
      let text = ""
      child.stdout?.on("data", (data) => {
        text += String(data)
      })
      return { child, output: Effect.promise(() => once(child, "close").then(() => text.trim())) }
    }
  )

const descriptors = Effect.sync(() => fs.readdirSync("/proc/self/fd").length)

describe("a pipe", () => {
  test(
    "is flashed to its end, even when its writer is late",
    Effect.gen(function*() {
      const path = yield* fifo
      const flashing = yield* Effect.fork(flash(path))
      yield* shell(`head -c 1000000 /dev/zero > ${path}; true`)
      assert.strictEqual(yield* Fiber.join(flashing), 1_000_000)
    })
  )

  test(
    "is read in order, and has no size",
    Effect.gen(function*() {
      const path = yield* fifo
      const image = yield* Resource.fromFile(path)
      assert.deepStrictEqual(image.size, Option.none())
      yield* shell(`{ seq 1 100000; } > ${path}`)
      const text = yield* Stream.mkString(Stream.decodeText(image.stream))
      assert.strictEqual(text, Array.from({ length: 100_000 }, (_, index) => `${index + 1}\n`).join(""))
    })
  )

  test(
    "can be read only once, and says so",
    Effect.gen(function*() {
      const path = yield* fifo
      const image = yield* Resource.fromFile(path)
      yield* shell(`echo 1 > ${path}`)
      yield* Stream.runDrain(image.stream)
      const error = yield* Effect.flip(Stream.runDrain(image.stream))
      assert.include(error.message, "it is a pipe, which can be read only once")
    })
  )

  test(
    "accepts a dump once somebody reads from it, at the reader's pace",
    Effect.gen(function*() {
      const path = yield* fifo
      const dumping = yield* Effect.fork(dump(path, 3))
      const { output } = yield* shell(`cat ${path} | wc -c`)
      yield* Fiber.join(dumping)
      assert.strictEqual(yield* output, String(3 * mebibyte))
    })
  )

  test(
    "fails the dump when its reader leaves",
    Effect.gen(function*() {
      const path = yield* fifo
      const dumping = yield* Effect.fork(Effect.flip(dump(path, 100)))
      yield* shell(`head -c 100 ${path}`)
      const error = yield* Fiber.join(dumping)
      assert.strictEqual(error._tag, "SystemError")
      assert.include(error.message, `(${path}): nobody reads from this pipe any more (EPIPE)`)
    })
  )

  test(
    "without a process at the other end does not block the program, and leaks no descriptor",
    Effect.gen(function*() {
      const path = yield* fifo
      const before = yield* descriptors
      for (const use of [flash(path), dump(path, 1)]) {
        // More transfers than Node has threads for files.
        const waiting = yield* Effect.all(Array.from({ length: 6 }, () => Effect.fork(use)))
        yield* Effect.sleep("50 millis")
        yield* Effect.forEach(waiting, Fiber.interrupt)
        yield* Effect.flatMap(FileSystem.FileSystem, (fileSystem) => fileSystem.stat(path))
      }
      yield* Effect.repeat(descriptors, { until: (count) => count <= before })
    })
  )
})

const standardInput = program.path("standardInput")
const standardOutput = program.path("standardOutput")

/** Runs a program; `output` and `errors` are what it prints until it ends. Streams in `unread` are not read. */
const run = (file: string, args: ReadonlyArray<string>, stdin: "pipe" | "ignore" | number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(process.execPath, [file, ...args], { stdio: [stdin, "pipe", "pipe"] })
        const { stderr, stdin: input, stdout } = child
        if (stdout === null || stderr === null) throw new Error("they are pipes")
        return { child, input, stdout: stdout.setEncoding("utf8"), stderr: stderr.setEncoding("utf8") }
      }),
      ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
    ),
    ({ child, input, stderr, stdout }) => {
      const text = { output: "", errors: "" }
      stderr.on("data", (data: string) => {
        text.errors += data
      })
      const unread = Effect.promise(() => once(child, "close").then(() => text))
      const ended = Effect.suspend(() => {
        stdout.on("data", (data: string) => {
          text.output += data
        })
        return unread
      })
      return { child, input, stdout, stderr, ended, unread }
    }
  )

describe("standard input", () => {
  for (const stdio of ["pipe", "file", "socket"] as const) {
    it.scopedLive(`that is a ${stdio} is read to its end`, () =>
      Effect.gen(function*() {
        const path = `${yield* temporary.directory}/image`
        fs.writeFileSync(path, new Uint8Array(300_000))
        if (stdio !== "socket") {
          const command = `${process.execPath} ${standardInput}`
          const { output } = yield* shell(stdio === "pipe" ? `cat ${path} | ${command}` : `${command} < ${path}`)
          assert.strictEqual(yield* output, "300000")
          return
        }
        const { ended, input } = yield* run(standardInput, [], "pipe")
        input?.end(new Uint8Array(300_000))
        assert.deepStrictEqual(yield* ended, { output: "300000\n", errors: "" })
      }))
  }

  // A pipe that this process has open at both ends, or a socket: neither ends while the program runs.
  const openInput = (stdio: "pipe" | "socket") =>
    stdio === "socket" ? Effect.succeed("pipe" as const) : Effect.flatMap(fifo, (path) =>
      Effect.acquireRelease(
        Effect.sync(() => fs.openSync(path, "r+")),
        (fd) => Effect.sync(() => fs.closeSync(fd))
      ))

  for (const stdio of ["pipe", "socket"] as const) {
    for (const name of ["interrupted", "early"] as const) {
      it.scopedLive(
        `that is a ${stdio} without an end does not keep a program alive whose transfer is ${name}`,
        () =>
          Effect.gen(function*() {
            const stdin = yield* openInput(stdio)
            const { ended, input } = yield* run(standardInput, [name], stdin)
            if (typeof stdin === "number") fs.writeSync(stdin, "some")
            else input?.write("some")
            assert.deepStrictEqual(yield* ended, { output: `${name}\n`, errors: "" })
          })
      )
    }
  }

  it.scopedLive("can be used repeatedly, and keeps no listeners of earlier transfers", () =>
    Effect.gen(function*() {
      const { ended, input, stdout } = yield* run(standardInput, ["often"], "pipe")
      stdout.once("data", () => input?.write("some"))
      assert.deepStrictEqual(yield* ended, { output: "often\nand again\n", errors: "" })
    }))

  it.scopedLive("that is closed before its end fails the transfer", () =>
    Effect.gen(function*() {
      const { ended, input } = yield* run(standardInput, ["closed"], "pipe")
      input?.write("some")
      assert.deepStrictEqual(yield* ended, {
        output: "BadResource: FileSystem.read (/dev/stdin): it was closed before its end\n",
        errors: ""
      })
    }))
})

describe("standard output", () => {
  const lines = Array.from({ length: 20 }, (_, index) => `${index}\n`).join("")

  it.scopedLive("keeps no listeners of earlier transfers", () =>
    Effect.gen(function*() {
      const output = yield* run(standardOutput, ["/dev/stdout"], "ignore")
      assert.deepStrictEqual(yield* output.ended, { output: lines, errors: "" })
      const errors = yield* run(standardOutput, ["/dev/stderr"], "ignore")
      assert.deepStrictEqual(yield* errors.ended, { output: "", errors: lines })
    }))

  it.scopedLive("that is closed does not end a program whose transfer was interrupted", () =>
    Effect.gen(function*() {
      const { child, stderr, stdout, unread } = yield* run(standardOutput, ["/dev/stdout", "stalled"], "ignore")
      stderr.once("data", () => stdout.destroy())
      assert.strictEqual((yield* unread).errors, "interrupted\n")
      assert.strictEqual(child.exitCode, 0)
    }))
})

describe("a device", () => {
  test(
    "is read in order",
    Effect.gen(function*() {
      const { size, stream } = yield* Resource.fromFile("/dev/zero")
      assert.deepStrictEqual(size, Option.none())
      const some = yield* Stream.runFold(Stream.take(stream, 8), 0, (sum, bytes) => sum + bytes.length)
      assert.isAbove(some, 0)
    })
  )

  test("is written in order", Effect.asVoid(dump("/dev/null", 3)))

  test(
    "that is full fails the dump",
    Effect.gen(function*() {
      const error = yield* Effect.flip(dump("/dev/full", 1))
      assert.strictEqual(error._tag, "SystemError")
      assert.include(error.message, "ENOSPC")
    })
  )
})

describe("a regular file", () => {
  const image = Effect.map(temporary.directory, (directory) => {
    const path = `${directory}/image`
    fs.writeFileSync(path, new Uint8Array(mebibyte))
    return path
  })

  test(
    "fails the transfer when it is cut or grows before it is read",
    Effect.gen(function*() {
      for (const size of [1000, mebibyte + 1, 0]) {
        const path = yield* image
        const source = yield* Resource.fromFile(path)
        fs.truncateSync(path, size)
        const error = yield* Effect.flip(call("flash", source))
        assert.deepStrictEqual(
          error,
          new Resource.SizeMismatch({ of: "source", expected: mebibyte, actual: size })
        )
      }
    })
  )

  test(
    "of /proc and /sys is read completely, regardless of its reported size",
    Effect.gen(function*() {
      for (const path of ["/proc/cpuinfo", "/proc/self/status", "/sys/kernel/mm/transparent_hugepage/enabled"]) {
        if (!fs.existsSync(path)) continue
        assert.isAbove(Number(yield* flash(path)), 0, path)
      }
    })
  )

  test(
    "that is empty can be flashed",
    Effect.gen(function*() {
      const path = yield* image
      fs.truncateSync(path, 0)
      assert.strictEqual(yield* flash(path), 0)
    })
  )

  test(
    "cannot be created where a directory is",
    Effect.gen(function*() {
      const exit = yield* Effect.exit(dump(yield* temporary.directory, 1))
      if (Exit.isSuccess(exit) || exit.cause._tag !== "Fail") return assert.fail(String(exit))
      assert.strictEqual(exit.cause.error._tag, "SystemError")
      assert.include(exit.cause.error.message, "EISDIR")
    })
  )
})
