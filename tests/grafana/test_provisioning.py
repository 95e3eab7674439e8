"""The provisioning of Grafana."""

from typing import Any

import yaml

from ..support import project_files


def read(path: str) -> Any:  # noqa: ANN401 - YAML
    return yaml.safe_load(project_files.read(f"grafana/provisioning/{path}"))


def test_the_data_source_is_the_default_and_cannot_be_changed() -> None:
    (source,) = read("datasources/smarthub.yml")["datasources"]
    assert (source["type"], source["uid"], source["isDefault"]) == ("prometheus", "smarthub", True)
    assert source["editable"] is False
    # Grafana does not support `:-default`: it would look for a variable with that whole name.
    assert source["url"] == "${SMARTHUB_DATABASE_URL}"
    # Otherwise VictoriaMetrics aligns the times of graphs.
    assert source["jsonData"]["customQueryParameters"] == "nocache=1"
    assert source["jsonData"]["timeInterval"] == "1m"


def test_dashboards_come_from_files_and_cannot_be_changed() -> None:
    (provider,) = read("dashboards/smarthub.yml")["providers"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
