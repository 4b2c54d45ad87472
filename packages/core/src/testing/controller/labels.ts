// The rules of Kubernetes for the keys and values of labels and for the names of objects, and its texts for what breaks them.

const namePart = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

const subdomain = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"

const is = (pattern: string, text: string): boolean => new RegExp(`^(?:${pattern})$`).test(text)

/** Returns why a text cannot be the value of a label. */
export const valueProblem = (value: string): string | undefined =>
  value.length > 63
    ? "must be no more than 63 characters"
    : is(`(${namePart})?`, value)
    ? undefined
    : "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end "
      + `with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(${namePart})?')`

/** Returns why a text cannot be the name of an object. */
export const nameProblem = (name: string): string | undefined =>
  name.length > 253
    ? "must be no more than 253 characters"
    : is(subdomain, name)
    ? undefined
    : "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end "
      + `with an alphanumeric character (e.g. 'example.com', regex used for validation is '${subdomain}')`

/** Returns why a text cannot be the key of a label. */
export const keyProblem = (key: string): string | undefined => {
  const parts = key.split("/")
  const name = parts.at(-1) ?? ""
  if (parts.length > 2) {
    return "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
      + `alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${namePart}') `
      + "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
  }
  const prefix = parts.length === 2 ? parts[0] ?? "" : undefined
  if (prefix === "") return "prefix part must be non-empty"
  const prefixProblem = prefix === undefined ? undefined : nameProblem(prefix)
  return prefixProblem !== undefined
    ? `prefix part ${prefixProblem}`
    : name === ""
    ? "name part must be non-empty"
    : name.length > 63
    ? "name part must be no more than 63 characters"
    : is(namePart, name)
    ? undefined
    : "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
      + `character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${namePart}')`
}

const maxTags = 10

const ownPrefix = "jumpstarter.dev/"

// The controller stores the tags of a lease among its labels, under this prefix.
const tagPrefix = `metadata.${ownPrefix}`

/** Returns why these cannot be the tags of a lease. */
export const tagProblem = (tags: Readonly<Record<string, string>>): string | undefined => {
  const entries = Object.entries(tags)
  if (entries.length > maxTags) return `too many tags: ${entries.length} (maximum ${maxTags})`
  for (const [key, value] of entries) {
    const reserved = [ownPrefix, tagPrefix].find((prefix) => key.startsWith(prefix))
    if (reserved !== undefined) return `tag key ${JSON.stringify(key)} must not use reserved prefix "${reserved}"`
    if (key.includes("/")) {
      return `tag key ${JSON.stringify(key)} must not contain '/' (use simple names without prefix)`
    }
    const keyIs = keyProblem(key)
    if (keyIs !== undefined) return `invalid tag key ${JSON.stringify(key)}: ${keyIs}`
    const valueIs = valueProblem(value)
    if (valueIs !== undefined) {
      return `invalid tag value ${JSON.stringify(value)} for key ${JSON.stringify(key)}: ${valueIs}`
    }
  }
  return undefined
}

/** Returns the labels that the controller stores tags as. */
export const fromTags = (tags: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(tags).map(([key, value]) => [tagPrefix + key, value]))

/** Returns the labels of an exporter after it registers. It replaces all labels with Jumpstarter's prefix and can set no others. */
export const registered = (
  labels: Readonly<Record<string, string>>,
  given: Readonly<Record<string, string>>
): Record<string, string> =>
  Object.fromEntries([
    ...Object.entries(labels).filter(([key]) => !key.startsWith(ownPrefix)),
    ...Object.entries(given).filter(([key]) => key.startsWith(ownPrefix))
  ])

/** Returns the text of Kubernetes for labels that an object cannot have. */
export const problem = (labels: Readonly<Record<string, string>>): string | undefined => {
  for (const [key, value] of Object.entries(labels)) {
    const keyIs = keyProblem(key)
    if (keyIs !== undefined) return `metadata.labels: Invalid value: ${JSON.stringify(key)}: ${keyIs}`
    const valueIs = valueProblem(value)
    if (valueIs !== undefined) return `metadata.labels: Invalid value: ${JSON.stringify(value)}: ${valueIs}`
  }
  return undefined
}
