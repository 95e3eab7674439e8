"""Find secrets in what a server says; such text is not quoted."""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable
from urllib.parse import unquote_plus

_URL = re.compile(r"(https?://)(?:[^\s\"'/?#]*@)?([^\s\"'?#]*)[^\s\"']*")


def without_urls(text: str) -> str:
    """Return a text whose URLs have no credentials and no parameters, which may be secrets."""
    return _URL.sub(r"\1\2", text)


def reveals(text: str, secrets: Iterable[str]) -> bool:
    """Check whether a text contains a secret.

    It is found in any case, as it is, percent-encoded or in base64.
    """
    shown = (text.casefold(), unquote_plus(text).casefold())
    return any(form.casefold() in each for secret in secrets for form in _forms(secret) for each in shown)


def _forms(secret: str) -> tuple[str, ...]:
    data = secret.encode()
    encoded = (b64encode(data).decode(), urlsafe_b64encode(data).decode())
    return tuple({secret, secret.rstrip("="), *(each.rstrip("=") for each in encoded)} - {""})
