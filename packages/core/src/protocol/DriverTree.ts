/**
 * The tree of drivers an exporter offers, as told by `GetReport` (`protocol.md` 7).
 *
 * @since 0.1.0
 */
import type { DriverInstanceReport } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { shownPath } from "./shownPath.ts"
import { isUuid, normalizeUuid } from "./uuid.ts"

/**
 * The label that names the Python client class of a driver, which is what identifies its interface.
 *
 * @since 0.1.0
 * @category models
 */
export const clientLabel = "jumpstarter.dev/client"

/**
 * The label that carries a driver's name among its siblings.
 *
 * @since 0.1.0
 * @category models
 */
export const nameLabel = "jumpstarter.dev/name"

/**
 * One driver in the tree. A proxied driver occurs at several places with the same uuid, so a place in the tree is
 * identified by its path and not by its uuid.
 *
 * @since 0.1.0
 * @category models
 */
export interface DriverNode {
  /** Random for every driver instance: it changes when the exporter restarts or the lease changes hands. */
  readonly uuid: string
  /** The name among its siblings; empty for the root. */
  readonly name: string
  /** The names from the root to here; empty for the root. */
  readonly path: ReadonlyArray<string>
  readonly labels: Readonly<Record<string, string>>
  readonly description: Option.Option<string>
  /** Help texts of the driver's command line, by command. */
  readonly methodsDescription: Readonly<Record<string, string>>
  readonly children: ReadonlyMap<string, DriverNode>
}

/**
 * A report that makes no tree.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidReport extends Schema.TaggedError<InvalidReport>(
  "@effect-jumpstarter/core/DriverTree/InvalidReport"
)("InvalidReport", { reason: Schema.String }) {
  override get message(): string {
    return `the exporter's report is not a driver tree: ${this.reason}`
  }
}

/**
 * A path at which there is no driver. `available` lists the paths that exist, as lists of names where a name has a dot.
 *
 * @since 0.1.0
 * @category errors
 */
export class DriverNotFound extends Schema.TaggedError<DriverNotFound>(
  "@effect-jumpstarter/core/DriverTree/DriverNotFound"
)("DriverNotFound", { path: Schema.String, available: Schema.Array(Schema.String) }) {
  override get message(): string {
    const list = this.available.length === 0 ? "there are none" : `there are: ${this.available.join(", ")}`
    return `no driver at ${JSON.stringify(this.path)}, ${list}`
  }
}

/**
 * Writes the path of a driver with dots, as in `storage.mux`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const formatPath = (path: ReadonlyArray<string>): string => path.join(".")

// No bench is that deep; a report that is would exhaust the stack.
const maxDepth = 500

interface Draft {
  readonly report: DriverInstanceReport
  readonly depth: number
  readonly children: Map<string, Draft>
}

const finish = (draft: Draft, name: string, path: ReadonlyArray<string>): DriverNode => ({
  uuid: draft.report.uuid,
  name,
  path,
  labels: draft.report.labels,
  description: Option.fromNullable(draft.report.description),
  methodsDescription: draft.report.methodsDescription,
  children: new Map(Array.from(draft.children, ([name, child]) => [name, finish(child, name, [...path, name])]))
})

/**
 * Builds the tree. Reports must come parents first; a child belongs to the latest report with its parent's uuid, so
 * that proxied subtrees find their place. Of several roots, and of several siblings with one name, the last counts, as
 * in the reference implementation.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromReports = (
  reports: ReadonlyArray<DriverInstanceReport>
): Either.Either<DriverNode, InvalidReport> => {
  const latest = new Map<string, Draft>()
  let root: Draft | undefined
  for (const report of reports) {
    if (!isUuid(report.uuid)) {
      return Either.left(new InvalidReport({ reason: `${JSON.stringify(report.uuid)} is not a UUID` }))
    }
    const uuid = normalizeUuid(report.uuid)
    const children = new Map<string, Draft>()
    if (report.parentUuid === undefined || report.parentUuid === "") {
      root = { report, depth: 0, children }
      latest.set(uuid, root)
    } else {
      const parent = latest.get(normalizeUuid(report.parentUuid))
      if (parent === undefined) {
        return Either.left(
          new InvalidReport({ reason: `driver ${report.uuid} comes before its parent ${report.parentUuid}` })
        )
      }
      if (parent.depth === maxDepth) {
        return Either.left(new InvalidReport({ reason: `it is more than ${maxDepth} drivers deep` }))
      }
      const draft: Draft = { report, depth: parent.depth + 1, children }
      parent.children.set(report.labels[nameLabel] ?? "", draft)
      latest.set(uuid, draft)
    }
  }
  return root === undefined
    ? Either.left(new InvalidReport({ reason: reports.length === 0 ? "it is empty" : "it has no root driver" }))
    : Either.right(finish(root, "", []))
}

/**
 * What a tree of drivers is made of: the nodes of a report, and the clients made from them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Branch<Self> {
  readonly path: ReadonlyArray<string>
  readonly children: ReadonlyMap<string, Self>
}

/**
 * A node and all nodes below it, parents first.
 *
 * @since 0.1.0
 * @category combinators
 */
export const nodes = <Node extends Branch<Node>>(node: Node): ReadonlyArray<Node> => {
  const found: Array<Node> = []
  const visit = (node: Node): void => {
    found.push(node)
    node.children.forEach(visit)
  }
  visit(node)
  return found
}

/**
 * The node at a path below another: names joined by dots, or a list of names where a name itself has a dot. The empty
 * path is the node itself.
 *
 * @since 0.1.0
 * @category combinators
 */
export const find = <Node extends Branch<Node>>(
  node: Node,
  path: string | ReadonlyArray<string>
): Either.Either<Node, DriverNotFound> => {
  const names = typeof path === "string" ? path === "" ? [] : path.split(".") : path
  let found: Node | undefined = node
  for (const name of names) found = found?.children.get(name)
  return found === undefined
    ? Either.left(
      new DriverNotFound({
        path: formatPath([...node.path, ...names]),
        available: nodes(node).slice(1).map(({ path }) => shownPath(path))
      })
    )
    : Either.right(found)
}
