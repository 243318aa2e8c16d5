"""What Schemathesis does not know by itself."""

import schemathesis


@schemathesis.serializer("application/toml")
def as_text(_context, value):
    """A program file is sent as it is made up."""
    return str(value).encode(errors="replace")
