"""What Grafana is told at its start."""

from typing import Any

import yaml

from ..support.dashboards import GRAFANA


def read(path: str) -> Any:  # noqa: ANN401 - YAML
    return yaml.safe_load((GRAFANA / "provisioning" / path).read_text(encoding="utf-8"))


def test_the_data_source_is_the_default_one_with_a_fixed_uid() -> None:
    (source,) = read("datasources/smarthub.yml")["datasources"]
    assert (source["type"], source["uid"], source["isDefault"]) == ("prometheus", "smarthub", True)
    assert source["editable"] is False


def test_the_address_of_the_database_comes_from_the_environment() -> None:
    # Grafana expands variables but knows no `:-default`: it would look for a variable of that whole name.
    (source,) = read("datasources/smarthub.yml")["datasources"]
    assert source["url"] == "${SMARTHUB_DATABASE_URL}"


def test_victoria_metrics_is_asked_not_to_move_grids() -> None:
    (source,) = read("datasources/smarthub.yml")["datasources"]
    assert source["jsonData"]["customQueryParameters"] == "nocache=1"
    assert source["jsonData"]["timeInterval"] == "1m"


def test_dashboards_come_from_files_and_cannot_be_changed_in_the_browser() -> None:
    (provider,) = read("dashboards/smarthub.yml")["providers"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
