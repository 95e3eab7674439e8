import pytest

from exporter.config import PortalAddress, database_url, parse_listen_address, portal_address

from ..support.config_files import exactly


@pytest.mark.parametrize(
    "text",
    [
        "novec",
        "NOVEC",
        " novec/ ",
        "https://novec",
        "novec.smarthub.coop",
        "novec.smarthub.coop.",
        "https://novec.smarthub.coop",
        "https://novec.smarthub.coop/",
        "HTTPS://Novec.SmartHub.coop/ui/#/login?next=x",
        "https://novec.smarthub.coop:443",
        "novec.smarthub.coop:",
    ],
)
def test_every_way_to_name_a_co_op_is_the_same_portal(text: str) -> None:
    assert portal_address(text) == PortalAddress("https://novec.smarthub.coop", "novec", loopback=False)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("novec.smarthub.coop:8443", ("https://novec.smarthub.coop:8443", "novec.smarthub.coop:8443", False)),
        ("a.b.smarthub.coop", ("https://a.b.smarthub.coop", "a.b.smarthub.coop", False)),
        ("smarthub.coop", ("https://smarthub.coop", "smarthub.coop", False)),
        ("portal.example.com", ("https://portal.example.com", "portal.example.com", False)),
        ("portal.example.com:443", ("https://portal.example.com:443", "portal.example.com:443", False)),
        ("http://simulator:10059/x", ("http://simulator:10059", "simulator:10059", False)),
        ("http://simulator", ("http://simulator", "simulator", False)),
        ("simulator:10059", ("https://simulator:10059", "simulator:10059", False)),
        ("http://localhost:10059", ("http://localhost:10059", "localhost:10059", True)),
        ("localhost", ("https://localhost", "localhost", True)),
        ("http://127.9.9.9", ("http://127.9.9.9", "127.9.9.9", True)),
        ("http://[::1]:10059", ("http://[::1]:10059", "[::1]:10059", True)),
        ("[2001:DB8::1]", ("https://[2001:db8::1]", "[2001:db8::1]", False)),
        ("10.0.0.1", ("https://10.0.0.1", "10.0.0.1", False)),
        ("localhost.example.com", ("https://localhost.example.com", "localhost.example.com", False)),
    ],
)
def test_other_hosts_are_their_own_label(text: str, address: tuple[str, str, bool]) -> None:
    base_url, label, loopback = address
    assert portal_address(text) == PortalAddress(base_url, label, loopback)


USERINFO = "must not contain a user name or password; set username and password instead"
BAD_PORT = "the port must be a number from 1 to 65535"
SPACES = "must not contain spaces or line breaks"
SCHEME = "must begin with http:// or https://"
NOT_VALID = [
    "", "https://", "https:/novec", "/path", "::1", "[::1", "[fe80::1%eth0]", "https://[v1.x]", "-novec", "a..b",
    "a\\b.com", "exämple.com", "https://℀.com",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("https://member:hunter2@novec.smarthub.coop", USERINFO),
        ("member@novec.smarthub.coop", USERINFO),
        ("ftp://novec.smarthub.coop", SCHEME),
        ("novec smarthub", SPACES),
        ("novec\t.smarthub.coop", SPACES),
        *((f"novec:{port}", BAD_PORT) for port in ("0", "65536", "abc")),
        *((text, "not a valid URL or host") for text in NOT_VALID),
    ],
)
def test_an_invalid_portal_is_refused_and_not_quoted(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=exactly(message)):
        portal_address(text)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://localhost:8428/", "http://localhost:8428"),
        ("HTTPS://VM.example.com/insert/0/prometheus/", "https://vm.example.com/insert/0/prometheus"),
        ("http://[::1]:8086", "http://[::1]:8086"),
    ],
)
def test_a_database_keeps_its_path(text: str, url: str) -> None:
    assert database_url(text) == url


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("localhost:8428", SCHEME),
        ("http://a:b@localhost", USERINFO),
        ("http://localhost?db=x", "must be a URL without ? or #"),
        ("http://localhost#x", "must be a URL without ? or #"),
    ],
)
def test_an_invalid_database_url_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=exactly(message)):
        database_url(text)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":10058", "", 10058),
        (":0", "", 0),
        ("[::1]:9", "::1", 9),
        ("127.0.0.1:65535", "127.0.0.1", 65535),
        ("Localhost:80", "Localhost", 80),
    ],
)
def test_a_listen_address_has_a_port_and_may_have_a_host(text: str, host: str, port: int) -> None:
    assert parse_listen_address(text) == (host, port)


@pytest.mark.parametrize("text", ["10058", "localhost", "::1:9", "[::1]", "a:", ":x", "[a]:9", "http://a:9", ":\u0661"])
def test_other_listen_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=exactly("must be HOST:PORT, [IPV6]:PORT or :PORT, such as :10058")):
        parse_listen_address(text)


def test_a_listen_port_has_a_maximum() -> None:
    with pytest.raises(ValueError, match=exactly("the port must be at most 65535")):
        parse_listen_address(":65536")
