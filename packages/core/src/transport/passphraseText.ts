// What a passphrase must be to travel as metadata: gRPC allows printable ASCII, and HTTP trims it.
const maxLength = 4_096

export const problem = (passphrase: string): string | undefined =>
  !/^[\x20-\x7e]*$/.test(passphrase)
    ? "the passphrase has characters other than printable ASCII, which metadata cannot carry"
    : passphrase.startsWith(" ") || passphrase.endsWith(" ")
    ? "the passphrase starts or ends with a space, which HTTP drops"
    : passphrase.length > maxLength
    ? `the passphrase is longer than ${maxLength} characters`
    : undefined

// The same for one that is required of clients. A client that has none presents the empty one.
export const problemToRequire = (passphrase: string): string | undefined =>
  passphrase === ""
    ? "the passphrase is empty, which is what a client without a passphrase presents"
    : problem(passphrase)
