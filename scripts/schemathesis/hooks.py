"""Keeps schemathesis from waiting for itself and from revoking the key it uses."""

import os
import re

import schemathesis

DURATION = re.compile(r"([0-9]+(d|h|ms|m|s))+")
OWN_ID = os.environ["ROOST_KEY"].split("_")[1]


@schemathesis.hook
def before_call(context, case, kwargs):
    # A long poll lasts up to a minute. What is no duration stays, to be refused.
    inner = case.body.get("lease_next") if isinstance(case.body, dict) else None
    for holder in (case.body, case.query, inner):
        if isinstance(holder, dict) and DURATION.fullmatch(str(holder.get("wait"))):
            holder["wait"] = "1ms"
    if OWN_ID in str((case.path_parameters or {}).get("id", "")):
        case.path_parameters["id"] = "none"


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    return value if isinstance(value, bytes) else str(value).encode()
