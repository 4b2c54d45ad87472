// Returns the Python client class of a driver, which identifies its interface, or the empty string when the report names none.
import { clientLabel } from "./DriverTree.ts"

export const clientOf = ({ labels }: { readonly labels: Readonly<Record<string, string>> }): string =>
  labels[clientLabel] ?? ""
