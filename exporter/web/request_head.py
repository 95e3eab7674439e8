"""Reads the head of a request: its first line and its headers, at most so many bytes of either.

What another program on the way could understand differently is refused, so that no request can hide in another one:
RFC 9112 is taken strictly, except that a missing Host is accepted.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import parse_qs, unquote

from .types import Request

_LONGEST_LINE = 64 << 10
_LONGEST_HEADERS = 32 << 10
_MOST_HEADERS = 100
"""The limits, in bytes, bound what requests that are never finished can take up."""

_TOKEN = rb"[!#$%&'*+.^_`|~\w-]+"
_REQUEST_LINE = re.compile(rb"(%s) ([!-~]+) HTTP/(\d\.\d)\r\n" % _TOKEN)
_HEADER = re.compile(rb"(%s):([\t -~\x80-\xff]*)\r\n" % _TOKEN)
_TARGET = re.compile(r"(?:(?i:https?)://[^/?]+)?(/[^?]*)(?:\?(.*))?")
_BAD_IN_TARGET = re.compile(r"#|%(?![0-9A-Fa-f]{2})")
_DIGITS = re.compile("[0-9]+")


class BadRequestError(Exception):
    """A request that is answered with `status`, after which its connection is closed."""

    def __init__(self, status: HTTPStatus, detail: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request, and what its head says about its connection.

    keeps_open: The client may send another request. has_body: A body follows the head.
    """

    request: Request
    version: str
    keeps_open: bool
    has_body: bool


def read_head(stream: BinaryIO) -> RequestHead | None:
    """Read the head of the next request; None if there is none. Raises BadRequestError."""
    line = stream.readline(_LONGEST_LINE + 1)
    if len(line) > _LONGEST_LINE:
        raise BadRequestError(HTTPStatus.REQUEST_URI_TOO_LONG)
    if not line:
        return None
    matched = _REQUEST_LINE.fullmatch(line)
    if matched is None:
        raise _bad("malformed request line")
    method, target, version = (part.decode() for part in matched.groups())
    if version >= "2":
        raise BadRequestError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    if version not in ("1.0", "1.1"):
        raise _bad("unknown version of HTTP")
    path, query = _path_and_query(method, target)
    fields = _fields(stream)
    has_body = _has_body(fields, version)
    headers = {name: ", ".join(values) for name, values in fields.items()}
    options = {option.strip() for option in headers.get("connection", "").lower().split(",")}
    keeps_open = "close" not in options and (version == "1.1" or "keep-alive" in options)
    return RequestHead(Request(method, path, query, headers), version, keeps_open, has_body)


def _path_and_query(method: str, target: str) -> tuple[str, dict[str, list[str]]]:
    matched = _TARGET.fullmatch(target)
    if method in ("GET", "HEAD") and (matched is None or _BAD_IN_TARGET.search(target)):
        raise _bad("malformed request target")
    path, query = matched.groups() if matched else (target, None)
    return unquote(path), parse_qs(query or "", keep_blank_values=True)


def _fields(stream: BinaryIO) -> dict[str, list[str]]:
    """Read the headers: all values of each name in lower case."""
    fields: dict[str, list[str]] = {}
    count, left = 0, _LONGEST_HEADERS
    while (line := stream.readline(left + len("\r\n"))) != b"\r\n":
        left -= len(line)
        count += 1
        if left < 0 or count > _MOST_HEADERS:
            raise BadRequestError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        matched = _HEADER.fullmatch(line)
        if matched is None:
            raise _bad("malformed header")
        name, value = (part.decode("latin-1") for part in matched.groups())
        fields.setdefault(name.lower(), []).append(value.strip(" \t"))
    return fields


def _has_body(fields: dict[str, list[str]], version: str) -> bool:
    """Return whether a body follows. Raises BadRequestError if that is not certain."""
    lengths, codings = fields.get("content-length", []), fields.get("transfer-encoding", [])
    if len(lengths) > 1 or not all(map(_DIGITS.fullmatch, lengths)):
        raise _bad("ambiguous Content-Length")
    if codings and (lengths or version == "1.0" or [coding.lower() for coding in codings] != ["chunked"]):
        raise _bad("ambiguous Transfer-Encoding")
    if len(fields.get("host", [])) > 1:
        raise _bad("ambiguous Host")
    return bool(codings or any(length.strip("0") for length in lengths))


def _bad(detail: str) -> BadRequestError:
    return BadRequestError(HTTPStatus.BAD_REQUEST, detail)
