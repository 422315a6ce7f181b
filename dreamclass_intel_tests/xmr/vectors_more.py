"""More published charts with their printed answers, numbers only: Montgomery's worked examples (as qicharts2's and
qcc's own reference results carry them), the NIST handbook, Wheeler (as statprocon carries him), PowerBI-SPC.

`limits` holds what the source prints to the tolerance `tol` of its rounding; a lower limit a source draws at 0 only
because nothing can lie below it is left out. `args` are keyword arguments of `analyse` and say the source's
convention; a missing value is a point the source leaves out. `outside` are 0-based indices beyond the limits.
"""

from typing import Any, NamedTuple

from dreamclass_intel.xmr import Baseline
from dreamclass_intel_tests.xmr.vectors_kinds import numbers


class Printed(NamedTuple):
    """One published chart. With `sizes` the values are divided by them and the limits are those of every window."""

    name: str
    source: str
    values: list[float | None]
    limits: dict[str, float | list[float]]
    tol: float
    args: dict[str, Any]
    outside: list[int] | None = None
    sizes: list[float] | None = None


def without(values: list[float], *left_out: int) -> list[float | None]:
    """The values with some of them missing."""
    return [None if i in left_out else value for i, value in enumerate(values)]


MONTGOMERY = "Montgomery, Introduction to Statistical Quality Control (tables as qicharts2 numbers them), "
QICHARTS2 = "; full figures: qicharts2, tests/testthat/"
QCC = "; full figures: qcc, vignette"
POWERBI = "AUS-DOH-Safety-and-Quality/PowerBI-SPC, test/Chart Types/"
STATPROCON = "; as statprocon, tests/test_xmr.py, has it"
QCC_D2 = {"constants": "d2_1128"}

LOAN_COST = numbers("""
    310 288 297 298 307 303 294 297 308 306 294 299 297 299 314 295 293 306 301 304
    305 282 305 296 314 295 287 301 298 311 310 292 305 299 304 310 304 305 333 328
""")
JUICE = numbers("12 15 8 10 4 7 16 9 14 10 5 6 17 12 22 8 10 5 13 11 20 18 24 15 9 12 7 13 9 6")
ORDERS = numbers("12 8 6 9 10 12 11 16 10 6 20 15 9 8 6 8 10 7 5 8 5 8 10 6 9")
ORDERS_OF = numbers("100 80 80 100 110 110 100 100 90 90 110 120 120 120 110 80 80 80 90 100 100 100 100 90 90")
BOARDS = numbers("21 24 16 12 15 5 28 20 31 25 20 24 16 19 10 17 13 22 18 39 30 24 16 19 17 15")
BOARDS_LATER = numbers("16 18 12 15 24 21 28 20 25 19 18 21 16 22 19 12 14 9 16 21")
SHIPPING = numbers("2 3 8 1 1 4 1 4 5 1 8 2 4 3 4 1 8 3 7 4")
CLOTH = numbers("14 12 20 11 7 10 21 16 19 23")
CLOTH_ROLLS = [metres / 50 for metres in numbers("500 400 650 500 475 500 600 525 600 625")]
VALVES = numbers("286 948 536 124 816 729 4 143 431 8 2837 596 81 227 603 492 1199 1214 2831 96")
COMPUTERS = numbers("10 12 8 14 10 16 11 7 10 15 9 5 7 11 12 6 8 10 7 5")
VISCOSITY = numbers("""
    34.05 34.4 33.59 35.96 34.7 33.51 33.79 34.04 34.52 33.75 33.27 33.71 34.03 34.58 34.02 33.97 34.05 34.04
    33.73 34.05
""")
WAFERS = numbers("16 14 28 16 12 20 10 12 10 17 19 17 14 16 15 13 14 16 11 20 11 19 16 31 13")
FEW = numbers("5 7 5 7 7 5 4 9 8 13 8 7 8 7 12 11 8")
FEW_OF = numbers("113 132 121 134 116 131 93 138 182 157 100 103 146 108 153 141 134")
PEAK_FLOW = numbers("120 140 100 150 260 150 100 120 300 300 275 300 140 170 150 150 190 180")
EPISODES = numbers("""
    260 130 189 1080 175 200 193 120 33 293 195 571 55698 209 1825 239 290 254 93 278 185 123 9434 408 570 118 238
    207 153 209 243 110 306 343 244
""")

