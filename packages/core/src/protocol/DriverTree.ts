/**
 * The tree of drivers that an exporter reports through `GetReport` (`protocol.md` 7).
 *
 * @since 0.1.0
 */
import type { DriverInstanceReport } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { shownPath } from "./shownPath.ts"
import { spelled } from "./uuid.ts"

/**
 * The label with the Python client class of a driver. The class identifies the driver's interface.
 *
 * @since 0.1.0
 * @category models
 */
export const clientLabel = "jumpstarter.dev/client"

/**
 * The label with a driver's name among its siblings.
 *
 * @since 0.1.0
 * @category models
 */
export const nameLabel = "jumpstarter.dev/name"

/**
 * One driver in the tree. The path identifies a place in the tree. The uuid does not, because a proxied driver occurs at several
 * places with the same uuid.
 *
 * @since 0.1.0
 * @category models
 */
export interface DriverNode {
  /** Random for every driver instance: it changes when the exporter restarts or the lease changes hands. */
  readonly uuid: string
  /** The driver's name among its siblings; empty for the root. */
  readonly name: string
  /** The names from the root to this driver; empty for the root. */
  readonly path: ReadonlyArray<string>
  readonly labels: Readonly<Record<string, string>>
  readonly description: Option.Option<string>
  /** Help texts of the driver's command line, by command. */
  readonly methodsDescription: Readonly<Record<string, string>>
  readonly children: ReadonlyMap<string, DriverNode>
}

/**
 * The exporter's report does not describe a tree of drivers. `reason` says why.
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
 * No driver has this path. `available` lists the paths that exist; a path with a dot in a name is written as a list of names.
 *
 * @since 0.1.0
 * @category errors
 */
export class DriverNotFound extends Schema.TaggedError<DriverNotFound>(
  "@effect-jumpstarter/core/DriverTree/DriverNotFound"
)("DriverNotFound", { path: Schema.String, available: Schema.Array(Schema.String) }) {
  override get message(): string {
    const list = this.available.length === 0 ? "none" : this.available.join(", ")
    return `no driver at ${JSON.stringify(this.path)}; available: ${list}`
  }
}

/**
 * Formats the path of a driver with dots, such as `storage.mux`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const formatPath = (path: ReadonlyArray<string>): string => path.join(".")

// No real bench is this deep. A deeper report would exhaust the stack.
const maxDepth = 500

// A node that more children may join.
interface Growing extends DriverNode {
  children: Map<string, Growing>
}

// Most drivers have no children, and making a map takes longer than making the rest of a node.
const childless = new Map<string, never>()

const grow = (report: DriverInstanceReport, name: string, path: ReadonlyArray<string>): Growing => ({
  uuid: report.uuid,
  name,
  path,
  labels: report.labels,
  description: Option.fromNullable(report.description),
  methodsDescription: report.methodsDescription,
  children: childless
})

/**
 * Builds the tree. Parents must come before their children. A child belongs to the latest report with its parent's uuid, so
 * proxied subtrees find their place. The last of several roots wins, and so does the last of several siblings with the same name,
 * as in the reference implementation.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromReports = (
  reports: ReadonlyArray<DriverInstanceReport>
): Either.Either<DriverNode, InvalidReport> => {
  const latest = new Map<string, Growing>()
  let root: Growing | undefined
  for (const report of reports) {
    const uuid = spelled(report.uuid)
    if (uuid === undefined) {
      return Either.left(new InvalidReport({ reason: `${JSON.stringify(report.uuid)} is not a UUID` }))
    }
    if (report.parentUuid === undefined || report.parentUuid === "") {
      root = grow(report, "", [])
      latest.set(uuid, root)
    } else {
      const parent = latest.get(report.parentUuid) ?? latest.get(spelled(report.parentUuid) ?? "")
      if (parent === undefined) {
        return Either.left(
          new InvalidReport({ reason: `driver ${report.uuid} comes before its parent ${report.parentUuid}` })
        )
      }
      if (parent.path.length === maxDepth) {
        return Either.left(new InvalidReport({ reason: `it is more than ${maxDepth} drivers deep` }))
      }
      const name = report.labels[nameLabel] ?? ""
      const driver = grow(report, name, [...parent.path, name])
      if (parent.children === childless) parent.children = new Map()
      parent.children.set(name, driver)
      latest.set(uuid, driver)
    }
  }
  return root === undefined
    ? Either.left(new InvalidReport({ reason: reports.length === 0 ? "it is empty" : "it has no root driver" }))
    : Either.right(root)
}

/**
 * A node of a tree of drivers: a node of a report, or a client made from one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Branch<Self> {
  readonly path: ReadonlyArray<string>
  readonly children: ReadonlyMap<string, Self>
}

/**
 * Returns a node and all nodes below it, parents first.
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
 * Finds the node at a path below another node. The path is names joined by dots, or a list of names when a name contains a dot.
 * The empty path is the node itself.
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
