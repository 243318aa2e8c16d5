"""What Schemathesis does not know by itself."""

import os

import schemathesis


@schemathesis.serializer("application/toml")
def as_text(_context, value):
    """A program file is sent as it is made up."""
    return str(value).encode(errors="replace")


@schemathesis.hook
def before_call(_context, case, _kwargs):
    """Whoever revokes the key that it asks with learns nothing more."""
    if case.path_parameters.get("id") == os.environ["JIFEN_FUZZ_KEY"]:
        case.path_parameters["id"] = "0" * 12
