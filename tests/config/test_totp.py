import pytest

from exporter.config import second_factor

from ..support.config_files import exactly

RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
RFC_TIME, RFC_CODE = 1111111109, "081804"


@pytest.mark.parametrize(
    "text",
    [
        RFC_SECRET,
        "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
        "GEZD-GNBV-GY3T-QOJQ-GEZD-GNBV-GY3T-QOJQ\n",
        f"otpauth://totp/Co-op:member%40example.org?secret={RFC_SECRET}&issuer=Co-op",
        f"otpauth://totp/x?secret={RFC_SECRET.lower()}&algorithm=SHA1&digits=6&period=30",
    ],
)
def test_codes_follow_the_standard(text: str) -> None:
    assert second_factor(text).at(RFC_TIME) == RFC_CODE


def test_the_parameters_of_a_uri_are_used() -> None:
    generator = second_factor(f"otpauth://totp/x?secret={RFC_SECRET}&digits=8&period=60&algorithm=sha256")
    assert (generator.digits, generator.interval) == (8, 60)
    assert generator.at(RFC_TIME) != second_factor(f"otpauth://totp/x?secret={RFC_SECRET}&digits=8").at(RFC_TIME)


@pytest.mark.parametrize(
    "text",
    ["JBSWY3DPEHPK3PXP", "JBSWY3DPEHPK3PXPJA", "JBSWY3DPEHPK3PXPJA======", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP"],
)
def test_short_secrets_and_missing_padding_are_accepted(text: str) -> None:
    assert len(second_factor(text).now()) == 6


@pytest.mark.parametrize(
    "text",
    [
        "",
        "====",
        "not base32!",
        "JBSWY3DPEHPK3PX1",
        "A",
        "ÄÖÜ",
        "https://totp/x?secret=JBSWY3DPEHPK3PXP",
        "otpauth://hotp/x?secret=JBSWY3DPEHPK3PXP&counter=1",
        "otpauth://totp/x",
        "otpauth://totp/x?secret=0189",
        "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&digits=abc",
        "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&digits=99",
        "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&period=0",
        "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&algorithm=MD5",
        "otpauth://[",
    ],
)
def test_an_invalid_secret_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(
        ValueError,
        match=exactly("neither a base32 secret nor an otpauth://totp URI; copy it from the portal again"),
    ):
        second_factor(text)


@pytest.mark.parametrize("text", ["123456", " 123 456\n", "765-432", "12345678"])
def test_typed_code_is_told_from_the_setup_key(text: str) -> None:
    with pytest.raises(
        ValueError,
        match=exactly("that is a one-time code; the exporter needs the setup key (docs/two-factor.md)"),
    ):
        second_factor(text)
