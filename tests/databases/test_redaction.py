"""Secrets in whatever notation they come back, and what is left around them."""

import html
import json
from urllib.parse import quote, quote_plus

import pytest

from exporter.databases.http import Authorization
from exporter.databases.redaction import redact

SECRET = 'h"ü & <t>\\r+2/%='


@pytest.mark.parametrize(
    "noted",
    [
        SECRET,
        SECRET.upper(),
        quote(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        json.dumps(SECRET)[1:-1].replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"),
        SECRET.replace("\\", "\\\\").replace('"', '\\"').replace("ü", "\\xc3\\xbc"),
        html.escape(SECRET),
        SECRET.replace("&", "&amp;").replace('"', "&#34;").replace("<", "&lt;").replace(">", "&gt;"),
        SECRET.encode().decode("latin-1"),
        SECRET.encode("latin-1").decode(errors="replace"),
    ],
)
def test_a_secret_is_hidden_in_every_notation(noted: str) -> None:
    assert redact(f"no {noted} here", [SECRET]) == "no ... here"


def test_a_secret_is_hidden_within_a_word_and_a_name_only_as_a_word() -> None:
    assert redact("xabcy abc", ["abc"]) == "x...y ..."
    assert redact("time for me, me:you and ME", [], ["me"]) == "time for ..., ...:you and ..."


def test_of_secrets_within_each_other_the_longest_is_hidden() -> None:
    assert redact("me:pw pw", ["pw", "me:pw"], ["me"]) == "... ..."


@pytest.mark.parametrize("nothing", [[], [""]])
def test_without_secrets_a_text_is_as_it_was(nothing: list[str]) -> None:
    assert redact("a text", nothing, nothing) == "a text"


@pytest.mark.parametrize(
    "authorization",
    [Authorization.basic("alice", "hunter2>>>???"), Authorization("Basic YWxpY2U6aHVudGVyMj4+Pj8/Pw==")],
)
@pytest.mark.parametrize(
    "said",
    [
        "YWxpY2U6aHVudGVyMj4+Pj8/Pw==",
        "YWxpY2U6aHVudGVyMj4+Pj8/Pw",
        "YWxpY2U6aHVudGVyMj4-Pj8_Pw==",
        "YWxpY2U6aHVudGVyMj4-Pj8_Pw",
        "YWxpY2U6aHVudGVyMj4%2BPj8%2FPw%3D%3D",
        "alice:hunter2>>>???",
        "hunter2>>>???",
        "alice",
    ],
)
def test_of_user_and_password_nothing_is_left(authorization: Authorization, said: str) -> None:
    assert authorization.hidden_in(f'no "Basic {said}" here') == 'no "Basic ..." here'


def test_a_token_is_hidden_though_another_scheme_is_named_with_it() -> None:
    assert Authorization("Token a+b/c==").hidden_in('no "Bearer a+b/c=="') == 'no "Bearer ..."'


def test_a_user_without_password_may_be_a_token() -> None:
    assert Authorization.basic("tok3n", "").hidden_in("xtok3ny") == "x...y"


def test_what_else_nobody_may_see_is_hidden_without_credentials_too() -> None:
    assert Authorization().hidden_in("no /way/x here", "/way") == "no .../x here"
