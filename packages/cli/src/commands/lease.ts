import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as HashMap from "effect/HashMap"
import { describe } from "../described.ts"
import { usage } from "../failure.ts"
import { lazily } from "../lazily.ts"
import * as options from "../options.ts"

const load = () => import("../programs/lease.ts")

const create = describe(
  Command.make(
    "create",
    {
      request: options.request,
      json: options.json,
      tags: Options.keyValueMap("tag").pipe(
        Options.withDescription("A tag of the lease, as in pipeline=1234. Can be given several times."),
        Options.withDefault(HashMap.empty<string, string>()),
        Options.map(HashMap.toEntries)
      )
    },
    lazily(() => load().then(({ create }) => ({ run: create })))
  ),
  "create",
  {
    summary: "Create a lease, and keep it. `--lease NAME` of other commands uses it.",
    example: "lease create --selector board=rpi4 --duration \"2 hours\""
  }
)

const leaseName = Args.text({ name: "lease" }).pipe(Args.withDescription("The name of the lease."))

const extend = describe(
  Command.make(
    "extend",
    {
      lab: options.lab,
      json: options.json,
      by: Options.text("by").pipe(
        Options.withPseudoName("duration"),
        Options.withDescription("How much is added, such as \"30 minutes\".")
      ),
      name: leaseName
    },
    lazily(() => load().then(({ extend }) => ({ run: extend })))
  ),
  "extend",
  { summary: "Extend a lease.", example: "lease extend 0198-5a2f --by \"30 minutes\"" }
)

const release = describe(
  Command.make(
    "release",
    { lab: options.lab, names: Args.atLeast(leaseName, 1) },
    lazily(() => load().then(({ release }) => ({ run: release })))
  ),
  "release",
  { summary: "Release leases.", example: "lease release 0198-5a2f" }
)

const shell = describe(
  Command.make(
    "shell",
    {
      target: options.leasable,
      command: Args.text({ name: "command" }).pipe(
        Args.withDescription("The command to run, after --; a shell unless given."),
        Args.repeated
      )
    },
    lazily(() => load().then(({ shell }) => ({ run: shell })))
  ),
  "shell",
  {
    summary: "Lease an exporter, run a command with it, and release it. The exit code is that of the command.",
    details: "The command finds the exporter in JUMPSTARTER_HOST, as in `jmp shell`.",
    example: "lease shell --selector board=rpi4 -- npx vitest run"
  }
)

export const lease = describe(
  Command.make("lease", {}, () => usage("say what to do: lease create, lease extend, lease release or lease shell"))
    .pipe(
      Command.withSubcommands([create.command, extend.command, release.command, shell.command])
    ),
  "lease",
  {
    summary: "Create, extend, release and use leases: create, extend, release, shell.",
    example: "lease create --help"
  },
  [create, extend, release, shell]
)
