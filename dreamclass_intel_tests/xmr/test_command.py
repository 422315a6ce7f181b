"""`dreamclass-intel xmr`: what it prints, what it refuses, and that the command line stays light."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dreamclass_intel.cli import app
from dreamclass_intel_tests.xmr.vectors import CASES

P382 = next(case for case in CASES if case.name == "wheeler_msd_p382")


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "p382.csv"
    path.write_text("week,value\n" + "".join(f"W{i:02d},{v:g}\n" for i, v in enumerate(P382.values)))
    return path


def run(*args: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["xmr", *map(str, args)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_json_is_one_object_with_the_stated_keys(csv: Path) -> None:
    code, out, err = run(csv, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert list(found) == ["center", "mr_bar", "unpl", "lnpl", "url", "n", "signals"]
    for name, value in P382.published.items():
        assert found[name] == pytest.approx(value, abs=P382.tol)
    assert found["n"] == 16
    assert found["signals"] == [
        {"rule": "outside_limits", "side": "above", "start": 15, "end": 15, "known_at": 15, "members": [15]}
    ]


def test_text(csv: Path) -> None:
    code, out, _ = run(csv)
    assert code == 0
    for expected in ("4135.5", "355.93", "5082.28", "3188.71", "1163.19", "n = 16"):
        assert expected in out
    assert "Changed: above the upper limit at W15" in out
    assert "note: moving range above its limit at W15" in out


def test_svg_is_written_beside_either_output(csv: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "1.svg", tmp_path / "2.svg"
    assert run(csv, "--svg", one)[0] == 0
    code, out, _ = run(csv, "--json", "--svg", two)
    assert code == 0
    assert json.loads(out)
    assert one.read_bytes() == two.read_bytes()
    assert one.read_text().startswith("<svg ")
    code, out, err = run(csv, "--svg", tmp_path / "no" / "dir.svg")
    assert (code, out) == (2, "")
    assert "No such file or directory" in err


def test_json_array_and_missing_windows(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[1, 2, 1, null, 2, 1, 2]")
    found = json.loads(run(path, "--json")[1])
    assert (found["n"], found["mr_bar"], found["signals"]) == (6, 1.0, [])


@pytest.mark.parametrize(
    ("content", "args", "message"),
    [
        ("value\n1\n", [], "too few points: 1 of 6 needed"),
        ("value\n1\n2\n3\n4\n5\n", ["--json"], "too few points: 5 of 6 needed"),
        ("value\n", [], "too few points: 0 of 6 needed"),
        ("", [], "the file is empty"),
        ("a,b\n1,2\n", [], "several columns hold numbers (a, b): choose one with --column"),
        ("a,b\n1,2\n", ["--column", "c"], "no column 'c'"),
        ("a\n1\nx\n", [], "row 3, column 'a': 'x' is not a number"),
        ("a\n" + "1.7e308\n-1.7e308\n" * 3, [], "not finite"),
        ("\x1b[31m,\x07\nx,y\n", [], "no column holds numbers"),
    ],
)
def test_refused_in_one_line(tmp_path: Path, content: str, args: list[str], message: str) -> None:
    path = tmp_path / "f.csv"
    path.write_text(content)
    code, out, err = run(path, *args)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert err[:-1].isprintable()


def test_hostile_labels_print_as_text(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    rows = "".join(f"W{i},{i % 2}\n" for i in range(12))
    path.write_text('week,v\n"W\x1b[2J\nnote: all is well",99\n' + rows)
    code, out, _ = run(path)
    assert code == 0
    assert "\x1b" not in out
    assert "\nnote: all is well" not in out


def test_the_real_command(csv: Path) -> None:
    """The installed entry point, in a terminal that knows ASCII only."""
    command = Path(sys.executable).with_name("dreamclass-intel")
    text = csv.read_text().replace("W15", "Wé15")
    csv.write_text(text)
    done = subprocess.run([command, "xmr", csv], capture_output=True, env={"PYTHONIOENCODING": "ascii"}, check=False)
    assert done.returncode == 0, done.stderr
    assert b"W?15" in done.stdout
    bad = subprocess.run([command, "xmr", csv.with_name("none.csv")], capture_output=True, check=False)
    assert bad.returncode == 2
    assert bad.stderr.decode().strip().endswith("none.csv: No such file or directory")


def test_the_command_line_loads_nothing_heavy() -> None:
    heavy = ("dagster", "pandas", "numpy", "duckdb")
    code = f"import sys, dreamclass_intel.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
