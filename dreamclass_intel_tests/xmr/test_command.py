"""`dreamclass-intel xmr`: what it prints, what it refuses, and that the command line stays light."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dreamclass_intel.cli import app
from dreamclass_intel.xmr import Baseline, analyse
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


STEP = "week,value\n" + "".join(f"W{i},{v}\n" for i, v in enumerate([1, 2, 1, 2, 1, 3, 11, 12, 11, 13, 12, 11, 30]))


@pytest.fixture
def step(tmp_path: Path) -> Path:
    path = tmp_path / "step.csv"
    path.write_text(STEP)
    return path


def test_baseline_by_count_and_by_range(csv: Path) -> None:
    expected = analyse(P382.values, baseline=Baseline(count=8)).limits
    assert expected is not None
    found = json.loads(run(csv, "--json", "--baseline", "8")[1])
    assert (found["n"], found["unpl"]) == (8, expected.unpl)
    assert [s["rule"] for s in found["signals"]] == [s.rule for s in analyse(P382.values, baseline=expected).signals]
    expected = analyse(P382.values, baseline=Baseline(start=2, stop=12)).limits
    assert expected is not None
    found = json.loads(run(csv, "--json", "--baseline", "2:12")[1])
    assert (found["n"], found["unpl"]) == (10, expected.unpl)
    assert "locked limits, n = 10" in run(csv, "--baseline", "2:12")[1]


@pytest.mark.parametrize("window", ["W6", "6"])
def test_a_divider_by_label_or_index(step: Path, window: str) -> None:
    found = json.loads(run(step, "--json", "--divider", f"{window}=new price = dearer")[1])
    first, second = found["segments"]
    assert (first["start"], first["stop"], first["reason"]) == (0, 6, None)
    assert (second["start"], second["stop"], second["reason"]) == (6, 13, "new price = dearer")
    assert first["limits"]["center"] == pytest.approx(10 / 6)
    assert {key: found[key] for key in second["limits"]} == second["limits"]
    assert [signal["start"] for signal in found["signals"]] == [12]


def test_dividers_in_text_and_picture(step: Path, tmp_path: Path) -> None:
    svg = tmp_path / "step.svg"
    code, out, _ = run(step, "--divider", "W6=new price", "--svg", svg)
    assert code == 0
    assert "from W0: trial limits, n = 6, -1.525333333 to 4.858666667\n" in out
    assert "from W6: trial limits, n = 7, 3.202380952 to 25.36904762 (new price)\n" in out
    assert "W6: new price" in svg.read_text()
    assert "\nfrom W0" not in run(step)[1]


def test_all_events_of_all_segments_are_in_the_json(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    values = [1, 2, 1, 2, 1, 2, 1, 2, 40, 1, 2, 1, 101, 102, 101, 102, 101, 102, 101, 102, 60, 101]
    path.write_text("v\n" + "".join(f"{v}\n" for v in values))
    found = json.loads(run(path, "--json", "--divider", "12", "--baseline", "8")[1])
    assert [(s["side"], s["start"]) for s in found["signals"] if s["rule"] == "outside_limits"] == [
        ("above", 8),
        ("below", 20),
    ]
    assert [
        {key: getattr(s, key) if key != "members" else list(s.members) for key in found["signals"][0]}
        for s in analyse(values, dividers=[12], baseline=Baseline(count=8)).signals
    ] == found["signals"]


def test_presets_by_name(csv: Path) -> None:
    assert run(csv, "--preset", "wheeler") == run(csv)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--preset", "nope"], "preset must be one of wheeler"),
        (["--baseline", "x"], "--baseline is a count of windows or a range START:STOP, not 'x'"),
        (["--baseline", "1:2:3"], "--baseline is a count of windows or a range START:STOP"),
        (["--baseline", "-8"], "--baseline is a count of windows"),
        (["--baseline", "3"], "--baseline 3: count 3 is below the minimum of 6 points"),
        (["--baseline", "8:2"], "--baseline 8:2: a baseline range needs 0 <= start < stop"),
        (["--baseline", "2:9", "--divider", "5"], "the baseline range 2..9 crosses a divider at 5"),
        (["--divider", "W99"], "--divider 'W99': no window has this label"),
        (["--divider", "=why"], "--divider '': no window has this label"),
        (["--divider", "W0"], "a divider lies between windows 1 and 12"),
        (["--divider", "13"], "a divider lies between windows 1 and 12"),
        (["--divider", "W12"], "too few points: 1 of 6 needed"),
        (["--denominator", "week"], "row 2, column 'week': 'W0' is not a number"),
        (["--denominator", "n"], "no column 'n'; the columns are: week, value"),
        (["--column", "value", "--denominator", "value"], "column 'value' cannot be its own denominator"),
    ],
)
def test_options_refused_in_one_line(step: Path, args: list[str], message: str) -> None:
    code, out, err = run(step, *args)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_label_twice_needs_its_index(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(STEP.replace("W7,", "W6,"))
    assert "more than one window has this label" in run(path, "--divider", "W6")[2]
    assert run(path, "--divider", "6")[0] == 0


def test_a_label_goes_before_an_index_and_may_hold_an_equals_sign(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(STEP.replace("W6,", "5=x,").replace("W7,", "3,"))
    by_label = json.loads(run(path, "--json", "--divider", "5=x")[1])
    assert [s["start"] for s in by_label["segments"]] == [0, 6]
    assert json.loads(run(path, "--json", "--divider", "3=why")[1])["segments"][1]["start"] == 7


def test_a_rate_has_limits_that_follow_its_denominator(tmp_path: Path) -> None:
    path, svg = tmp_path / "rates.csv", tmp_path / "rates.svg"
    rows = "".join(f"W{i},0.{12 + i % 3},{100 if i % 2 else 400}\n" for i in range(14))
    path.write_text("week,rate,visits\n" + rows)
    plain = json.loads(run(path, "--json", "--column", "rate")[1])
    rated = json.loads(run(path, "--json", "--column", "rate", "--denominator", "visits", "--svg", svg)[1])
    assert "denominator" not in plain
    assert rated["denominator"] == 250
    assert rated["center"] == pytest.approx(
        sum((0.12 + i % 3 / 100) * (100, 400)[i % 2 == 0] for i in range(14)) / 3500
    )
    assert "I′ chart of 14 windows" in svg.read_text()
    text = run(path, "--column", "rate", "--denominator", "visits")[1]
    assert "trial" not in text
    assert ", for a window of 250" in text
    laney = json.loads(run(path, "--json", "--column", "rate", "--denominator", "visits", "--chart", "p_prime")[1])
    assert laney["center"] == rated["center"]
    assert laney["unpl"] != rated["unpl"]


def test_a_chart_that_needs_a_denominator_says_so(step: Path) -> None:
    assert run(step, "--chart", "p") == (2, "", "dreamclass-intel xmr: chart 'p' needs denominators\n")
    assert "chart must be one of xmr, i_prime" in run(step, "--chart", "pareto")[2]


def test_proposals_with_their_evidence(tmp_path: Path) -> None:
    path = tmp_path / "levels.csv"
    quiet = (10, 11, 9, 12, 10, 8, 11, 10, 9, 11, 10, 12, 9, 10, 11, 10)
    path.write_text("value\n" + "".join(f"{v}\n" for v in (*quiet, *(v + 8 for v in quiet))))
    (found,) = json.loads(run(path, "--json", "--propose")[1])["proposals"]
    assert (found["kind"], found["index"], found["ready"], found["since"]) == ("shift", 16, True, 16)
    assert found["low"] < 8 < found["high"]
    text = run(path, "--propose")[1]
    assert f"proposals: 1\n  {found['sentence']}" in text
    accepted = run(path, "--propose", "--divider", "16=moved")[1]
    assert "proposals: none" in accepted
    assert "from 16: limits" in accepted


def test_a_straight_line_has_a_statistic_without_bounds(tmp_path: Path) -> None:
    path = tmp_path / "line.csv"
    path.write_text("value\n" + "".join(f"{i}\n" for i in range(40)))
    (found,) = json.loads(run(path, "--json", "--propose")[1])["proposals"]
    assert (found["kind"], found["statistic"]) == ("trend", None)


def test_advice_where_another_chart_would_fit(tmp_path: Path) -> None:
    path = tmp_path / "trend.csv"
    path.write_text("value\n" + "".join(f"{3 * i + (i * 7) % 5}\n" for i in range(30)))
    advice = json.loads(run(path, "--json", "--propose")[1])["advice"]
    assert advice[0]["statistic"] > advice[0]["threshold"]
    assert f"advice: {advice[0]['words']}" in run(path)[1]


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
