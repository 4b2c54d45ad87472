"""A whole program of a Python user: connect to the exporter at JUMPSTARTER_HOST, call once, print.

It ends with a line of JSON: the processor seconds it took.
"""

import json
import resource

from jumpstarter.utils.env import env

with env() as client:
    answer = client.children["bench"].call("identity", 42)

if answer != 42:
    raise AssertionError(f"{answer} is not 42")
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"cpu": usage.ru_utime + usage.ru_stime}), flush=True)
