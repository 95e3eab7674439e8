"""Data at wrong hours in a real VictoriaMetrics, deleted as docs/wrong-zone.md says."""

import re
import time

from ..support.project_files import read
from ..support.services import Labels, Sample, Services, series

MATCHES = re.findall(r"'match\[\]=(.+)'", read("docs/wrong-zone.md"))
DELETED = ("interval_usage_kwh", "interval_usage_watts", "interval_tou_usage_kwh", "day_cost_usd", "day_export_kwh")
KEPT = ("interval_seconds", "interval_revisions_total", "latest_usage_kwh", "up")


def stored(portal: str, *names: str) -> dict[Labels, list[Sample]]:
    """Return samples of an hour ago."""
    ago = int(time.time() // 900 * 900_000) - 3_600_000
    return {series(f"smarthub_{name}", meter="81001", portal=portal): [(ago, 1.5)] for name in names}


def test_documented_deletion_deletes_one_portal(services: Services) -> None:
    database = services.victoria_metrics()
    wrong, others = stored("novec", *DELETED), stored("novec", *KEPT) | stored("pec", *DELETED)
    database.import_samples(others | wrong)
    assert database.export() == others | wrong

    (match,) = set(MATCHES)
    # As wget sends it: a form without escapes.
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    database.ask("POST", "/api/v1/admin/tsdb/delete_series", data=f"match[]={match}".encode(), headers=form)
    assert database.export() == others
    database.import_samples(wrong)
    assert database.export() == others | wrong, "a backfill can write them again"
