"""The project's own files, and the commands in the README and in the compose file."""

import re
from typing import Any

import yaml

from .services import ROOT


def read(path: str) -> str:
    """Return the text of a file."""
    return (ROOT / path).read_text(encoding="utf-8")


def compose_commands(path: str) -> list[str]:
    """Return the docker compose commands in a file, each on one line."""
    joined = re.sub(r" *\\\n[# ]*", " ", read(path))
    found = re.findall(r"^(?:#   )?((?:[A-Z_]+=\S* )*docker compose .*)$", joined, re.MULTILINE)
    return [re.split(r"  +", each)[0] for each in found]


def scraping_guide() -> list[dict[str, Any]]:
    """Return the scrape configurations in docs/scraping.md: of VictoriaMetrics and of Prometheus."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", read("docs/scraping.md"), re.MULTILINE | re.DOTALL)
    return [each for each in map(yaml.safe_load, blocks) if "scrape_configs" in each]


def documented_jobs_by_login() -> list[dict[str, Any]]:
    """Return the scrape jobs of the example that splits the intervals by login; a short one is like the first."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", read("docs/scraping.md"), re.MULTILINE | re.DOTALL)
    (jobs,) = [yaml.safe_load(each) for each in blocks if re.match(r" *- job_name", each) and "login: [" in each]
    return [{**jobs[0], **job} for job in jobs]
