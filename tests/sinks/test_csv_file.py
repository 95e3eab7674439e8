"""Test the CSV file: its lines, and that it appears complete or not at all."""

import os
from pathlib import Path

import pytest

from exporter.errors import ConfigError, DatabaseError
from exporter.intervals.model import LocationKey
from exporter.sinks.base import Chunk, Written
from exporter.sinks.csv_file import HEADER, CSVSink

from ..support.chunks import HOUR, KEY, chunk, meter, names_in, usage
from ..support.worlds import instant

PLACE = "novec,0012345001,70001"
ONE = chunk("2026-01-05", meter("M1", [usage(instant("2026-01-05"), 0.25)]))


def fill(sink: CSVSink, *chunks: Chunk) -> None:
    assert sink.open(0) == []
    for each in chunks:
        sink.write(each)
    sink.finish()
    sink.close()


def opened(output: Path | None, *, overwrite: bool = False) -> CSVSink:
    sink = CSVSink(output, overwrite=overwrite)
    sink.open(0)
    return sink


def written(output: Path, *chunks: Chunk) -> list[str]:
    fill(CSVSink(output, overwrite=True), *chunks)
    return output.read_text(encoding="utf-8").splitlines()


def test_each_interval_with_a_value_is_one_line(tmp_path: Path) -> None:
    start = instant("2026-01-05")
    intervals = [
        usage(start, 0.1, 900, export=0.0, cost=0.012345),
        usage(start + 900, 1e-06, 900),
        usage(start + 1800, None, 900, export=2.5),
        usage(start + 2700, None, 900, cost=-0.5),
        usage(start + 3600, None, 900),
    ]
    assert written(tmp_path / "out.csv", chunk("2026-01-05", meter("M1", intervals))) == [
        "start,end,portal,account,location,meter,usage_kwh,export_kwh,cost_usd",
        f"2026-01-05T00:00:00-05:00,2026-01-05T00:15:00-05:00,{PLACE},M1,0.1,0.0,0.012345",
        f"2026-01-05T00:15:00-05:00,2026-01-05T00:30:00-05:00,{PLACE},M1,1e-06,,",
        f"2026-01-05T00:30:00-05:00,2026-01-05T00:45:00-05:00,{PLACE},M1,,2.5,",
        f"2026-01-05T00:45:00-05:00,2026-01-05T01:00:00-05:00,{PLACE},M1,,,-0.5",
    ]


@pytest.mark.parametrize(
    ("day", "first", "expected"),
    [
        (
            "2026-03-08",
            "2026-03-08 01:00",
            [
                "2026-03-08T01:00:00-05:00,2026-03-08T03:00:00-04:00",
                "2026-03-08T03:00:00-04:00,2026-03-08T04:00:00-04:00",
            ],
        ),
        (
            "2026-11-01",
            "2026-11-01 01:00",
            [
                "2026-11-01T01:00:00-04:00,2026-11-01T01:00:00-05:00",
                "2026-11-01T01:00:00-05:00,2026-11-01T02:00:00-05:00",
            ],
        ),
    ],
)
def test_times_have_the_offset_of_their_instant(tmp_path: Path, day: str, first: str, expected: list[str]) -> None:
    intervals = [usage(instant(first) + hour * HOUR, 1.0) for hour in range(2)]
    lines = written(tmp_path / "out.csv", chunk(day, meter("M1", intervals)))
    assert lines[1:] == [f"{times},{PLACE},M1,1.0,," for times in expected]


