"""Published XmR series with their published answers, numbers only, so that the tests run without ../shared.

Each case says where it was printed. `published` holds what the source states, to the tolerance `tol` its
rounding allows; `flags` holds 0-based indices: outside (rule one), run (members of runs of 8), zone (members
of 3 of 4), mr (moving ranges above their limit). Flags the source does not state were recomputed by an
independent loop.
"""

from typing import Any, NamedTuple


class Case(NamedTuple):
    """One published series; `args` are keyword arguments of `analyse`, `base` a half-open baseline range."""

    name: str
    source: str
    values: list[float]
    published: dict[str, float]
    tol: float
    flags: dict[str, list[int]]
    args: dict[str, Any] = {}  # noqa: RUF012 - read only
    base: tuple[int, int] | None = None


ACCIDENTS_A = [43.0, 40, 37, 33, 30, 33, 34, 35, 29, 33, 31, 39]
ACCIDENTS_B = [35.0, 37, 33, 32, 27, 29, 31, 22, 25, 30, 24, 19]
DEVIATION = [1.0, 2, 1, 2, 10, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1]

CASES = [
    Case(
        "wheeler_emp_p15",
        "Wheeler, EMP III: Evaluating the Measurement Process, p. 15",
        [
            591.0,
            600,
            594,
            601,
            598,
            594,
            599,
            597,
            599,
            597,
            602,
            597,
            593,
            598,
            599,
            601.0,
            600,
            599,
            595,
            598,
            592,
            601,
            601,
            598,
            601,
            603,
            593,
            599,
            601,
            599,
        ],
        {
            "center": 598,
            "mr_bar": 3.93103448275862,
            "lnpl": 587.543448275862,
            "unpl": 608.456551724138,
            "url": 12.8466206896552,
        },
        1e-9,
        {"outside": [], "run": [], "zone": [], "mr": []},
    ),
    Case(
        "wheeler_msd_p382",
        "Wheeler, Making Sense of Data (SPC Press 2003) p. 382, data set to use when verifying software",
        [5045.0, 4350, 4350, 3975, 4290, 4430, 4485, 4285, 3980, 3925, 3645, 3760, 3300, 3685, 3463, 5200],
        {"center": 4135.5, "mr_bar": 355.93, "lnpl": 3188.72, "unpl": 5082.28, "url": 1163.19},
        0.005,
        {"outside": [15], "run": [], "zone": [], "mr": [15]},
    ),
    Case(
        "wheeler_msd_p145_median",
        "Wheeler, Making Sense of Data (2003) p. 145, section 10.2: median moving range",
        [2.5, 2.3, 16.3, 6.3, 7.6, 16.3, 7.1, 7.8, 7.8, 9.9, 10.5, -4.8],
        {"center": 7.47, "mr_bar": 2.1, "unpl": 14.07, "lnpl": 0.87, "url": 8.12},
        0.011,
        {"outside": [2, 5, 11], "run": [], "zone": [], "mr": [2, 3, 5, 6, 11]},
        {"spread": "median"},
    ),
    Case(
        "wheeler_msd_t8_1",
        "Wheeler, Making Sense of Data (2003) table 8.1: the run of eight at the end",
        [21.3, 20.2, 20.9, 21.0, 18.8, 19.6, 18.7, 18.6, 18.1, 18.9, 19.2, 18.2, 17.3, 19.0],
        {},
        0,
        {"outside": [], "run": [6, 7, 8, 9, 10, 11, 12, 13], "zone": [0, 2, 3], "mr": []},
    ),
    Case(
        "wheeler_msd_t9_1_a",
        "Wheeler, Making Sense of Data (2003) table 9.1, accidents, first year",
        ACCIDENTS_A,
        {"unpl": 43.9, "lnpl": 25.6},
        0.05,
        {"outside": []},
    ),
    Case(
        "wheeler_msd_t9_1_b",
        "Wheeler, Making Sense of Data (2003) table 9.1, accidents, second year",
        ACCIDENTS_B,
        {"unpl": 39.3, "lnpl": 18.0},
        0.05,
        {"outside": []},
    ),
    Case(
        # The unrounded limit is 60.6812: index 13 (60.7) is outside; comparing with the printed 60.7 loses
        # it.
        "wheeler_msd_t9_2",
        "Wheeler, Making Sense of Data (2003) table 9.2: receivables, limits of the first year held",
        [
            55.6,
            54.7,
            54.9,
            54.8,
            56.9,
            55.7,
            53.8,
            54.8,
            53.4,
            57.0,
            59.4,
            63.2,
            60.9,
            60.7,
            58.6,
            57.3,
            56.9,
            58.1,
            58.3,
            50.9,
            53.3,
            52.5,
            50.8,
            52.9,
        ],
        {"unpl": 60.7},
        0.05,
        {
            "outside": [11, 12, 13, 19, 22],
            "run": [9, 10, 11, 12, 13, 14, 15, 16, 17, 18],
            "zone": [10, 11, 12, 13, 14, 19, 20, 21, 22, 23],
            "mr": [19],
        },
        {},
        (0, 12),
    ),
    Case(
        # 2.66 gives 55.8049, the exact d2 55.8024: the third decimal tells which constant was used.
        "nist_flowrate",
        "NIST/SEMATECH e-Handbook of Statistical Methods 6.3.2.2",
        [49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1],
        {"center": 50.81, "mr_bar": 1.8778, "unpl": 55.8041, "lnpl": 45.8159},
        5e-5,
        {"outside": []},
        {"constants": "d2_1128"},
    ),
    Case(
        "viscosity",
        "Montgomery's viscosity data, trial of 20, as answered in the qcc documentation",
        [
            34.05,
            34.4,
            33.59,
            35.96,
            34.7,
            33.51,
            33.79,
            34.04,
            34.52,
            33.75,
            33.27,
            33.71,
            34.03,
            34.58,
            34.02,
            33.97,
            34.05,
            34.04,
            33.73,
            34.05,
        ],
        {"center": 34.088, "lnpl": 32.56504, "unpl": 35.61096},
        1e-5,
        {"outside": [3], "run": [], "zone": [], "mr": [3]},
        {"constants": "d2_1128"},
    ),
    Case(
        "nhs_deviation",
        "NHSRplotthedots, vignette deviations (= the NHS Excel tool): not screened",
        DEVIATION,
        {"center": 1.94, "unpl": 6.95, "lnpl": -3.06},
        0.006,
        {"outside": [4]},
        {"constants": "astm"},
    ),
    Case(
        "nhs_deviation_screened",
        "NHSRplotthedots, vignette deviations: one screening pass over the moving ranges (Nelson 1982)",
        DEVIATION,
        {"center": 1.94, "unpl": 4.6, "lnpl": -0.72},
        0.006,
        {"outside": [4]},
        {"constants": "astm", "screen": 1},
    ),
]
