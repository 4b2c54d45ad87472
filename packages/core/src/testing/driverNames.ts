// Maps the uuids of drivers to their paths in the tree, as learned from the exporter's reports.
import type { GetReportResponse } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as Either from "effect/Either"
import * as DriverTree from "../protocol/DriverTree.ts"
import { normalizeUuid } from "../protocol/uuid.ts"

interface Known {
  readonly name: string
  readonly paths: Array<string>
}

// The path in a name.
export const pathOf = (name: string): string => name.replace(/#\d+$/, "")

export class DriverNames {
  private readonly known = new Map<string, Known>()
  private readonly instances = new Map<string, number>()

  learn({ reports }: Pick<GetReportResponse, "reports">): void {
    const root = DriverTree.fromReports(reports)
    if (Either.isLeft(root)) return
    for (const node of DriverTree.nodes(root.right)) {
      const path = DriverTree.formatPath(node.path)
      const known = this.known.get(normalizeUuid(node.uuid))
      if (known === undefined) {
        const instance = (this.instances.get(path) ?? 0) + 1
        this.instances.set(path, instance)
        this.known.set(normalizeUuid(node.uuid), {
          name: instance === 1 ? path : `${path}#${instance}`,
          paths: [path]
        })
      } else if (!known.paths.includes(path)) known.paths.push(path)
    }
  }

  // A proxied driver has several paths, and an unknown uuid has none.
  pathsOf(uuid: string): ReadonlyArray<string> {
    return this.known.get(normalizeUuid(uuid))?.paths ?? []
  }

  // The driver's first path. A driver that replaced another one after a restart also has a number, as in `power#2`.
  nameOf(uuid: string): string | undefined {
    return this.known.get(normalizeUuid(uuid))?.name
  }
}
