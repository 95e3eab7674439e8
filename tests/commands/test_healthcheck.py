"""`healthcheck`: 0 if the exporter is healthy, otherwise 1, also with TLS."""

import bcrypt
import trustme

from exporter.web.auth import WebConfig
from exporter.web.server import Server
from exporter.web.types import Response

from ..support.program import Result, Starter, login

HEALTHY, UNHEALTHY = Response(200, b"healthy\n"), Response(503, b"a refresh thread has ended\n")


def exporter(answer: Response = HEALTHY, web: WebConfig | None = None) -> Server:
    """Return an exporter with only the health check."""
    return Server("127.0.0.1:0", lambda request: answer if request.path == "/-/healthy" else Response(404, b""), web)


def check(starter: Starter, server: Server, *arguments: str, **variables: str) -> Result:
    host, port = server.address
    return starter.call("healthcheck", f"--web.listen-address={host}:{port}", *arguments, **variables)


def test_a_healthy_exporter_is_0_and_only_its_address_needed(starter: Starter) -> None:
    with exporter() as server:
        program = check(starter, server)
    assert (program.wait(), program.stdout, program.stderr) == (0, "healthy\n", "")


def test_an_unhealthy_exporter_is_1(starter: Starter) -> None:
    with exporter(UNHEALTHY) as server:
        program = check(starter, server)
    assert (program.wait(), program.stdout) == (1, "a refresh thread has ended\n")


def test_no_exporter_is_1_and_one_line(starter: Starter) -> None:
    with exporter() as server:
        pass
    program = check(starter, server)
    assert program.wait() == 1
    (line,) = (program.stdout + program.stderr).splitlines()
    assert f"127.0.0.1:{server.address[1]}" in line


def test_the_address_comes_from_the_configuration(starter: Starter) -> None:
    with exporter() as server:
        config = {**login(timezone=None), "exporter": {"listen_address": f":{server.address[1]}"}}
        starter.config(config)
        assert starter.call("healthcheck").wait() == 0


def test_the_address_can_come_from_the_environment(starter: Starter) -> None:
    with exporter() as server:
        program = starter.call("healthcheck", SMARTHUB_LISTEN_ADDRESS=f"0.0.0.0:{server.address[1]}")
    assert program.wait() == 0


def test_it_works_with_tls_and_passwords(starter: Starter) -> None:
    issued = trustme.CA().issue_cert("energy.example.org")
    issued.cert_chain_pems[0].write_to_path(starter.folder / "cert.pem")
    issued.private_key_pem.write_to_path(starter.folder / "key.pem")
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
    web = starter.config(
        {
            "tls_server_config": {"cert_file": "cert.pem", "key_file": "key.pem"},
            "basic_auth_users": {"scraper": hashed},
        },
        "web.yaml",
    )
    with exporter(web=WebConfig(web)) as server:
        program = check(starter, server, "--web.config.file", str(web))
        without = check(starter, server)
    assert (program.wait(), program.stdout, program.stderr) == (0, "healthy\n", "")
    assert without.wait() == 1


def test_only_what_it_needs_is_imported(starter: Starter) -> None:
    with exporter() as server:
        host, port = server.address
        address = f"--web.listen-address={host}:{port}"
        program = starter.run("healthcheck", address, PYTHONPROFILEIMPORTTIME="1")
    assert program.wait() == 0
    imported = {line.rpartition("|")[2].strip() for line in program.stderr.splitlines()}
    assert "exporter.config" in imported
    assert not imported & {"requests", "urllib3", "bcrypt", "prometheus_client", "sqlite3", "msgspec"}
    assert not {f"exporter.{part}" for part in ("app", "intervals", "portal", "storage", "web")} & imported


def test_a_proxy_from_the_environment_is_not_used(starter: Starter) -> None:
    starter.environment.pop("NO_PROXY")
    with exporter() as server:
        assert check(starter, server, HTTP_PROXY="http://127.0.0.1:9").wait() == 0
