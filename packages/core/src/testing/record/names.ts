// The names of the files of records.

// The parts of a test that its file is named after.
export interface Suite {
  readonly name: string
  readonly suite?: Suite | undefined
}

export interface Task extends Suite {
  readonly id: string
  readonly file: { readonly name: string }
  readonly result?: { readonly retryCount?: number | undefined } | undefined
}

// File systems allow 255 bytes.
const maxLength = 120

const slug = (text: string): string => text.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").toLowerCase()

const cut = (text: string): string => Array.from(text).slice(0, maxLength).join("").replace(/-+$/, "")

export const fileName = (name: string): string => cut(slug(name)) || "record"

export const fullName = (task: Suite): string =>
  task.suite === undefined || task.suite.name === "" ? task.name : `${fullName(task.suite)} > ${task.name}`

const stem = (file: string): string => file.replace(/^.*[\\/]/, "").replace(/(\.(test|spec))?\.[cm]?[jt]sx?$/, "")

// Which test or run has a name in this process. Tests of different files may have the same name, and so may tests of one file.
const owners = new Map<string, string | object>()

export const claim = (path: string, owner: string | object): string => {
  for (let number = 1;; number++) {
    const claimed = number === 1 ? path : `${path}-${number}`
    const other = owners.get(claimed)
    if (other !== undefined && other !== owner) continue
    owners.set(claimed, owner)
    return claimed
  }
}

export const release = (path: string): void => {
  owners.delete(path)
}

export const ofTest = (task: Task): string => fileName(`${stem(task.file.name)} ${fullName(task)}`)
