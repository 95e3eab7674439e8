"""The project's own files, and what README and the compose file say to type."""

import re

import yaml

from .services import ROOT, Config


def read(path: str) -> str:
    """The text of a file."""
    return (ROOT / path).read_text(encoding="utf-8")


def compose_commands(path: str) -> list[str]:
    """The commands of compose in a text, each in one line, without what is said beside them."""
    joined = re.sub(r" *\\\n[# ]*", " ", read(path))
    found = re.findall(r"^(?:#   )?((?:[A-Z_]+=\S* )*docker compose .*)$", joined, re.MULTILINE)
    return [re.split(r"  +", each)[0] for each in found]


def readme_scraping() -> list[Config]:
    """The configurations of scrapers that README shows: of vmagent, and of Prometheus."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", read("README.md"), re.MULTILINE | re.DOTALL)
    return [each for each in map(yaml.safe_load, blocks) if "scrape_configs" in each]
