"""The drawing and its table: well-formed, deterministic, self-contained, everything said without colour, hostile text
harmless.
"""

import dataclasses
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest

from dreamclass_intel.xmr import PRESETS, STYLE, Baseline, Chart, Limits, Lines, analyse, render_svg, render_table
from dreamclass_intel.xmr.svg_looks import look_of
from dreamclass_intel.xmr.svg_parts import DARK, LIGHT
from dreamclass_intel_tests.xmr.vectors import CASES

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = ['</title><script>alert(1)</script>"', "a&b'c", "\x00\x1b[31m", "]]>", "<!--", "\ud800", "ok\ufffe"]
WEEKS = [f"2025-W{i + 1:02d}" for i in range(60)]


def full_chart(**options: object) -> Chart:
    t9_2 = next(case for case in CASES if case.name == "wheeler_msd_t9_2")
    values: list[float | None] = [*t9_2.values, 40.5, *t9_2.values[:9]]
    values[4] = None
    given: dict[str, object] = {
        "labels": WEEKS[: len(values)],
        "dividers": [24],
        "incomplete": [33],
        "baseline": Baseline(count=12),
        "bounds": (52.5, None),
    }
    return analyse(values, **(given | options))  # type: ignore[arg-type]


def parse(svg: str) -> ET.Element:
    return ET.fromstring(svg.encode())


def texts(root: ET.Element, tag: str) -> list[str]:
    return [element.text or "" for element in root.iter(SVG + tag)]


def paths(root: ET.Element, css: str) -> list[str]:
    return [str(e.get("d")) for e in root.iter(SVG + "path") if e.get("class") == css]


def test_says_what_it_shows() -> None:
    chart = full_chart()
    root = parse(render_svg(chart, title="Receivables"))
    assert root.get("role") == "img"
    ids = {element.get("id") for element in root.iter() if element.get("id")}
    assert set(str(root.get("aria-labelledby")).split()) == ids
    assert root[0].text == "Receivables"
    description = str(root[1].text)
    assert chart.verdict in description
    assert "Signal: below the lower limit at" in description
    tips = texts(root, "title")[1:]
    for label, value in zip(chart.labels, chart.values.tolist(), strict=True):
        (tip,) = (tip for tip in tips if tip.startswith(f"{label}: "))
        assert ("missing window" if value != value else f"{value:g}") in tip
    drawn = texts(root, "text")
    assert {"locked limits, n = 12", "trial limits, n = 9", "trial limits", "incomplete, not judged"} <= set(drawn)


def test_limits_are_labelled_with_their_figures() -> None:
    """The newest limits by name at the right; those of an earlier segment within it."""
    chart = full_chart()
    drawn = texts(parse(render_svg(chart)), "text")
    earlier, newest = chart.segments[0].limits, chart.limits
    assert earlier is not None
    assert newest is not None
    for name, value in (("UNPL", newest.unpl), ("X̄", newest.center), ("URL", newest.url), ("mR", newest.mr_bar)):
        (label,) = (text for text in drawn if text.startswith(f"{name} "))
        assert float(label.split()[1]) == pytest.approx(value, abs=newest.mr_bar / 100)
    numbers = [float(text) for text in drawn if re.fullmatch(r"-?[\d.]+", text)]
    for value in (earlier.unpl, earlier.center, earlier.lnpl, earlier.url):
        assert min(abs(number - value) for number in numbers) < earlier.mr_bar / 100


def test_signals_by_shape_and_letter() -> None:
    """Each rule has its own colour class and outline; each event one letter, also in the legend."""
    chart = full_chart()
    root = parse(render_svg(chart))
    assert {s.rule for s in chart.signals} == {"outside_limits", "run_of_8", "3_of_4"}
    outlines = {}
    for css in "orh":
        marks, _legend = paths(root, css)
        (outlines[css],) = {mark.split("m", 1)[1] for mark in marks.split("M")[1:]}
    assert len(set(outlines.values())) == 3
    letters = "".join(e.text or "" for e in root.iter(SVG + "text") if "k c" in str(e.get("class")))
    rules = {"L": "outside_limits", "R": "run_of_8", "H": "3_of_4"}
    assert {x: letters.count(x) for x in rules} == {
        x: sum(s.rule == r for s in chart.signals) for x, r in rules.items()
    }
    legend = texts(root, "text")
    for letter, rule in rules.items():
        assert f"{letter} {look_of(rule).words}" in legend


