"""Rejected sign-ins: how often, when last and why, by login and configuration."""

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass

from .database import Database
from .entries import EntryKey

_KIND = "sign_in"


@dataclass(frozen=True, slots=True)
class RejectedSignIns:
    """How often in a row a login was rejected; `last` in seconds UTC."""

    count: int
    last: float
    reason: str


class SignInEntries(Database):
    """The part of the state that protects accounts from being locked."""

    def rejected_sign_ins(self, login: str, fingerprint: str | None = None) -> RejectedSignIns | None:
        """Return the rejections of a login; None if there are none.

        fingerprint: The rejected configuration. If None, all configurations count together, with the last reason.
        """
        found = [
            each
            for key, each in self._rejected(login).items()
            if fingerprint is None or key == _key(login, fingerprint)
        ]
        if not found:
            return None
        newest = max(found, key=lambda each: each.last)
        return RejectedSignIns(sum(each.count for each in found), newest.last, newest.reason)

    def count_rejected_sign_in(self, login: str, fingerprint: str, now: float, reason: str) -> None:
        """Count one more rejection of a login with this configuration."""
        before = self.rejected_sign_ins(login, fingerprint)
        after = RejectedSignIns(before.count + 1 if before else 1, now, reason)
        self.write({_key(login, fingerprint): json.dumps(astuple(after)).encode()})

    def forget_rejected_sign_ins(self, login: str) -> None:
        """Forget the rejections of a login, once it was accepted."""
        self.write(dict.fromkeys(self._rejected(login)))

    def _rejected(self, login: str) -> Mapping[EntryKey, RejectedSignIns]:
        return self.read(
            lambda found: {key: RejectedSignIns(*json.loads(found[key])) for key in found if key.account == login},
            _KIND,
        )


def _key(login: str, fingerprint: str) -> EntryKey:
    return EntryKey(_KIND, "", login, "", fingerprint)
