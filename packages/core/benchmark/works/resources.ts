// Resources: a file that the exporter reads and hashes, bytes that it writes and this side hashes.
import type { ContentEncoding } from "@effect-jumpstarter/core"
import { Effect } from "effect"
import { join } from "node:path"
import * as image from "../image.ts"
import { everyone, type Scale, type Work } from "./work.ts"

const MiB = 1024 * 1024

const upload = (
  name: string,
  title: string,
  bytes: number,
  encoding?: ContentEncoding.ContentEncoding
): Work => ({
  name,
  title,
  unit: "bytes",
  amount: bytes,
  clients: everyone,
  prepare: ({ directory }) =>
    Effect.map(
      image.make(join(directory, name), bytes, encoding),
      (image) => ({ ask }) => ask({ work: "upload", ...image })
    )
})

const uploads = (count: number, bytes: number): Work => ({
  name: `flash-${count}`,
  title: `${count} resources of ${bytes / MiB} MiB at once, sent`,
  unit: "bytes",
  amount: count * bytes,
  clients: ["ours", "python"],
  prepare: ({ directory }) =>
    Effect.map(
      image.make(join(directory, "flashes"), bytes),
      ({ path, sha256 }) => ({ ask }) => ask({ work: "uploads", path, sha256, count })
    )
})

const download = (bytes: number): Work => ({
  name: "download",
  title: `resource of ${bytes / MiB} MiB, received`,
  unit: "bytes",
  amount: bytes,
  clients: everyone,
  prepare: () => Effect.succeed(({ ask }) => ask({ work: "download", chunk: 65_536, bytes }))
})

export const resources = (scale: Scale): ReadonlyArray<Work> => {
  const bytes = scale(512 * MiB, 8 * MiB)
  const encoded = scale(64 * MiB, 2 * MiB)
  return [
    upload("flash", `resource of ${bytes / MiB} MiB, sent`, bytes),
    uploads(10, scale(64 * MiB, MiB)),
    download(bytes),
    upload("flash-gzip", `the same, ${encoded / MiB} MiB as gzip`, encoded, "gzip"),
    upload("flash-zstd", `the same, ${encoded / MiB} MiB as zstd`, encoded, "zstd")
  ]
}
