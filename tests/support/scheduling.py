"""Distribute tests to workers: modules with an expensive setup stay together."""

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

_EACH_BY_ITSELF = ("test_backfill.py", "test_scraping.py")
"""Modules with real databases whose tests share nothing."""


class BySetUp(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Distribute modules with real databases as a whole, other tests one by one."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        is_shared = path.startswith("tests/e2e/") and not path.endswith(_EACH_BY_ITSELF)
        return path if is_shared else nodeid