PRINTED = [
    Printed(
        "loan_cost",
        MONTGOMERY + "table 6.7, limits of the first 20 weeks held" + QICHARTS2 + "ex_6.5_3",
        [*LOAN_COST],
        {"center": 300.5, "unpl": 321.21668533034716, "lnpl": 279.78331466965284},
        1e-9,
        {**QCC_D2, "baseline": Baseline(count=20)},
        [38, 39],
    ),
    Printed(
        "juice_trial",
        MONTGOMERY + "table 7.1 (also NIST/SEMATECH e-Handbook 6.3.3.2: .2313, .4103, .0524)" + QCC,
        [*JUICE],
        {"center": 0.2313333, "upper": [0.4102391] * 30, "lower": [0.05242755] * 30},
        5e-8,
        {"chart": "p"},
        [14, 22],
        [50.0] * 30,
    ),
    Printed(
        "juice_revised",
        MONTGOMERY + "example 7.1, samples 15 and 23 left out" + QICHARTS2 + "ex_7.1_5",
        without(JUICE, 14, 22),
        {"center": 0.215, "upper": [0.3892972] * 30, "lower": [0.0407028] * 30},
        5e-8,
        {"chart": "p"},
        [20],
        [50.0] * 30,
    ),
    Printed(
        "purchase_orders",
        MONTGOMERY + "table 7.4, sample sizes 80 to 120" + QICHARTS2 + "tbl_7.4_1",
        [*ORDERS],
        {
            "center": 0.09551020408163265,
            "upper": numbers("""
                0.1836857 0.1940934 0.1940934 0.1836857 0.1795823 0.1795823 0.1836857 0.1836857 0.1884554 0.1884554
                0.1795823 0.1760031 0.1760031 0.1760031 0.1795823 0.1940934 0.1940934 0.1940934 0.1884554 0.1836857
                0.1836857 0.1836857 0.1836857 0.1884554 0.1884554
            """),
        },
        6e-8,
        {"chart": "p"},
        [10],
        ORDERS_OF,
    ),
    Printed(
        "boards_c",
        MONTGOMERY + "table 7.7, c chart of 26 samples" + QCC,
        [*BOARDS],
        {"center": 19.84615, "unpl": 33.21086, "lnpl": 6.481447},
        5e-6,
        {"chart": "u"},
        [5, 19],
        [1.0] * 26,
    ),
    Printed(
        "boards_revised",
        MONTGOMERY + "example 7.3, samples 6 and 20 left out, limits held for 20 more" + QICHARTS2 + "ex_7.3_3",
        [*without(BOARDS, 5, 19), *BOARDS_LATER],
        {"center": 19.666666666666668, "unpl": 32.970801362316735, "lnpl": 6.3625319710165975},
        1e-12,
        {"chart": "u", "baseline": Baseline(start=0, stop=26)},
        [],
        [1.0] * 46,
    ),
    Printed(
        "boards_u",
        MONTGOMERY + "example 7.3 as a u chart of boards of 100" + QCC,
        [*without(BOARDS, 5, 19), *BOARDS_LATER],
        {"center": 0.1966667, "upper": [0.329708] * 46, "lower": [0.06362532] * 46},
        6e-8,
        {"chart": "u", "baseline": Baseline(start=0, stop=26)},
        [],
        [100.0] * 46,
    ),
    Printed(
        "shipping",
        MONTGOMERY + "table 7.10, supply chain errors" + QICHARTS2 + "ex_7.4_1",
        [*SHIPPING],
        {"center": 0.074, "unpl": 0.1894123043700281},
        1e-12,
        {"chart": "u"},
        [],
        [50.0] * 20,
    ),
    Printed(
        "dyed_cloth",
        MONTGOMERY + "table 7.11, rolls of unequal size in units of 50 m2" + QICHARTS2 + "ex_7.5_1",
        [*CLOTH],
        {
            "center": 1.4232558139534883,
            "upper": numbers("""
                2.5550377 2.6886264 2.4158942 2.5550377 2.5844395 2.5550377 2.4564266 2.5277618 2.4564266 2.4355523
            """),
            "lower": numbers("""
                0.2914739 0.1578852 0.4306174 0.2914739 0.2620721 0.2914739 0.390085 0.3187498 0.390085 0.4109593
            """),
        },
        6e-8,
        {"chart": "u"},
        [],
        CLOTH_ROLLS,
    ),
    Printed(
        "computers",
        "Montgomery (1991), Introduction to Statistical Quality Control, pp. 181-184, u chart" + QCC,
        [*COMPUTERS],
        {"center": 1.93, "upper": [3.793867] * 20, "lower": [0.06613305] * 20},
        6e-7,
        {"chart": "u"},
        [],
        [5.0] * 20,
    ),
    Printed(
        "valve_failures",
        MONTGOMERY + "table 7.14, hours between failures, Nelson's scale" + QICHARTS2 + "ex_7.6_1",
        [*VALVES],
        {"center": 430.04095178975825, "unpl": 6937.933488166575, "lnpl": 0},
        1e-9,
        {"chart": "t", **QCC_D2},
        [],
    ),
    Printed(
        # qcc removes the batch and closes the gap: the moving range spans it, which is what bridge says.
        "viscosity_revised",
        "Montgomery's viscosity data without batch 4" + QCC,
        without(VISCOSITY, 3),
        {"center": 33.98947, "lnpl": 32.75425, "unpl": 35.2247},
        6e-6,
        {**QCC_D2, "bridge": True},
        [],
    ),
    Printed(
        # The third count lies on the upper limit: a point on a limit is not outside it.
        "wafers",
        "NIST/SEMATECH e-Handbook of Statistical Methods 6.3.3.1, c chart of wafer defects",
        [*WAFERS],
        {"center": 16, "unpl": 28, "lnpl": 4},
        0,
        {"chart": "u"},
        [23],
        [1.0] * 25,
    ),
    Printed(
        "few_events_i",
        POWERBI + "i.test.ts and mr.test.ts: individuals of a ratio",
        [a / b for a, b in zip(FEW, FEW_OF, strict=True)],
        {"unpl": 0.0957, "lnpl": 0.0229, "url": 0.0448},
        5.1e-5,
        QCC_D2,
        [],
    ),
    Printed(
        "peak_flow",
        "Wheeler, Making Sense of Data (2003) p. 130, figure 9.9 (printed from rounded averages: 322.5, 43.7, 171.3)"
        + STATPROCON,
        [*PEAK_FLOW],
        {"center": 183.1, "mr_bar": 52.4, "unpl": 322.3, "lnpl": 43.8, "url": 171.1},
        0.051,
        {},
        [],
    ),
    Printed(
        "episodes_medians",
        "Wheeler, Making Sense of Data (2003) p. 147, median and median moving range (printed: 630, -154, 482)"
        + STATPROCON,
        [*EPISODES],
        {"center": 238, "mr_bar": 125, "unpl": 631.125, "lnpl": -155.125, "url": 483.125},
        1e-9,
        {"center": "median", "spread": "median"},
        [3, 12, 14, 22],
    ),
]

# PowerBI-SPC, c.test.ts: two phases of 24 and 12 months; the lower limit of the second is drawn at 0.
PHASES = numbers("""
    17 12 27 20 20 18 22 19 19 24 17 16 24 19 19 22 25 19 17 6 25 17 11 14 9 11 7 13 5 5 3 5 9 4 5 9
""")
PHASE_LIMITS = [(5.73, 31.68), (None, 15.07)]

# statprocon, tests/test_trending.py: fourteen values, halves of seven.
RISE = numbers("2.27 2.55 2.88 2.27 2.93 3.08 3.01 3.12 3.31 3.05 3.54 3.45 3.16 3.58")
RISE_SLOPE = 0.08612244897959183673469387757

# qicharts2's verdicts of Anhoej's rules on the charts above (tests/testthat: longest.run, n.crossings, runs.signal).
ANHOEJ = [("loan_cost", False), ("purchase_orders", False), ("boards_revised", True), ("valve_failures", False)]