def test_other_rules_are_marked_too() -> None:
    """A rule without a look of its own gets a letter of its name and a cross."""
    looks = [look_of(rule) for rule in ("2_of_3", "4_of_5", "trend_of_7", "run_of_7", "cusum", "few_points")]
    assert [look.letter for look in looks] == ["N", "F", "T", "R", "C", "E"]
    assert looks[3].words == "7 or more in a row on one side"


@pytest.mark.parametrize("preset", PRESETS)
def test_rules_of_one_preset_never_look_the_same(preset: str) -> None:
    looks = [look_of(rule.name) for rule in PRESETS[preset]]
    assert len({look.letter for look in looks}) == len({look.shape for look in looks}) == len(looks)
    assert not any(look.words == rule.name.replace("_", " ") for look, rule in zip(looks, PRESETS[preset], strict=True))


def test_missing_incomplete_and_jumps_have_marks() -> None:
    root = parse(render_svg(full_chart()))
    assert len(paths(root, "gap")) == 1
    assert paths(root, "open")[0].count("M") == 1  # to the open window; no moving range leads there
    assert any("a" in d for d in paths(root, "hollow"))
    assert "moving range above its limit" in texts(root, "text")


def test_trial_limits_have_a_line_of_their_own() -> None:
    young = analyse([1.0, 2, 1, 3, 2, 1, 2], labels=WEEKS[:7])
    root = parse(render_svg(young))
    assert paths(root, "limit") == []
    assert len(paths(root, "limit trial")) == 2  # drawn, and in the legend


def test_dividers_with_reasons() -> None:
    chart = full_chart(dividers=[12, 24])
    svg = render_svg(chart, reasons={12: "new <form>", 24: "", 90: "not yet there"})
    root = parse(svg)
    drawn = texts(root, "text")
    assert "2025-W13: new <form>" in drawn
    assert "2025-W25" in drawn
    assert paths(root, "divider")[0].count("M") == 2
    assert "New limits from 2025-W13: new <form>." in str(root[1].text)
    assert any("new limits: new <form>" in tip for tip in texts(root, "title"))
    assert "not yet there" not in svg
    with pytest.raises(ValueError, match="reasons: no divider at 13"):
        render_svg(chart, reasons={13: "off by one"})


def test_a_long_reason_is_cut_in_the_picture_only() -> None:
    chart = full_chart(dividers=[20, 24, 28, 32])
    why = "x" * 300
    root = parse(render_svg(chart, reasons={20: why}))
    assert max(map(len, texts(root, "text"))) < 140
    assert why in str(root[1].text)


@pytest.mark.parametrize(
    ("good", "told", "of_low"), [("up", "↑ higher is better", "worse"), ("down", "↓ lower is better", "better")]
)
def test_direction_of_good(good: str, told: str, of_low: str) -> None:
    chart = full_chart()
    root = parse(render_svg(chart, good=good))  # type: ignore[arg-type]
    assert told in texts(root, "text")
    below = next(s for s in chart.signals if s.rule == "outside_limits" and s.side == "below")
    assert f"below the lower limit at {chart.label(below.start)} ({of_low})" in str(root[1].text)
    assert "better" not in render_svg(chart)
    with pytest.raises(ValueError, match="good must be up, down or None, not 'none'"):
        render_svg(chart, good="none")  # type: ignore[arg-type]


def varying(values: list[float], centre: np.ndarray, width: np.ndarray) -> Chart:
    lines = Lines(centre, centre + width, centre - width)
    limits = Limits.given(lnpl=float(lines.lower[-1]), unpl=float(lines.upper[-1]))
    return analyse(values, labels=WEEKS[: len(values)], baseline=dataclasses.replace(limits, lines=lines))


def test_limits_of_a_width_of_their_own_are_steps() -> None:
    """Rates: level over each window, as many heights as widths."""
    width = np.array([1.0, 2, 2, 1.5, 3, 1, 1, 2.5])
    chart = varying([5.0] * 8, np.full(8, 5.0), width)
    root = parse(render_svg(chart))
    (limit,) = paths(root, "limit")
    upper, lower, _url = limit.split("M")[1:]
    for line in (upper, lower):
        assert "L" not in line
        assert line.count("H") == 8
        assert line.count("V") == 5  # 2, 2 and 1, 1 stay level
    ends = [float(x) for x in re.findall(r"H([\d.]+)", upper)]
    assert ends == sorted(ends)
    assert "limits 2.5 to 7.5 in the last window" in str(root[1].text)


