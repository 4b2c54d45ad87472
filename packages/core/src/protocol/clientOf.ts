// The Python client class of a driver, which identifies its interface; empty where the report names none.
import { clientLabel } from "./DriverTree.ts"

export const clientOf = ({ labels }: { readonly labels: Readonly<Record<string, string>> }): string =>
  labels[clientLabel] ?? ""
