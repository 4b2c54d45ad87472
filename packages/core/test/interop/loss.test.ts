import { loss } from "../suite/loss.ts"
import * as python from "../support/python.ts"

loss("the Python exporter", python.exporter)