def test_limits_that_move_are_lines_through_the_windows() -> None:
    trend = np.arange(8.0)
    trend_chart = varying((trend + np.arange(8) % 2).tolist(), trend, np.full(8, 3.0))
    root = parse(render_svg(trend_chart))
    centre, _mr = paths(root, "centre")[0].split("M")[1:]
    ys = [float(y) for y in re.findall(r" ([\d.]+)", centre)]
    assert len(ys) == 8
    assert all(a > b for a, b in pairwise(ys))
    assert "H" not in centre
    limits = trend_chart.limits
    assert limits is not None
    assert limits.lines is not None
    holes = np.array([1, 1, 1, np.nan, 1, 1, 1, 1])
    broken = dataclasses.replace(limits, lines=Lines(*(line * holes for line in limits.lines)))
    holed = dataclasses.replace(trend_chart, segments=(dataclasses.replace(trend_chart.segments[0], limits=broken),))
    assert paths(parse(render_svg(holed)), "centre")[0].count("M") == 3


def test_bounds_clip_only_the_drawn_line() -> None:
    values = [0.1, 0.0, 0.2, 0.0, 0.1, 0.3, 0.0, 0.1]
    free, bound = analyse(values), analyse(values, bounds=(0, 1))
    limits = bound.limits
    assert limits is not None
    assert limits == free.limits
    assert limits.lnpl < 0
    label = next(text for text in texts(parse(render_svg(bound)), "text") if text.startswith("LNPL"))
    assert label.endswith(" (clipped)")
    assert float(label.split()[1]) == pytest.approx(limits.lnpl, abs=0.01)
    assert "(clipped)" not in render_svg(free)


def test_same_chart_same_bytes() -> None:
    one, two = render_svg(full_chart(), title="T"), render_svg(full_chart(), title="T")
    assert one.encode() == two.encode()
    assert one != render_svg(full_chart(), title="U")
    assert render_table(full_chart()) == render_table(full_chart())


def test_a_page_holds_the_style_once() -> None:
    chart = full_chart()
    alone, part = render_svg(chart, title="T"), render_svg(chart, title="T", standalone=False)
    assert STYLE in alone
    assert "<style>" not in part
    tips = texts(parse(part), "title")[1:]
    assert 0 < len(tips) < chart.values.size
    assert all("; " in tip or "missing" in tip for tip in tips)


