// Writes the repository's address into the packages: `repository`, `homepage` and `bugs` of package.json. Run it once there is an
// address, and commit the result: node scripts/address.mjs https://HOST/OWNER/REPOSITORY. npm's provenance compares it with the
// origin of a release, and scripts/package-docs.mjs links to it.
import { readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const address = process.argv[2]?.replace(/\/$/, "").replace(/\.git$/, "")
if (address === undefined || !/^https:\/\/[^/]+\/[^/]+\/[^/]+$/.test(address)) {
  console.error("Usage: node scripts/address.mjs https://HOST/OWNER/REPOSITORY")
  process.exit(2)
}

for (const directory of ["packages/core", "packages/proto", "packages/cli"]) {
  const file = join(root, directory, "package.json")
  const manifest = {
    ...JSON.parse(readFileSync(file, "utf8")),
    homepage: `${address}#readme`,
    bugs: `${address}/issues`,
    repository: { type: "git", url: `git+${address}.git`, directory }
  }
  writeFileSync(file, JSON.stringify(manifest, null, 2) + "\n")
  console.log(`${directory}/package.json: ${address}`)
}
