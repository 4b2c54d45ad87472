import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { describe } from "../described.ts"
import { lazily } from "../lazily.ts"
import * as options from "../options.ts"

export const flash = describe(
  Command.make(
    "flash",
    {
      target: options.target,
      json: options.json,
      partition: options.partition,
      encoding: Options.choice("encoding", ["auto", "identity", "gzip", "xz", "bz2", "zstd"]).pipe(
        Options.withDefault("auto"),
        Options.withDescription("How the image is compressed. By default its name says so. The exporter decodes it.")
      ),
      verify: options.flag("verify", "Read the device back, and compare its SHA-256 with that of the image."),
      path: options.path,
      image: Args.text({ name: "image" }).pipe(
        Args.withDescription("A file, or the http or https URL of a file that the exporter fetches.")
      )
    },
    lazily(() => import("../programs/flash.ts"))
  ),
  "flash",
  {
    summary: "Write an image to a flasher or a storage mux, with progress and its SHA-256.",
    example: "flash storage rootfs.img.xz --target root --verify"
  }
)
