"""Keeps schemathesis from waiting for itself and from revoking the key it uses."""

import os

import schemathesis

OWN_ID = os.environ["ROOST_KEY"].split("_")[1]


@schemathesis.hook
def before_call(context, case, kwargs):
    # A long poll on an empty queue lasts up to a minute.
    if isinstance(case.body, dict) and case.body.get("wait") is not None:
        if isinstance(case.body["wait"], str):
            case.body["wait"] = "1ms"
    if OWN_ID in str((case.path_parameters or {}).get("id", "")):
        case.path_parameters["id"] = "none"