def test_lines_come_chunk_by_chunk_sorted_by_meter(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    other = LocationKey("novec", "0012345001", "60001")
    chunks = [
        chunk(day, *(meter(number, [usage(instant(day), 1.0)]) for number in ("M2", "M1")), key=key)
        for key in (KEY, other)
        for day in ("2026-01-05", "2026-01-06")
    ]
    lines = written(tmp_path / "out.csv", *chunks)
    assert [(line.split(",")[4], line[:10], line.split(",")[5]) for line in lines[1:]] == [
        (location, day, number)
        for location in ("70001", "60001")
        for day in ("2026-01-05", "2026-01-06")
        for number in ("M1", "M2")
    ]
    fill(CSVSink(None, overwrite=False), *chunks)
    assert capsysbinary.readouterr().out.decode().splitlines() == lines


def test_commas_and_quotes_are_quoted(tmp_path: Path) -> None:
    key = LocationKey("novec", '12,3 "x"', "70 001")
    (line,) = written(
        tmp_path / "out.csv", chunk("2026-01-05", meter("M,1", [usage(instant("2026-01-05"), 1.0)]), key=key)
    )[1:]
    assert line == '2026-01-05T00:00:00-05:00,2026-01-05T01:00:00-05:00,novec,"12,3 ""x""",70 001,"M,1",1.0,,'


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t"])
def test_a_text_is_never_run_as_a_formula(tmp_path: Path, sign: str) -> None:
    start = instant("2026-01-05")
    key = LocationKey(f"{sign}1+1", f"1{sign}", f"{sign}7")
    each = chunk("2026-01-05", meter(f"{sign}cmd|' /C calc'!A0", [usage(start, 1.0, cost=-0.5)]), key=key)
    (line,) = written(tmp_path / "out.csv", each)[1:]
    assert line.split(",")[2:] == [
        f"'{sign}1+1",
        f"1{sign}",
        f"'{sign}7",
        f"'{sign}cmd|' /C calc'!A0",
        "1.0",
        "",
        "-0.5",
    ]


def test_a_line_break_in_a_text_begins_no_row(tmp_path: Path) -> None:
    key = LocationKey("novec", "7\n=1", "7\r=1")
    each = chunk("2026-01-05", meter("\r=1+1", [usage(instant("2026-01-05"), 1.0)]), key=key)
    fill(CSVSink(tmp_path / "out.csv", overwrite=False), each)
    assert b',novec,"7\n=1","7\r=1","\'\r=1+1",1.0,,\n' in (tmp_path / "out.csv").read_bytes()


def test_without_intervals_there_is_only_a_header(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert written(tmp_path / "out.csv") == [HEADER.strip()]
    fill(CSVSink(None, overwrite=False))
    assert capsysbinary.readouterr().out == HEADER.encode()


@pytest.mark.parametrize("before", [None, "before"])
def test_the_file_appears_only_when_finished(tmp_path: Path, before: str | None) -> None:
    output = tmp_path / "out.csv"
    if before:
        output.write_text(before, encoding="utf-8")
    unfinished, sink = (opened(output, overwrite=bool(before)) for _ in range(2))
    for each in (unfinished, sink):
        assert each.write(ONE) == Written(KEY, ONE.start, ONE.end, 1)
    unfinished.close()
    assert (output.read_text(encoding="utf-8") if output.exists() else None) == before
    sink.finish()
    sink.close()
    assert output.read_text(encoding="utf-8").endswith(f"{PLACE},M1,0.25,,\n")
    assert names_in(tmp_path) == ["out.csv"]


def test_only_leftovers_of_killed_runs_are_removed(tmp_path: Path) -> None:
    abandoned = tmp_path / ".x1_y2z3w.out.csv.part"
    abandoned.mkdir()
    (abandoned / "0").write_text("half", encoding="utf-8")
    (tmp_path / ".x1_y2z3w.other.csv.part").mkdir()
    other = opened(tmp_path / "out.csv")
    (made,) = set(names_in(tmp_path)) - {abandoned.name, ".x1_y2z3w.other.csv.part"}
    sink = opened(tmp_path / "out.csv")
    assert not abandoned.exists()
    assert {made, ".x1_y2z3w.other.csv.part"} < set(names_in(tmp_path))
    sink.close()
    other.close()
    assert names_in(tmp_path) == [".x1_y2z3w.other.csv.part"]


def test_a_file_created_meanwhile_is_left_alone(tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    sink = opened(output)
    output.write_text("theirs", encoding="utf-8")
    with pytest.raises(DatabaseError) as caught:
        sink.finish()
    assert (
        str(caught.value)
        == f"{output}: another program created it in the meantime; remove it and run the command again"
    )
    sink.close()
    assert (names_in(tmp_path), output.read_text(encoding="utf-8")) == (["out.csv"], "theirs")


def test_a_symbolic_link_is_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "target.csv", tmp_path / "link.csv"
    target.touch()
    link.symlink_to(target)
    assert written(link) == [HEADER.strip()]
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == HEADER


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "not a regular file; name a file, or - for standard output"),
        ("/dev/null", "not a regular file; name a file, or - for standard output"),
        ("missing/out.csv", "no such directory: {folder}/missing; create it first"),
        ("is.csv", "already exists; use --yes to overwrite it, or name another file"),
    ],
)
def test_an_unusable_output_is_reported_at_once(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "is.csv").touch()
    output = tmp_path / name
    with pytest.raises(ConfigError) as caught:
        opened(output, overwrite=name != "is.csv")
    assert str(caught.value) == f"{output}: {told.format(folder=tmp_path)}"
    assert names_in(tmp_path) == ["is.csv"]


def test_a_directory_without_write_access_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(ConfigError) as caught:
        CSVSink(tmp_path / "out.csv", overwrite=False).open(0)
    assert str(caught.value) == (
        f"{tmp_path}/out.csv: cannot create a file there (Permission denied); choose another directory"
    )


def test_a_full_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = opened(tmp_path / "out.csv")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DatabaseError) as caught:
        sink.finish()
    assert str(caught.value) == (
        f"{tmp_path}/out.csv: cannot write (No space left on device); free some space or choose another directory"
    )
    sink.close()
    assert names_in(tmp_path) == []


def test_standard_output_gets_each_chunk_at_once(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    sink = opened(None)
    assert sink.name == "standard output"
    assert capsysbinary.readouterr().out == b""
    line = f"2026-01-05T00:00:00-05:00,2026-01-05T01:00:00-05:00,{PLACE},M1,0.25,,\n"
    for expected in (HEADER + line, line):
        sink.write(ONE)
        assert capsysbinary.readouterr().out == expected.encode()
    sink.finish()
    sink.close()
    assert capsysbinary.readouterr().out == b""


def test_a_closed_pipe_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        sink = opened(None)
        with pytest.raises(DatabaseError) as caught:
            sink.write(ONE)
        assert str(caught.value) == "standard output: the reader closed the pipe; run the command again"


def test_a_file_is_written_oldest_first_and_never_resumed(tmp_path: Path) -> None:
    sink = CSVSink(tmp_path / "out.csv", overwrite=False)
    assert (sink.oldest_first, sink.resumes, sink.is_verified, sink.settling) == (True, False, False, 0.0)
