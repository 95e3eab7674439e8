"""What of a backfill is done, kept in the state so that the same command goes on where it stopped (contract 2)."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields

from ..clock import Clock
from ..snapshot import LocationKey
from ..state import State

_LIFE = 24 * 3600.0  # seconds after its last entry: by then the portal may have corrected what is done


@dataclass(frozen=True, slots=True)
class Figures:
    """What a chunk or a whole backfill came to: counts, kWh and USD."""

    intervals: int = 0
    usage: float = 0.0
    export: float = 0.0
    cost: float = 0.0
    samples: int = 0
    corrected: int = 0
    gone: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        """Both together."""
        return Figures(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Figures)))


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of a chunk, in seconds UTC.

    spans: by meter the start of its first and the end of its last interval. holes: meter, start of a local day, and how
    many of how many intervals are missing.
    """

    spans: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    holes: Sequence[tuple[str, int, int, int]] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """A chunk of a location that the sink holds; start and end are local midnights, seconds UTC."""

    key: LocationKey
    start: int
    end: int
    figures: Figures
    sight: Sight = field(default_factory=Sight)


class Journal:
    """The journal of one task: a destination, a range of days and a set of locations."""

    def __init__(self, state: State, clock: Clock, task: Sequence[object]) -> None:
        self._state = state
        self._clock = clock
        self._task = json.dumps([str(each) for each in task])

    def begin(self, *, anew: bool) -> list[Done]:
        """What an earlier run of the same task did; nothing if that is too long ago, or where to begin anew."""
        now = self._clock.now()

        def begin(database: sqlite3.Connection) -> list[Done]:
            old = database.execute("SELECT id FROM backfill WHERE touched < ?", (now - _LIFE,)).fetchall()
            if anew:
                old += database.execute("SELECT id FROM backfill WHERE task = ?", (self._task,)).fetchall()
            database.executemany("DELETE FROM backfill WHERE id = ?", old)
            database.executemany("DELETE FROM backfill_done WHERE backfill = ?", old)
            database.execute("INSERT OR IGNORE INTO backfill (task, touched) VALUES (?, ?)", (self._task, now))
            rows = database.execute(
                "SELECT portal, account, location, start, end, figures FROM backfill_done"
                " JOIN backfill ON backfill.id = backfill WHERE task = ? ORDER BY portal, account, location, start",
                (self._task,),
            )
            return [
                Done(LocationKey(*row[:3]), row[3], row[4], *read)
                for row in rows
                if (read := _read(row[5])) is not None
            ]

        return self._state.run(begin)

    def note(self, done: Done) -> None:
        """A chunk is done, and with it what it was needed for."""
        key = done.key
        figures = json.dumps([asdict(done.figures), asdict(done.sight)])

        def note(database: sqlite3.Connection) -> None:
            database.execute("UPDATE backfill SET touched = ? WHERE task = ?", (self._clock.now(), self._task))
            database.execute(
                "REPLACE INTO backfill_done SELECT id, ?, ?, ?, ?, ?, ? FROM backfill WHERE task = ?",
                (key.portal, key.account, key.location, done.start, done.end, figures, self._task),
            )

        self._state.run(note)

    def remove(self) -> None:
        """All of it is done."""

        def remove(database: sqlite3.Connection) -> None:
            ids = database.execute("SELECT id FROM backfill WHERE task = ?", (self._task,)).fetchall()
            database.executemany("DELETE FROM backfill_done WHERE backfill = ?", ids)
            database.executemany("DELETE FROM backfill WHERE id = ?", ids)

        self._state.run(remove)


def _read(text: str) -> tuple[Figures, Sight] | None:
    """None where another version of this program wrote it: then the chunk is not done."""
    try:
        figures, sight = json.loads(text)
        spans = {meter: (int(first), int(last)) for meter, (first, last) in sight["spans"].items()}
        holes = tuple((str(meter), int(day), int(missing), int(all_)) for meter, day, missing, all_ in sight["holes"])
        return Figures() + Figures(**figures), Sight(spans, holes)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
