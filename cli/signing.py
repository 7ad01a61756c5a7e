"""Electronic signatures (21 CFR 11.50) from the command line."""

import re
from typing import Annotated, Any

import typer

from cli.call import required
from cli.exit_codes import Exit
from cli.failures import fail

SignOption = Annotated[bool, typer.Option("--sign", help="Sign it: with --as, your electronic signature.")]
MeaningOption = Annotated[str | None, typer.Option("--meaning", help="What the signature means; else approval.")]


def signature(*, sign: bool, meaning: str | None, sha256: str | None, flag: str, source: str) -> dict[str, Any]:
    """
    Return the signature for an envelope, or nothing where none is asked for.

    It names the hash of what the person has read, so the hash is never looked up here: `flag` must give it.
    """
    if not sign:
        if meaning or sha256:
            rule = "without --sign nothing is signed"
            fail(Exit.BAD_INPUT, "MissingOption", rule, field="--sign", expected=f"--sign with {flag}, or neither")
        return {}
    digest = required(
        sha256, flag, "a signature names the hash of what was read", f"the hash that {source} shows: read it first"
    )
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        rule, expected = "is no SHA-256", f"64 hexadecimal digits, as {source} shows them"
        fail(Exit.BAD_INPUT, "InvalidInput", rule, field=flag, value=digest, expected=expected)
    return {"signature": {"meaning": meaning or "approval", "signed_sha256": digest}}
