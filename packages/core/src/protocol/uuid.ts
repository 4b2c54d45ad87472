// Uuids are compared without dashes and without case (protocol.md 4.1).

export const normalizeUuid = (uuid: string): string => uuid.replaceAll("-", "").toLowerCase()

export const isUuid = (text: string): boolean => /^[0-9a-f]{32}$/.test(normalizeUuid(text))
