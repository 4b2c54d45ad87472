// Uuids are compared without dashes and without case (protocol.md 4.1).

export const normalizeUuid = (uuid: string): string => uuid.replaceAll("-", "").toLowerCase()

const usual = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

// Returns a uuid in its usual spelling, or undefined when it is none. A report can have thousands, and almost
// all have that spelling already.
export const spelled = (text: string): string | undefined => {
  if (usual.test(text)) return text
  const digits = normalizeUuid(text)
  return /^[0-9a-f]{32}$/.test(digits) ? digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-") : undefined
}
