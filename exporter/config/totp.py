"""One-time codes for the second factor, from what portals and authenticator programs show."""

import hashlib
import re
from base64 import b32decode
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp

_DIGESTS = {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256, "SHA512": hashlib.sha512}
_BASE32_GROUP = 8


def second_factor(text: str) -> pyotp.TOTP:
    """The generator of one-time codes for a base32 secret or an otpauth://totp URI.

    Spaces, hyphens, lower case and missing padding do no harm. Raises ValueError, whose message does not hold the text.
    """
    try:
        generator = _from_uri(text.strip()) if ":" in text else _Generator(_base32(text))
        generator.now()
    except (ValueError, ArithmeticError):
        raise ValueError(
            "neither base32 text nor an otpauth://totp URI, copy it again from where the portal shows it",
        ) from None
    return generator


class _Generator(pyotp.TOTP):
    """Takes secrets of any length: pyotp 2.12 refuses the 80 bits that many sites still hand out."""

    def byte_secret(self) -> bytes:
        """The key itself; raises ValueError where it is not base32."""
        padding = "=" * (-len(self.secret) % _BASE32_GROUP)
        return b32decode(self.secret + padding)


def _from_uri(uri: str) -> pyotp.TOTP:
    parts = urlsplit(uri)
    if parts.scheme != "otpauth" or parts.netloc.lower() != "totp":
        raise ValueError
    given = {key: values[0] for key, values in parse_qs(parts.query).items()}
    digest: Any = _DIGESTS.get(given.get("algorithm", "SHA1").upper())
    if digest is None:
        raise ValueError
    return _Generator(
        _base32(given.get("secret", "")),
        digits=int(given.get("digits", "6")),
        digest=digest,
        interval=int(given.get("period", "30")),
    )


def _base32(text: str) -> str:
    secret = re.sub(r"[\s-]", "", text).rstrip("=").upper()
    if not secret:
        raise ValueError
    return secret
