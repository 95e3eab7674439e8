"""The project's own files: documents, and the commands in them and in the compose file."""

import re
from typing import Any

import yaml

from .services import ROOT


def read(path: str) -> str:
    """Return the text of a file."""
    return (ROOT / path).read_text(encoding="utf-8")


def documents() -> list[str]:
    """Return the names of all documents."""
    return [str(path.relative_to(ROOT)) for folder in (ROOT, ROOT / "docs") for path in sorted(folder.glob("*.md"))]


def blocks(name: str) -> list[tuple[str, str]]:
    """Return language and text of each fenced block of a document."""
    return re.findall(r"^ *```([a-z]*)\n(.*?)^ *```", read(name), re.MULTILINE | re.DOTALL)


def compose_commands(path: str) -> list[str]:
    """Return the docker compose commands in a file, each on one line."""
    joined = re.sub(r" *\\\n[# ]*", " ", read(path))
    found = re.findall(r"^(?:#   | *)((?:[A-Z_]+=\S* )*docker compose .*)$", joined, re.MULTILINE)
    return [re.split(r"  +", each)[0] for each in found]


def scraping_guide() -> list[dict[str, Any]]:
    """Return the scrape configurations in docs/scraping.md: of VictoriaMetrics and of Prometheus."""
    return [each for each in _examples_of_scraping() if "scrape_configs" in each]


def documented_jobs_by_login() -> list[dict[str, Any]]:
    """Return the scrape jobs of the example that splits the intervals by login; a short one is like the first."""
    (jobs,) = [each for each in _examples_of_scraping() if isinstance(each, list)]
    return [{**jobs[0], **job} for job in jobs]


def _examples_of_scraping() -> list[Any]:
    return [yaml.safe_load(text) for language, text in blocks("docs/scraping.md") if language == "yaml"]
