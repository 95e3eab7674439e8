"""The /metrics endpoint: families, formats and compression, from memory only."""

import logging
import re
import threading
from collections.abc import Callable, Collection
from typing import NamedTuple, cast

from cachetools import LRUCache
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder

from ..clock import Clock
from ..refresh.ownership import Ownership
from ..refresh.refresher import Refresher
from ..refresh.status import withheld_locations
from ..storage.snapshots import SnapshotStore
from ..web.types import Request, Response
from .collector import CurrentState
from .compression import PagePart, Parts, gzipped
from .exposition import Format
from .page import Page, PageTexts
from .scope import Scope
from .telemetry import Telemetry, restricted

log = logging.getLogger(__name__)

INTERVALS = "intervals"
EXPORTER = "exporter"
_COLLECTORS = {INTERVALS, EXPORTER}
_EOF = b"# EOF\n"
_MOST_STEADY = 1000  # kept at a time: for each login and format

Encoder = Callable[[CollectorRegistry], bytes]


class MetricsEndpoint:
    """Answers scrapes.

    However many scrapers come at once, each page is rendered and compressed once; the others wait for it.

    window: The maximum age of a timestamped sample in seconds.
    """

    def __init__(
        self,
        store: SnapshotStore,
        refresher: Refresher,
        ownership: Ownership,
        telemetry: Telemetry,
        *,
        window: int,
        clock: Clock,
    ) -> None:
        self._store = store
        self._refresher = refresher
        self._ownership = ownership
        self._telemetry = telemetry
        self._state = CurrentState(store, refresher)
        self._window = window
        self._clock = clock
        self._texts = {form: PageTexts(form) for form in Format}
        self._pages: dict[Format, Page] = {}
        self._steady: LRUCache[tuple[str, frozenset[str]], tuple[object, Parts]] = LRUCache(_MOST_STEADY)
        self._rendering, self._encoding, self._packing = threading.Lock(), threading.Lock(), threading.Lock()
        self._warned = False

    def __call__(self, request: Request) -> Response:
        """Return the page, or 400 for an unknown collector or login."""
        collectors = set(request.query.get("collect[]", ())) or _COLLECTORS
        if collectors - _COLLECTORS:
            return Response(400, f"unknown collect[] value; use {INTERVALS} or {EXPORTER}\n".encode())
        scope = Scope(request.query.get("login", ()), self._ownership.reader)
        if scope.logins - self._refresher.statuses().keys():
            return Response(400, b"unknown login; use the name of a login in the configuration\n")
        self._warn_of_lost_timestamps(request)
        # The library claims any version that is asked for, so it only gets to see versions that exist.
        encode, content_type = choose_encoder(",".join(filter(_FORMATS.fullmatch, _items(request, "accept"))))
        form = Format.OPENMETRICS if content_type.startswith("application/openmetrics-text") else Format.TEXT
        names = request.query.get("name[]", ())
        texts: list[Parts] = []
        if INTERVALS in collectors:
            texts.append(self._intervals(form, names, scope))
        if EXPORTER in collectors:
            texts.append(self._steady_part(encode, content_type, names, scope))
            texts.append(_text(encode(restricted(self._telemetry.process, names))))
        elif form is Format.OPENMETRICS:
            texts.append(_text(_EOF))
        headers = (("Vary", "Accept, Accept-Encoding"),)
        if not _accepts_gzip(request):
            return Response(200, [body for text in texts for body in text.bodies], content_type, headers)
        with self._packing:
            packed = gzipped(texts)
        return Response(200, packed, content_type, (*headers, ("Content-Encoding", "gzip")))

    def _intervals(self, form: Format, names: Collection[str], scope: Scope) -> Parts:
        with self._rendering:
            page = self._page(form)
            return page.parts(names, scope.locations(page.snapshot.locations))

    def _page(self, form: Format) -> Page:
        """Return the page, made again if its data, its window or the verdict on a zone changed.

        Only under the lock, so that no page is replaced by an older one.
        """
        snapshot = self._store.snapshot
        withheld = withheld_locations(self._refresher.statuses().values())
        since = int((self._clock.now() - self._window) * 1000)
        page = self._pages.get(form)
        is_current = page is not None and page.snapshot is snapshot and page.withheld == withheld
        if page is None or not is_current or not page.since <= since <= page.oldest:
            page = self._pages[form] = self._texts[form].page(snapshot, since, withheld)
        return page

    def _steady_part(self, encode: Encoder, content_type: str, names: Collection[str], scope: Scope) -> Parts:
        """Return the families that only change with a refresh, encoded again after one."""
        if names:
            return _text(self._encoded(encode, names, scope))
        with self._encoding:
            snapshot = self._store.snapshot
            version = (
                *(self._telemetry.version, self._store.version, self._store.is_kept, self._refresher.statuses()),
                scope.locations(snapshot.locations),
            )
            known = self._steady.get((content_type, scope.logins))
            if known is None or known[0] != version:
                known = version, _text(self._encoded(encode, names, scope))
                self._steady[content_type, scope.logins] = known
            return known[1]

    def _encoded(self, encode: Encoder, names: Collection[str], scope: Scope) -> bytes:
        state = (each for each in self._state.collect(scope) if not names or (each.name in names and each.samples))
        families = _Families([*self._telemetry.collect(names, scope), *state])
        return encode(cast("CollectorRegistry", families)).removesuffix(_EOF)

    def _warn_of_lost_timestamps(self, request: Request) -> None:
        """Warn once that vmagent ignores the timestamps of this page.

        See docs/samples.md, "Explicit timestamps".
        """
        if self._warned or "collect[]" in request.query or "vm_promscrape" not in request.headers.get("user-agent", ""):
            return
        self._warned = True
        log.warning(
            "vmagent or VictoriaMetrics scrapes this page without collect[], which stores all intervals at the time of"
            " the scrape unless the job sets honor_timestamps: true; use the two scrape jobs from docs/scraping.md"
        )


class _Families(NamedTuple):
    """Families that are collected already."""

    families: list[Metric]

    def collect(self) -> list[Metric]:
        return self.families


def _text(body: bytes) -> Parts:
    return Parts([PagePart(body)])


_FORMATS = re.compile(
    r"(application/openmetrics-text(;version=(0\.0\.1|1\.0\.0))?|text/plain(;version=(0\.0\.4|1\.0\.0))?)"
    r"(;charset=utf-8)?(;escaping=(allow-utf-8|underscores|dots|values))?(;q=[0-9.]+)?"
)


def _accepts_gzip(request: Request) -> bool:
    for item in _items(request, "accept-encoding"):
        name, _, weight = item.partition(";")
        if name in ("gzip", "*"):
            return not re.fullmatch(r"q=0(\.0*)?", weight)
    return False


def _items(request: Request, header: str) -> list[str]:
    return "".join(request.headers.get(header, "").lower().split()).split(",")
