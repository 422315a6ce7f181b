"""Files: what is read, and what is refused with the file, the row and the column named."""

from pathlib import Path

import pytest

from dreamclass_intel.xmr import Series, SeriesError, read_series


def read(tmp_path: Path, content: str | bytes, column: str | None = None, name: str = "f.csv") -> Series:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_series(path, column)


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ("value\n1\n2.5\n-3e2\n", [1, 2.5, -300]),
        ("1\n2\n3\n", [1, 2, 3]),
        ("\ufeffvalue\r\n1\r\n2\r\n", [1, 2]),
        ("week;value\nW1;1\nW2;2\n", [1, 2]),
        ("week\tvalue\nW1\t1\nW2\t\nW3\t3\n", [1, None, 3]),
        ("value\n1\n\n3\n\n\n", [1, None, 3]),
        ('value\n1\n""\n3\n""\n', [1, None, 3, None]),
        ('"net, new",note\n1,a\n2,b\n', [1, 2]),
        (" week , value \nW1, 1\nW2, .5\n\n", [1, 0.5]),
        ("value\r1\r2\r", [1, 2]),
    ],
)
def test_csv(tmp_path: Path, content: str, values: list[float | None]) -> None:
    assert read(tmp_path, content).values == values


@pytest.mark.parametrize(
    ("content", "column", "values", "labels"),
    [
        ("[1, null, 2.5]", None, [1, None, 2.5], None),
        ('[{"w": "A", "v": 1}, {"w": "B"}, {"w": "C", "v": null}]', "v", [1, None, None], ["A", "B", "C"]),
        ('[{"w": "W1", "v": 1}, {"w": "W2", "v": 2}]', None, [1, 2], ["W1", "W2"]),
        ("\ufeff [1, 2]", None, [1, 2], None),
    ],
)
def test_json(
    tmp_path: Path, content: str, column: str | None, values: list[float | None], labels: list[str] | None
) -> None:
    series = read(tmp_path, content, column, "f.txt")
    assert (series.values, series.labels) == (values, labels)


def test_labels_are_the_first_column(tmp_path: Path) -> None:
    assert read(tmp_path, "week,a,b\nW1,1,2\nW2,3,4\n", "b").labels == ["W1", "W2"]
    assert read(tmp_path, "a,week\n1,W1\n", "a").labels is None
    assert read(tmp_path, "week,a\nW1,1\n,2\n").labels is None


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("week,rate,visits\nW1,.1,100\nW2,,\nW3,.3,50\n", "f.csv"),
        ("visits,week,rate\n100,W1,.1\n,W2,\n50,W3,.3\n", "f.csv"),
        ('[{"w": "W1", "rate": 0.1, "visits": 100}, {"w": "W2"}, {"w": "W3", "rate": 0.3, "visits": 50}]', "f.json"),
    ],
)
def test_denominators(tmp_path: Path, content: str, name: str) -> None:
    """The other numeric column is the series, so that it need not be named."""
    path = tmp_path / name
    path.write_text(content)
    series = read_series(path, denominator="visits")
    assert (series.values, series.denominators, series.column) == ([0.1, None, 0.3], [100, None, 50], "rate")
    assert series.labels == (None if content.startswith("visits") else ["W1", "W2", "W3"])
    assert read_series(path, "rate").denominators is None
    assert read_series(path, "rate", "visits").denominators == [100, None, 50]


