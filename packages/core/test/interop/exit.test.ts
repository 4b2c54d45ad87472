import { exit } from "../suite/exit.ts"
import * as python from "../support/python.ts"

exit("the Python exporter", python.exporter)
