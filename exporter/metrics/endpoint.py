"""/metrics: which families, in which format, packed or not. Answers from memory alone."""

import logging
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from ..clock import Clock
from ..intervals.model import Snapshot
from ..web.types import Request, Response
from .compression import PagePart, gzipped
from .exposition import Format, Page, render

log = logging.getLogger(__name__)

INTERVALS = "intervals"
EXPORTER = "exporter"
_EOF = b"# EOF\n"


@dataclass(frozen=True, slots=True)
class Steady:
    """Families that change with a refresh and not with a scrape. `version` gives something equal until they do."""

    registry: CollectorRegistry
    version: Callable[[], object]


@dataclass(frozen=True, slots=True)
class _Rendered:
    snapshot: Snapshot
    page: Page


class MetricsEndpoint:
    """Answers a scrape. `window`: seconds of the recent past that samples may be old.

    registry: families that are different at each scrape. steady: the others, rendered when they have changed.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        registry: CollectorRegistry,
        window: int,
        clock: Clock,
        *,
        steady: Steady | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._registry = registry
        self._steady = steady
        self._window = window
        self._clock = clock
        self._rendered: dict[Format, _Rendered] = {}
        self._rendered_steady: dict[str, tuple[object, PagePart]] = {}
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
        encode, content_type = choose_encoder(_known(request.headers.get("accept", "")))
        form = Format.OPENMETRICS if content_type.startswith("application/openmetrics-text") else Format.TEXT
        names = request.query.get("name[]", ())
        parts = [self._intervals(form, names)] if not collectors or INTERVALS in collectors else []
        rest = _EOF if form is Format.OPENMETRICS else b""
        if not collectors or EXPORTER in collectors:
            if self._steady:
                parts.append(self._steady_part(self._steady, encode, content_type, names))
            rest = encode(_restricted(self._registry, names))
        return _answer(parts, rest, content_type, packed=_accepts_gzip(request.headers.get("accept-encoding", "")))

    def _steady_part(
        self,
        steady: Steady,
        encode: Callable[[CollectorRegistry], bytes],
        content_type: str,
        names: Sequence[str],
    ) -> PagePart:
        if names:
            return PagePart(encode(_restricted(steady.registry, names)).removesuffix(_EOF))
        version = steady.version()
        rendered = self._rendered_steady.get(content_type)
        if rendered is None or rendered[0] != version:
            rendered = version, PagePart(encode(steady.registry).removesuffix(_EOF))
            self._rendered_steady[content_type] = rendered
        return rendered[1]

    def _intervals(self, form: Format, names: Sequence[str]) -> PagePart:
        page = self._page(form)
        return page.only(names) if names else page.whole

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


def _restricted(registry: CollectorRegistry, names: Sequence[str]) -> CollectorRegistry:
    return cast("CollectorRegistry", registry.restricted_registry(names)) if names else registry


def _answer(parts: Sequence[PagePart], rest: bytes, content_type: str, *, packed: bool) -> Response:
    headers = (("Vary", "Accept, Accept-Encoding"),)
    if packed:
        return Response(200, gzipped(parts, rest), content_type, (*headers, ("Content-Encoding", "gzip")))
    texts = [text for text in (*(part.body for part in parts), rest) if text]
    # A single text is not copied: it may be a page of many megabytes.
    return Response(200, texts[0] if len(texts) == 1 else b"".join(texts), content_type, headers)


_FORMATS = re.compile(
    r"(application/openmetrics-text(;version=(0\.0\.1|1\.0\.0))?|text/plain(;version=(0\.0\.4|1\.0\.0))?)"
    r"(;charset=utf-8)?(;escaping=(allow-utf-8|underscores|dots|values))?(;q=[0-9.]+)?"
)


def _known(accept: str) -> str:
    """The formats of an Accept header that there are: the library answers in any version that it is asked for."""
    clauses = ("".join(clause.split()).lower() for clause in accept.split(","))
    return ",".join(clause for clause in clauses if _FORMATS.fullmatch(clause))


def _accepts_gzip(header: str) -> bool:
    for item in header.lower().split(","):
        name, _, weight = item.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
