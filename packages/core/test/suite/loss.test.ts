import * as process from "../support/process.ts"
import { loss } from "./loss.ts"

loss("our host", process.typescript)
