"""/metrics: which families, in which format, packed or not. Answers from memory alone."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from ..clock import Clock
from ..snapshot import Snapshot
from ..web.types import Request, Response
from .page import Format, Page, Part, gzipped, render

log = logging.getLogger(__name__)

INTERVALS = "intervals"
EXPORTER = "exporter"
_EMPTY = Part(b"")
_EOF = b"# EOF\n"


@dataclass(frozen=True, slots=True)
class _Rendered:
    snapshot: Snapshot
    page: Page


class MetricsEndpoint:
    """Answers a scrape. `window`: seconds of the recent past that samples may be old."""

    def __init__(
        self, snapshot: Callable[[], Snapshot], registry: CollectorRegistry, window: int, clock: Clock
    ) -> None:
        self._snapshot = snapshot
        self._registry = registry
        self._window = window
        self._clock = clock
        self._rendered: dict[Format, _Rendered] = {}
        self._lock = threading.Lock()
        self._warned = False

    def __call__(self, request: Request) -> Response:
        """Give the page; 400 for a collector that there is not."""
        collectors = request.query.get("collect[]", ())
        unknown = [name for name in collectors if name not in (INTERVALS, EXPORTER)]
        if unknown:
            text = f"unknown collect[], there are {INTERVALS} and {EXPORTER}\n"
            return Response(400, text.encode())
        self._warn_of_lost_timestamps(request, collectors)
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        form = Format.OPENMETRICS if content_type.startswith("application/openmetrics-text") else Format.TEXT
        names = request.query.get("name[]", ())
        first = self._intervals(form, names) if not collectors or INTERVALS in collectors else _EMPTY
        rest = _EOF if form is Format.OPENMETRICS else b""
        if not collectors or EXPORTER in collectors:
            registry = self._registry.restricted_registry(names) if names else self._registry
            rest = encode(registry)
        return _answer(first, rest, content_type, packed=_accepts_gzip(request.headers.get("accept-encoding", "")))

    def _intervals(self, form: Format, names: Sequence[str]) -> Part:
        page = self._page(form)
        if not names:
            return page.whole
        return Part(b"".join(text for name, text in page.families.items() if name in names))

    def _page(self, form: Format) -> Page:
        """The page of the present snapshot, rendered anew when its oldest sample has left the window."""
        snapshot = self._snapshot()
        since = int((self._clock.now() - self._window) * 1000)
        rendered = self._rendered.get(form)
        if rendered is None or not _is_current(rendered, snapshot, since):
            with self._lock:
                rendered = self._rendered.get(form)
                if rendered is None or not _is_current(rendered, snapshot, since):
                    rendered = _Rendered(snapshot, render(snapshot, since, form))
                    self._rendered[form] = rendered
        return rendered.page

    def _warn_of_lost_timestamps(self, request: Request, collectors: Sequence[str]) -> None:
        """Say once that vmagent drops timestamps by default (tsdb-facts C1): every interval would land on "now"."""
        if self._warned or collectors or "vm_promscrape" not in request.headers.get("user-agent", ""):
            return
        self._warned = True
        log.warning(
            "vmagent or VictoriaMetrics fetches this page without collect[]: unless its job says honor_timestamps:"
            " true, all intervals are stored at the time of the scrape; use the two jobs of the README"
        )


def _is_current(rendered: _Rendered, snapshot: Snapshot, since: int) -> bool:
    oldest = rendered.page.oldest
    return rendered.snapshot is snapshot and (oldest is None or oldest >= since)


def _answer(first: Part, rest: bytes, content_type: str, *, packed: bool) -> Response:
    headers = (("Vary", "Accept, Accept-Encoding"),)
    if packed:
        return Response(200, gzipped(first, rest), content_type, (*headers, ("Content-Encoding", "gzip")))
    return Response(200, first.body + rest, content_type, headers)


def _accepts_gzip(header: str) -> bool:
    for item in header.lower().split(","):
        name, _, weight = item.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
