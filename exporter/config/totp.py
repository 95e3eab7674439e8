"""One-time codes for two-factor sign-in, from the secret of an authenticator app."""

import hashlib
import re
from base64 import b32decode
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pyotp

_DIGESTS: dict[str, Any] = {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256, "SHA512": hashlib.sha512}


def second_factor(text: str) -> pyotp.TOTP:
    """Return a generator of codes for a base32 secret or an otpauth://totp URI.

    Spaces, hyphens, lower case and missing padding are accepted. Raises ValueError, which never repeats the text.
    """
    if re.fullmatch(r"\s*\d{3}[\s-]?\d{3}(\d\d)?\s*", text):
        raise ValueError("that is a one-time code; the exporter needs the setup key (docs/two-factor.md)")
    try:
        uri = urlsplit(text.strip() if ":" in text else f"otpauth://totp?secret={quote(text)}")
        given = dict(parse_qsl(uri.query))
        secret = re.sub(r"[\s-]", "", given["secret"]).rstrip("=").upper()
        if uri.scheme != "otpauth" or uri.netloc.lower() != "totp" or not secret:
            raise ValueError  # noqa: TRY301
        generator = _Generator(
            secret,
            digits=int(given.get("digits", "6")),
            digest=_DIGESTS[given.get("algorithm", "SHA1").upper()],
            interval=int(given.get("period", "30")),
        )
        generator.now()
    except (ValueError, LookupError, ArithmeticError):
        raise ValueError(
            "neither a base32 secret nor an otpauth://totp URI; copy it from the portal again",
        ) from None
    return generator


class _Generator(pyotp.TOTP):
    """Accepts secrets of any length.

    pyotp 2.12 refuses secrets of 80 bits, which many sites still use.
    """

    def byte_secret(self) -> bytes:
        """Return the key. Raises ValueError if it is not base32."""
        return b32decode(self.secret + "=" * (-len(self.secret) % 8))
