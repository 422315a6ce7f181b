"""The drawing: well-formed, deterministic, self-contained, every figure in it, hostile text harmless."""

import re
import xml.etree.ElementTree as ET

import pytest

from dreamclass_intel.xmr import Baseline, Chart, Limits, analyse, render_svg
from dreamclass_intel_tests.xmr.vectors import CASES

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = ['</title><script>alert(1)</script>"', "a&b'c", "\x00\x1b[31m", "]]>", "<!--", "\ud800", "ok\ufffe"]


def full_chart() -> Chart:
    t9_2 = next(case for case in CASES if case.name == "wheeler_msd_t9_2")
    values: list[float | None] = [*t9_2.values, 40.5, *t9_2.values[:9]]
    values[4] = None
    labels = [f"2025-W{i + 1:02d}" for i in range(len(values))]
    return analyse(
        values,
        labels=labels,
        dividers=[24],
        incomplete=[33],
        baseline=Baseline(count=12),
        bounds=(52.5, None),
    )


def parse(svg: str) -> ET.Element:
    return ET.fromstring(svg.encode())


def texts(root: ET.Element, tag: str) -> list[str]:
    return [element.text or "" for element in root.iter(SVG + tag)]


def test_says_what_it_shows() -> None:
    chart = full_chart()
    root = parse(render_svg(chart, title="Receivables"))
    assert root.get("role") == "img"
    ids = {element.get("id") for element in root.iter() if element.get("id")}
    assert set(str(root.get("aria-labelledby")).split()) == ids
    assert root[0].text == "Receivables"
    assert chart.verdict in str(root[1].text)
    tips = texts(root, "title")
    for label, value in zip(chart.labels, chart.values.tolist(), strict=True):
        found = [tip for tip in tips if tip.startswith(f"{label}: ")]
        assert found, label
        shown = "missing window" if value != value else repr(value).removesuffix(".0")
        assert any(shown in tip for tip in found), label
    limits = chart.limits
    assert limits is not None
    for figure in (limits.unpl, limits.lnpl, limits.center, limits.mr_bar, limits.url):
        assert any(repr(figure) in tip for tip in tips)
    drawn = texts(root, "text")
    assert {"locked limits, n = 12", "trial limits, n = 9", "incomplete, not judged"} <= set(drawn)
    assert any(text.startswith("UNPL ") for text in drawn)


def test_signals_by_shape_colour_and_letter() -> None:
    chart = full_chart()
    root = parse(render_svg(chart))
    classes = [(element.tag.removeprefix(SVG), element.get("class")) for element in root.iter()]
    assert {s.rule for s in chart.signals} == {"outside_limits", "run_of_8", "3_of_4"}
    shapes = {css: len(str(e.get("points")).split()) for e in root.iter(SVG + "polygon") if (css := e.get("class"))}
    assert shapes["L"] == shapes["R"] == 4
    assert shapes["H"] == 3
    letters = "".join(e.text or "" for e in root.iter(SVG + "text") if "letter" in str(e.get("class")))
    assert {letter: letters.count(letter) for letter in "LRH"} == {
        letter: sum(s.rule == rule for s in chart.signals)
        for letter, rule in zip("LRH", ("outside_limits", "run_of_8", "3_of_4"), strict=True)
    }
    assert ("line", "gap") in classes
    assert ("line", "divider") in classes
    assert ("circle", "hollow") in classes


def test_same_chart_same_bytes() -> None:
    one, two = render_svg(full_chart(), title="T"), render_svg(full_chart(), title="T")
    assert one.encode() == two.encode()
    assert one != render_svg(full_chart(), title="U")


def test_no_outside_references() -> None:
    svg = render_svg(full_chart(), title="T")
    assert set(re.findall(r"https?://[^\"']*", svg)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<script|href|url\(|@import|<foreignObject|\son\w+=", svg)


def test_hostile_text_stays_text() -> None:
    values = [1.0, 2, 1, 2, 1, 30, 1]
    for title in HOSTILE:
        root = parse(render_svg(analyse(values, labels=HOSTILE), title=title))
        tags = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert tags <= {"svg", "title", "desc", "style", "rect", "line", "path", "circle", "polygon", "text"}
    assert any("</title><script>" in tip for tip in texts(root, "title"))


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
    ],
    ids=str,
)
def test_any_chart_can_be_drawn(chart: Chart) -> None:
    svg = render_svg(chart)
    parse(svg)
    assert not re.search(r'="[^"]*\b(nan|inf)\b', svg)
    numbers = [float(n) for n in re.findall(r'\s(?:x|y|cx|cy|x1|x2|y1|y2)="([^"]*)"', svg)]
    assert all(-1 <= n <= 900 for n in numbers)


def test_a_chart_without_points_is_drawn() -> None:
    svg = render_svg(analyse([], labels=[]), title="Nothing yet")
    assert ET.fromstring(svg).tag.endswith("svg")
