import ssl

import pytest
import trustme


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """Trusts the authority, as the clients of a server with its certificate do."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
