import * as process from "../support/process.ts"
import { exit } from "./exit.ts"

exit("our host", process.typescript)
