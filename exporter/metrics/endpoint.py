"""The /metrics endpoint: families, formats and compression, from memory only."""

import logging
import re
import threading
from collections.abc import Callable, Sequence
from typing import cast

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from ..clock import Clock
from ..refresh.refresher import Refresher
from ..refresh.status import withheld_locations
from ..storage.snapshots import SnapshotStore
from ..web.types import Request, Response
from .compression import PagePart, gzipped
from .exposition import Format, Page, render
from .telemetry import Telemetry

log = logging.getLogger(__name__)

INTERVALS = "intervals"
EXPORTER = "exporter"
_COLLECTORS = {INTERVALS, EXPORTER}
_EOF = b"# EOF\n"


class MetricsEndpoint:
    """Answers scrapes.

    window: The maximum age of a timestamped sample in seconds.
    """

    def __init__(
        self, store: SnapshotStore, refresher: Refresher, telemetry: Telemetry, window: int, clock: Clock
    ) -> None:
        self._store = store
        self._refresher = refresher
        self._telemetry = telemetry
        self._window = window
        self._clock = clock
        self._pages: dict[Format, Page] = {}
        self._steady_parts: dict[str, tuple[object, PagePart]] = {}
        self._lock = threading.Lock()
        self._warned = False

    def __call__(self, request: Request) -> Response:
        """Return the page, or 400 for an unknown collector."""
        collectors = set(request.query.get("collect[]", ())) or _COLLECTORS
        if collectors - _COLLECTORS:
            return Response(400, f"unknown collect[] value; use {INTERVALS} or {EXPORTER}\n".encode())
        self._warn_of_lost_timestamps(request)
        # The library claims any version that is asked for, so it only gets to see versions that exist.
        encode, content_type = choose_encoder(",".join(filter(_FORMATS.fullmatch, _items(request, "accept"))))
        form = Format.OPENMETRICS if content_type.startswith("application/openmetrics-text") else Format.TEXT
        names = request.query.get("name[]", ())
        parts: list[PagePart] = []
        if INTERVALS in collectors:
            page = self._page(form)
            parts.append(page.only(names) if names else page.whole)
        if EXPORTER in collectors:
            parts.append(self._steady_part(encode, content_type, names))
            parts.append(PagePart(encode(_restricted(self._telemetry.process, names))))
        elif form is Format.OPENMETRICS:
            parts.append(PagePart(_EOF))
        headers = (("Vary", "Accept, Accept-Encoding"),)
        if _accepts_gzip(request):
            return Response(200, gzipped(parts), content_type, (*headers, ("Content-Encoding", "gzip")))
        # Joining a single part does not copy it; it may be a page of many megabytes.
        return Response(200, b"".join(part.body for part in parts), content_type, headers)

    def _steady_part(
        self, encode: Callable[[CollectorRegistry], bytes], content_type: str, names: Sequence[str]
    ) -> PagePart:
        """Return the families that only change with a refresh, rendered again after one."""
        steady = self._telemetry.registry
        if names:
            return PagePart(encode(_restricted(steady, names)).removesuffix(_EOF))
        version = self._telemetry.version, self._store.version, self._store.is_kept, self._refresher.statuses()
        rendered = self._steady_parts.get(content_type)
        if rendered is None or rendered[0] != version:
            rendered = version, PagePart(encode(steady).removesuffix(_EOF))
            self._steady_parts[content_type] = rendered
        return rendered[1]

    def _page(self, form: Format) -> Page:
        """Return the page, rendered again if its data, its window or the verdict on a zone changed."""
        snapshot = self._store.snapshot
        withheld = withheld_locations(self._refresher.statuses().values())
        since = int((self._clock.now() - self._window) * 1000)
        with self._lock:
            page = self._pages.get(form)
            is_current = page is not None and page.snapshot is snapshot and page.withheld == withheld
            if page is None or not is_current or not page.since <= since <= page.oldest:
                page = self._pages[form] = render(snapshot, since, form, withheld)
            return page

    def _warn_of_lost_timestamps(self, request: Request) -> None:
        """Warn once that vmagent ignores the timestamps of this page.

        See docs/samples.md, "Explicit timestamps".
        """
        if self._warned or "collect[]" in request.query or "vm_promscrape" not in request.headers.get("user-agent", ""):
            return
        self._warned = True
        log.warning(
            "vmagent or VictoriaMetrics scrapes this page without collect[], which stores all intervals at the time of"
            " the scrape unless the job sets honor_timestamps: true; use the two scrape jobs from the README"
        )


def _restricted(registry: CollectorRegistry, names: Sequence[str]) -> CollectorRegistry:
    return cast("CollectorRegistry", registry.restricted_registry(names)) if names else registry


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
