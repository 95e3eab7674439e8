"""Write the tables of the documents that come from the code: `make docs`.

A generated part of a document is between two comments, `<!-- begin NAME: written by make docs -->` and
`<!-- end NAME -->`. A test fails while a committed document differs from what the code says.
"""

import argparse
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from exporter.cli import COMMANDS, build_parser
from exporter.metrics.families import CURRENT, DATA_LABELS, LOCATION_LABELS, OWN, TIMESTAMPED, Family

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("docs/metrics.md", "docs/commands.md")
PORTAL_LABELS = ("portal",)
LOGIN_LABELS = ("login",)

UNITS = {
    "_timestamp_seconds": "seconds since 1970",
    "_seconds": "seconds",
    "_kwh": "kWh",
    "_watts": "W",
    "_usd": "USD",
    "_total": "",
    "_info": "1",
}
"""The unit by the end of a family's name; the first that fits counts."""

_NO_VALUE = "the portal has no value for that interval"
_ALWAYS = "always there"
_NO_DATA = "the meter has no data yet, or the login's time zone is contradicted"

ABSENT: Mapping[str, str] = {
    "smarthub_interval_usage_kwh": _NO_VALUE,
    "smarthub_interval_usage_watts": _NO_VALUE,
    "smarthub_interval_export_kwh": "the meter does not export",
    "smarthub_interval_cost_usd": "the co-op reports no cost per interval",
    "smarthub_interval_tou_usage_kwh": "the co-op does not sort energy into rate periods",
    "smarthub_day_usage_kwh": "an interval of the day has no usage",
    "smarthub_day_export_kwh": "the meter does not export, or an interval of the day is missing",
    "smarthub_day_cost_usd": "an interval of the day has no cost",
    "smarthub_day_location_info": "no meter of the location has that day in full",
    "smarthub_day_meter_info": "the meter does not have that day in full",
    "smarthub_latest_usage_kwh": _NO_DATA,
    "smarthub_latest_usage_watts": _NO_DATA,
    "smarthub_latest_export_kwh": "the meter does not export",
    "smarthub_latest_cost_usd": "that interval has no cost",
    "smarthub_latest_interval_end_timestamp_seconds": _NO_DATA,
    "smarthub_interval_seconds": "the meter has no data yet",
    "smarthub_location_info": "the location was never read",
    "smarthub_meter_info": "the meter has no data yet",
    "smarthub_portal_info": "no name was read yet, or the portal has none",
    "smarthub_up": _ALWAYS,
    "smarthub_location_up": "before the first refresh",
    "smarthub_last_refresh_timestamp_seconds": _ALWAYS,
    "smarthub_last_refresh_success_timestamp_seconds": _ALWAYS,
    "smarthub_last_refresh_duration_seconds": _ALWAYS,
    "smarthub_backfill_needed_since_timestamp_seconds": "no backfill is needed",
    "smarthub_timezone_mismatch": _ALWAYS,
    "smarthub_state_kept": _ALWAYS,
    "smarthub_refreshes_total": _ALWAYS,
    "smarthub_refresh_failures_total": _ALWAYS,
    "smarthub_interval_revisions_total": _ALWAYS,
    "smarthub_portal_requests_total": "before the first request of that kind",
    "smarthub_portal_request_duration_seconds": "before the first request of that kind",
    "smarthub_exporter_build_info": _ALWAYS,
}
"""When a family has no sample, which HELP does not say."""


def main() -> None:
    """Write the documents."""
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")


def updated(text: str) -> str:
    """Return a document with its generated parts as the code says now."""

    def written(part: re.Match[str]) -> str:
        return f"{part['begin']}\n\n{PARTS[part['name']]()}\n\n{part['end']}"

    return _PART.sub(written, text)


_PART = re.compile(
    r"(?P<begin><!-- begin (?P<name>[a-z ]+): written by make docs -->)\n.*?(?P<end><!-- end (?P=name) -->)", re.DOTALL
)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


# -- metrics


def _families(families: Iterable[Family], common: Sequence[str]) -> str:
    """Return the table of the families about the same thing, which have these labels and possibly more."""
    rows = [
        (f"`{each.name}`<br>{each.kind}{_unit(each)}{_more_labels(each, common)}", each.help, ABSENT[each.name])
        for each in families
        if _scope(each) == common
    ]
    return _table(("metric", "meaning", "no sample if"), rows)


def _scope(family: Family) -> Sequence[str]:
    """Return what a family is about: a meter, a location, a portal, a login or the exporter, by its labels."""
    scopes = (DATA_LABELS, LOCATION_LABELS, PORTAL_LABELS, LOGIN_LABELS, ())
    return next(each for each in scopes if {*each} <= {*family.labels})


def _more_labels(family: Family, common: Sequence[str]) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels if label not in common)
    return labels and f", by {labels}"


def _unit(family: Family) -> str:
    unit = next((unit for end, unit in UNITS.items() if family.name.endswith(end)), "0 or 1")
    return unit and f", {unit}"


# -- commands


def parsers() -> Mapping[str, argparse.ArgumentParser]:
    """Return the parser of each command."""
    (commands,) = (each for each in build_parser()._actions if isinstance(each, argparse._SubParsersAction))  # noqa: SLF001
    return commands.choices


def _lines(command: str) -> dict[str, str]:
    """Return what a command accepts, and what it means."""
    return {_typed(each): each.help or "" for each in parsers()[command]._actions}  # noqa: SLF001


def _typed(action: argparse.Action) -> str:
    """Return a flag as typed, with its other names and its value."""
    value = str(action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper())
    if not action.option_strings:
        return value
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {value}"


def _shared_flags() -> dict[str, str]:
    first, *others = map(_lines, COMMANDS)
    return {flag: meaning for flag, meaning in first.items() if all(flag in other for other in others)}


def _flags_of(command: str) -> str:
    own = {flag: meaning for flag, meaning in _lines(command).items() if flag not in _shared_flags()}
    return _flags(own) if own else f"`{command}` has no flags of its own."


def _flags(lines: Mapping[str, str]) -> str:
    return _table(("flag", "meaning"), ((f"`{flag}`", meaning) for flag, meaning in lines.items()))


def _commands() -> str:
    rows = ((f"[`{name}`](#{name})", purpose) for name, purpose in COMMANDS.items())
    return _table(("command", "purpose"), rows)


_STAMPED = [each.family for each in TIMESTAMPED]
_CURRENT = (*CURRENT, *OWN)

PARTS: Mapping[str, Callable[[], str]] = {
    "intervals and days": lambda: _families(_STAMPED, DATA_LABELS),
    "names of days": lambda: _families(_STAMPED, LOCATION_LABELS),
    "meters": lambda: _families(_CURRENT, DATA_LABELS),
    "locations": lambda: _families(_CURRENT, LOCATION_LABELS),
    "portals": lambda: _families(_CURRENT, PORTAL_LABELS),
    "logins": lambda: _families(_CURRENT, LOGIN_LABELS),
    "exporter": lambda: _families(_CURRENT, ()),
    "commands": _commands,
    "shared flags": lambda: _flags(_shared_flags()),
    **{f"flags of {command}": partial(_flags_of, command) for command in COMMANDS},
}
"""The generated parts by name."""

if __name__ == "__main__":
    main()
