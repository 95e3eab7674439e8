"""The verdict on the configured zone of a login, the same for every command."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from ..clock import Clock
from ..config import Login
from ..errors import PortalError, TransportError
from ..storage.state import StateFile
from .accounts import AccountLocation
from .client import PortalClient
from .timezone import OffsetEvidence, ZoneState, ZoneVerdict, has_both_seasons, judge_zone
from .timezone_search import search_zone

_DOUBTFUL = (ZoneState.UNKNOWN, ZoneState.SUSPECT, ZoneState.CONTRADICTED)


class ZoneJudge:
    """Judges the zone of one login by all its answers.

    The portal is searched for more evidence at most once while there is none, and once before the zone is contradicted.
    A contradiction is kept in the state. It ends with evidence that fits the zone.

    verdict: the current one. error: why the last search did not find more.
    """

    def __init__(self, login: Login, client: PortalClient, state: StateFile, clock: Clock) -> None:
        assert login.zone is not None
        self._zone = login.zone
        self._client = client
        self._state = state
        self._clock = clock
        self._key = (login.portal.label, login.name, login.zone.key)
        self._found: set[OffsetEvidence] = set()
        self._searched: set[bool] = set()  # with and without evidence before
        self.error: PortalError | None = None
        others = state.contradicted_by(*self._key)
        self.verdict = (
            ZoneVerdict(ZoneState.CONTRADICTED, others, self._zone.key) if others else ZoneVerdict(zone=self._zone.key)
        )

    def judge(
        self,
        shown: Mapping[AccountLocation, Collection[OffsetEvidence]],
        bill_reads: Collection[int],
        *,
        is_thorough: bool = False,
    ) -> ZoneVerdict:
        """Return the verdict.

        shown: what the answers of each location with intervals showed. is_thorough: search all of these, unless the
        zone fits in both halves of the year; otherwise only one, and only if the zone may be wrong.
        """
        evidence = {*chain.from_iterable(shown.values()), *self._found}
        verdict = judge_zone(self._zone, evidence, bill_reads)
        if is_thorough:
            is_settled = verdict.state is ZoneState.FITS and has_both_seasons(evidence)
        else:
            is_settled = verdict.state not in _DOUBTFUL or bool(evidence) in self._searched
        if shown and not is_settled:
            before = bool(evidence)
            is_complete = self._search([*shown] if is_thorough else [max(shown, key=lambda each: len(shown[each]))])
            evidence |= self._found
            verdict = judge_zone(self._zone, evidence, bill_reads)
            if is_complete:
                self._searched |= {before, bool(evidence)}
            elif verdict.is_contradicted:
                verdict = replace(verdict, state=ZoneState.SUSPECT)
        is_kept = self.verdict.is_contradicted and verdict.state in (ZoneState.UNKNOWN, ZoneState.SUSPECT)
        if verdict != self.verdict and not is_kept:
            self.verdict = verdict
            self._state.note_contradiction(*self._key, verdict.others if verdict.is_contradicted else ())
        return self.verdict

    def _search(self, locations: Sequence[AccountLocation]) -> bool:
        """Search for more evidence; return whether the portal answered."""
        try:
            search = search_zone(self._client, locations, self._clock)
        except PortalError as error:
            self.error = error
            return False
        self.error = search.error
        self._found.update(search.evidence)
        return not isinstance(search.error, TransportError)