@pytest.mark.parametrize("windows", [26, 60])
def test_thirty_six_charts_are_small(windows: int) -> None:
    """At most 400 KB together, standalone as well as on a page with their tables."""
    rng = np.random.default_rng(20260101)
    alone = page = 0
    for k in range(36):
        x = rng.normal(100, 10, windows)
        x[windows // 2 :] += k % 4 * 6
        chart = analyse(x, labels=WEEKS[:windows], dividers=[windows // 2] if k % 3 == 0 else [])
        alone += len(render_svg(chart, title="Sessions", good="up").encode())
        page += len(render_svg(chart, title="Sessions", good="up", standalone=False).encode())
        page += len(render_table(chart, title="Sessions", good="up").encode())
    assert max(alone, page) <= 400_000


def luminance(colour: str) -> float:
    digits = colour if len(colour) == 6 else "".join(2 * c for c in colour)
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast(palette: dict[str, str]) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 for everything written or marked, on the ground and on the shaded baseline."""
    for ink in "imorht":
        for ground in "gb":
            high, low = sorted((luminance(palette[ink]), luminance(palette[ground])), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground)


def test_no_outside_references() -> None:
    svg = render_svg(full_chart(), title="T")
    assert set(re.findall(r"https?://[^\"']*", svg)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<script|href|url\(|@import|<foreignObject|\son\w+=", svg)


def test_hostile_text_stays_text() -> None:
    values = [1.0, 2, 1, 2, 1, 30, 1]
    for text in HOSTILE:
        chart = analyse(values, labels=HOSTILE, dividers=[3])
        svg = render_svg(chart, title=text, reasons={3: text})
        tags = {element.tag.removeprefix(SVG) for element in parse(svg).iter()}
        assert tags <= {"svg", "title", "desc", "style", "path", "text", "g"}
        table = render_table(chart, title=text, reasons={3: text})
        assert set(re.findall(r"</?(\w+)", table)) == {"div", "table", "caption", "thead", "tbody", "tr", "th", "td"}
        assert table.encode()
    assert any("</title><script>" in tip for tip in texts(parse(svg), "title"))


@pytest.mark.parametrize(
    "chart",
    [
        analyse([]),
        analyse([None, None]),
        analyse([1.0]),
        analyse([0.0] * 8),
        analyse([1e300, -1e300] * 4),
        analyse([1e-300 * i for i in range(9)]),
        analyse([1e12 + i % 3 for i in range(30)]),
        analyse([1e16, 1e16 + 2] * 5),
        analyse([5.0] * 3, baseline=Limits.given(lnpl=0, unpl=9)),
        analyse([float(i % 7) for i in range(400)]),
        analyse([1, 2, 1, 2, 1, 2, None, 3], dividers=[6]),
        analyse([float(i % 5) for i in range(40)], dividers=list(range(1, 40, 2))),
    ],
    ids=lambda chart: f"{chart.values.size} windows, {chart.values[:2]}",
)
@pytest.mark.parametrize("width", [320, 860])
def test_any_chart_can_be_drawn(chart: Chart, width: int) -> None:
    svg = render_svg(chart, width=width, good="up")
    parse(svg)
    assert not re.search(r'="[^"]*\b(nan|inf)\b', svg)
    numbers = [float(n) for n in re.findall(r'\s(?:x|y)="([^"]*)"', svg)]
    numbers += [float(n) for d in re.findall(r'\sd="([^"]*)"', svg) for n in re.findall(r"-?[\d.]+", d)]
    assert all(-width <= n <= max(width, 700) for n in numbers)
    assert render_table(chart).count("<tr>") == chart.values.size + 1


def test_refused() -> None:
    with pytest.raises(ValueError, match="width must be at least 320 pixels, not 100"):
        render_svg(full_chart(), width=100)
    with pytest.raises(ValueError, match="no divider at 3"):
        render_table(full_chart(), reasons={3: "?"})


# --- the table


def cells(table: str) -> list[list[str]]:
    return [re.split(r"<td>|<th>", row)[1:] for row in re.split(r"<tr>", table.split("</table>")[0])[1:]]


def test_the_table_holds_every_window() -> None:
    chart = full_chart()
    table = render_table(chart, title="Receivables", good="up", reasons={24: "new contract"})
    head, *rows = cells(table)
    assert [h.split("<")[0] for h in head] == ["window", "value", "moving range", "remarks"]
    assert [row[0] for row in rows] == list(chart.labels)
    for row, value, moved in zip(rows, chart.values, chart.moving_ranges, strict=True):
        assert row[1] == ("" if np.isnan(value) else f"{value:g}")
        assert (float(row[2]) if row[2] else None) == (None if np.isnan(moved) else pytest.approx(moved, abs=0.01))
    assert rows[4][3] == "missing window"
    assert rows[33][3].startswith("incomplete, not judged")
    assert rows[24][3].startswith("new limits: new contract")
    told = " ".join(row[3] for row in rows)
    for signal in chart.signals:
        assert signal.rule.replace("_", " ") in rows[signal.members[0]][3]
    assert "outside limits below (worse)" in told
    assert chart.verdict in table


def test_the_table_holds_limits_that_vary() -> None:
    chart = varying([5.0] * 8, np.full(8, 5.0), np.array([1.0, 2, 2, 1.5, 3, 1, 1, 2.5]))
    head, *rows = cells(render_table(chart))
    assert head[3:6] == ["centre", "lower limit", "upper limit"]
    assert [row[4] for row in rows] == ["4", "3", "3", "3.5", "2", "4", "4", "2.5"]


def test_figures_agree_between_picture_and_table() -> None:
    rng = np.random.default_rng(5)
    chart = analyse(rng.normal(0.02, 0.004, 40), labels=WEEKS[:40])
    tips = dict(tip.split(": ", 1) for tip in texts(parse(render_svg(chart)), "title")[1:])
    for label, value, _moved, _remarks in cells(render_table(chart))[1:]:
        assert tips[label].split(";")[0] == value
    assert len({row[1] for row in cells(render_table(chart))[1:]}) > 35  # small rates keep their digits


def test_figures_keep_their_digits_without_limits() -> None:
    """Few windows around a large level, and a newest segment too short for limits."""
    few = cells(render_table(analyse([1000.01, 1000.02, 1000.04])))[1:]
    assert [row[1] for row in few] == ["1,000.01", "1,000.02", "1,000.04"]
    cut = cells(render_table(analyse([1000.01, 1000.02] * 5, dividers=[8])))[1:]
    assert [row[1] for row in cut] == ["1,000.01", "1,000.02"] * 5


def test_the_moving_ranges_of_a_g_chart_have_no_limit() -> None:
    """Its width comes from theory; an average of its ranges says nothing."""
    x = [3.0, 9, 1, 4, 12, 2, 6, 1, 8, 5, 2, 7, 3, 11]
    told = {kind: " ".join(texts(parse(render_svg(analyse(x, chart=kind))), "text")) for kind in ("g", "t")}
    assert "URL" in told["t"]
    assert "URL" not in told["g"]
    assert "X̄" not in told["g"]