@pytest.mark.parametrize(
    ("content", "column", "message"),
    [
        ("w,a,n\nx,1,\n", "a", "row 2, column 'n': a value needs its denominator"),
        ("w,a,n\nx,1,2\ny,1,many\n", "a", "row 3, column 'n': 'many' is not a number"),
        ("w,a\nx,1\n", None, "no column 'n'; the columns are: w, a"),
        ("n\n1\n", None, "column 'n' cannot be its own denominator"),
        ("n,n,a\n1,2,3\n", "a", "more than one column 'n'"),
        ('[{"a": 1, "n": 2}, {"a": 1}]', "a", "item 1, column 'n': a value needs its denominator"),
        ('[{"a": 1, "n": "2"}]', "a", "item 0, column 'n': '2' is not a number"),
        ('[{"a": 1}]', None, "no column 'n'; the columns are: a"),
        ("[1, 2]", None, "no column 'n': the array holds numbers, not objects"),
    ],
)
def test_denominators_refused(tmp_path: Path, content: str, column: str | None, message: str) -> None:
    path = tmp_path / "f.csv"
    path.write_text(content)
    with pytest.raises(SeriesError) as caught:
        read_series(path, column, "n")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "column", "message"),
    [
        ("", None, "the file is empty"),
        ("\ufeff \n", None, "the file is empty"),
        (b"\xff\xfe1\x00", None, "not a UTF-8 text file"),
        ("week,a,b\nW1,1,2\n", None, "several columns hold numbers (a, b): choose one with --column"),
        ("week,a\nW1,1\n", "c", "no column 'c'; the columns are: week, a"),
        ("a,a\n1,2\n", "a", "more than one column 'a'"),
        ("1\n2\n", "c", "no column 'c'; the columns are: value"),
        ("week,note\nW1,x\n", None, "no column holds numbers; the columns are: week, note"),
        ("week,a\nW1,1\nW2,2\nW3,n/a\n", None, "row 4, column 'a': 'n/a' is not a number"),
        ("a\n1\nNaN\n", None, "row 3, column 'a': 'NaN' is not a number (leave a missing window empty)"),
        ("a\n1\ninf\n", None, "'inf' is not a number"),
        ("a\n1\n1_000\n", None, "'1_000' is not a number"),
        ("a\n1\n5%\n", None, "'5%' is not a number"),
        ("a\n1e999\n", None, "row 2, column 'a': 1e999 is too large"),
        ("week;a\nW1;1,5\n", None, "row 2, column 'a': '1,5' has a comma: write decimals with a point"),
        ("week;a\nW1;1.234,5\n", "a", "has a comma"),
        ("a\n1,5\n2,5\n", None, "row 2: 2 cells, the header has 1: a decimal comma? use a point"),
        ("1,5\n2,5\n", None, "row 1: numbers where the column names should be, or a decimal comma"),
        ("a,b\n1,2\n3\n", "a", "row 3: 1 cells, the header has 2"),
        ('a\n"1\n', None, "row 2"),
        ('a\n"multi\nline\ntext"\n', None, "'multi\\nline\\ntext' is not a number"),
        ("[1, 2", None, "row 1: not JSON"),
        ('{"a": 1}', None, "a JSON array is needed, the file holds an object"),
        ("[]", None, "the array is empty"),
        ("[1, true]", None, "item 1: true or false is not a number"),
        ('[1, "2"]', None, "item 1: '2' is not a number"),
        ("[1, NaN]", None, "item 1: NaN is not a number (write null for a missing window)"),
        ("[1, [2]]", None, "item 1: an array is not a number"),
        ("[1, 1e999]", None, "item 1: the number is too large"),
        ("[1, 1" + "0" * 400 + "]", None, "item 1: the number is too large"),
        ("[1]", "v", "no column 'v': the array holds numbers, not objects"),
        ('[{"v": 1}, 2]', None, "item 1: a number among objects"),
        ('[{"v": 1}]', "w", "no column 'w'; the columns are: v"),
        ('[{"v": 1, "w": 2}]', None, "several columns hold numbers (v, w)"),
        ('[{"v": 1}, {"v": "x"}]', "v", "item 1, column 'v': 'x' is not a number"),
        ("[" * 100_000, None, "not JSON"),
    ],
)
def test_refused(tmp_path: Path, content: str | bytes, column: str | None, message: str) -> None:
    with pytest.raises(SeriesError) as caught:
        read(tmp_path, content, column)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "f.csv"))
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SeriesError, match=r"none\.csv: No such file"):
        read_series(tmp_path / "none.csv")
    with pytest.raises(SeriesError, match="Is a directory"):
        read_series(tmp_path)
