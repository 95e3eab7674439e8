"""The compose file as the programs of its services see it."""

import re

from .services import ROOT


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def compose_commands(path: str) -> list[str]:
    """The commands of compose in a text, each in one line, without what is said beside them."""
    joined = re.sub(r" *\\\n[# ]*", " ", read(path))
    found = re.findall(r"^(?:#   )?((?:[A-Z_]+=\S* )*docker compose .*)$", joined, re.MULTILINE)
    return [re.split(r"  +", each)[0] for each in found]
