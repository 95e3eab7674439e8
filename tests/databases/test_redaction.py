"""Test that secrets are found in any encoding."""

from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest

from exporter.databases.redaction import reveals, without_urls

SECRET = "hunter>2? ü/=="


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        SECRET.upper(),
        SECRET.rstrip("="),
        quote(SECRET),
        quote(SECRET, safe="").lower(),
        quote_plus(SECRET),
        b64encode(SECRET.encode()).decode(),
        urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
        quote(b64encode(SECRET.encode()).decode(), safe=""),
    ],
)
def test_a_secret_is_found_in_any_encoding(shown: str) -> None:
    assert reveals(f"no x{shown}y here", ["other", SECRET])
    assert not reveals(f"no x{shown[1:]}y here", [SECRET])


@pytest.mark.parametrize("secrets", [[], [""], ["="], ["another"]])
def test_a_text_without_a_secret_reveals_none(secrets: list[str]) -> None:
    assert not reveals("a text", secrets)


def test_urls_are_quoted_without_credentials_and_parameters() -> None:
    told = 'Get "https://me:pw@host:1/a/b?token=x&c=d#e": refused, not http://[::1]:9/?x'
    assert without_urls(told) == 'Get "https://host:1/a/b": refused, not http://[::1]:9/'
