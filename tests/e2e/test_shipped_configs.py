"""The scrape configurations of README, as the real programs read them."""

import re
import subprocess
from pathlib import Path

from ..support.services import ROOT, find_program

BLOCKS = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_vmagent_reads_the_jobs_of_readme(tmp_path: Path) -> None:
    file = tmp_path / "scrape.yml"
    file.write_text(BLOCKS[0], encoding="utf-8")
    command = [str(find_program("vmagent")), "-dryRun", f"-promscrape.config={file}", "-promscrape.config.strictParse"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_prometheus_reads_the_configuration_of_readme(tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(BLOCKS[1], encoding="utf-8")
    command = [str(find_program("promtool")), "check", "config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
