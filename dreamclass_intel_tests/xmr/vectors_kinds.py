"""Published charts of rates, rare events and trends with their published answers, numbers only.

Each case says where it was printed; the numbers carried by GPL packages are data, typed in, with their source.
`lines` holds the limits of every window, in the unit of the source over `unit`.
"""

from typing import Any, NamedTuple


def numbers(text: str) -> list[float]:
    """The numbers of a text."""
    return [float(word) for word in text.split()]


class Rate(NamedTuple):
    """One published chart: values are numerators over denominators; `args` are keyword arguments of `analyse`."""

    name: str
    source: str
    numerators: list[float]
    denominators: list[float]
    lines: dict[str, list[float]]
    tol: float
    args: dict[str, Any]
    unit: float = 1.0


class Trended(NamedTuple):
    """One published trended chart: `halves` are the centre half-way through each half of the baseline."""

    name: str
    source: str
    values: list[float]
    slope: float
    halves: tuple[float, float]
    half_width: float
    tol: float
    outside: list[int]
    args: dict[str, Any]
    base: tuple[int, int]


AE_SEEN = numbers("""
    266501 264225 276532 281461 269071 261215 270409 279778 270483 270320 267923 271478 255353 256820 261835
    259144 255910 260863 264465 260989
""")
AE_ALL = numbers("""
    280443 276823 291681 296155 282343 275888 283867 295251 284468 282529 279618 283932 266629 268091 276803
    271578 266005 273520 278574 273772
""")
AE_UPPER = numbers("""
    96.567 96.5753 96.5421 96.5326 96.5627 96.5775 96.5593 96.5345 96.5579 96.5623 96.5689 96.5591 96.5996
    96.5961 96.5753 96.5877 96.6012 96.583 96.5713 96.5824
""")
AE_LOWER = numbers("""
    94.013 94.0046 94.0378 94.0473 94.0173 94.0025 94.0207 94.0454 94.022 94.0177 94.0111 94.0208 93.9803
    93.9839 94.0046 93.9923 93.9788 93.9969 94.0087 93.9975
""")
AE_U_UPPER = numbers("""
    0.9657 0.9658 0.9654 0.9653 0.9656 0.9658 0.9656 0.9653 0.9656 0.9656 0.9657 0.9656 0.966 0.966 0.9658
    0.9659 0.966 0.9658 0.9657 0.9658
""")
AE_U_LOWER = numbers("""
    0.9401 0.94 0.9404 0.9405 0.9402 0.94 0.9402 0.9405 0.9402 0.9402 0.9401 0.9402 0.9398 0.9398 0.94 0.9399
    0.9398 0.94 0.9401 0.94
""")
WA_P = numbers("""
    14 12 15 8 16 11 12 14 16 17 5 11 13 10 14 5 12 10 11 5 10 8 11 12 11 18 18 21 14 15 18 22 17 16 20 15
""")
WA_P_OF = numbers("""
    52 64 70 60 67 69 67 54 79 59 49 61 41 51 56 43 57 48 69 41 40 46 59 62 57 65 75 70 76 69 64 67 84 67 69 78
""")
WA_P_UPPER = numbers("""
    38.76 37.07 36.4 37.58 36.72 36.5 36.72 38.44 35.53 37.71 39.28 37.45 40.92 38.93 38.14 40.47 37.99 39.46
    36.5 40.92 41.16 39.84 37.71 37.32 37.99 36.95 35.9 36.4 35.8 36.5 37.07 36.72 35.11 36.72 36.5 35.62
""")
WA_U = numbers("""
    575 521 585 528 507 519 457 505 494 512 543 506 509 521 549 531 509 528 419 512 495 513 454 490
""")
WA_U_OF = numbers("""
    310466.8333 282346.7917 309089.7083 287977.3333 297743.375 286988.25 261120.3333 268720.75 284437.875
    290449.5 288104.4583 279961.375 289803.9583 275950.5833 290824.4583 285495.75 282515.2083 273927.875
    253085.625 262410.7083 275529.25 282405.0833 259530.7917 256235.4583
""")
WA_U_UPPER = numbers("""
    20.5349 20.6467 20.5401 20.623 20.5836 20.6271 20.7428 20.7071 20.6378 20.6129 20.6225 20.657 20.6155
    20.6745 20.6113 20.6334 20.646 20.6835 20.7823 20.7366 20.6764 20.6465 20.7505 20.7666
""")
WA_U_LOWER = numbers("""
    15.9366 15.8248 15.9314 15.8485 15.8879 15.8444 15.7287 15.7644 15.8337 15.8586 15.849 15.8145 15.856 15.797
    15.8602 15.8381 15.8255 15.788 15.6892 15.7349 15.7951 15.825 15.721 15.7049
""")

WA = "AUS-DOH-Safety-and-Quality/PowerBI-SPC, test/Chart Types/"
FOUR = {"baseline": (4, 2)}  # four points: count and minimum of the baseline
ONE_TO_18, OF_4_TO_20 = [1.0, 4, 2, 18], [4.0, 8, 4, 20]


def around(center: float, sigmas: list[float]) -> dict[str, list[float]]:
    """Three sigma on both sides."""
    return {"upper": [center + 3 * s for s in sigmas], "lower": [center - 3 * s for s in sigmas]}


RATES = [
    Rate(
        "laney_p_prime",
        WA + "pprime.test.ts: attendances seen within four hours, NHS England (Mohammed 2013; Laney 2002)",
        AE_SEEN,
        AE_ALL,
        {"upper": AE_UPPER, "lower": AE_LOWER},
        1e-4,
        {"chart": "p_prime", "constants": "d2_1128"},
        100.0,
    ),
    Rate(
        "laney_u_prime",
        WA + "uprime.test.ts: the same as a u' chart",
        AE_SEEN,
        AE_ALL,
        {"upper": AE_U_UPPER, "lower": AE_U_LOWER},
        5.1e-5,
        {"chart": "u_prime", "constants": "d2_1128"},
    ),
    Rate("p", WA + "p.test.ts", WA_P, WA_P_OF, {"upper": WA_P_UPPER}, 0.006, {"chart": "p"}, 100.0),
    Rate(
        "u",
        WA + "u.test.ts",
        WA_U,
        WA_U_OF,
        {"upper": WA_U_UPPER, "lower": WA_U_LOWER},
        5.1e-5,
        {"chart": "u"},
        10_000.0,
    ),
    Rate(
        "four_p",
        WA + "denominators.test.ts: varying ratios",
        ONE_TO_18,
        OF_4_TO_20,
        around(25 / 36, [0.230321165996903, 0.162861658327202, 0.230321165996903, 0.103002756765218]),
        1e-12,
        {"chart": "p", **FOUR},
    ),
    Rate(
        "four_u",
        WA + "denominators.test.ts: varying ratios",
        ONE_TO_18,
        OF_4_TO_20,
        around(25 / 36, [0.416666666666667, 0.294627825494395, 0.416666666666667, 0.186338998124982]),
        1e-12,
        {"chart": "u", **FOUR},
    ),
    *(
        Rate(
            f"four_{chart}",
            WA + "denominators.test.ts: varying ratios",
            ONE_TO_18,
            OF_4_TO_20,
            around(25 / 36, [0.267163309639303, 0.18891298793019248, 0.267163309639303, 0.11947906428946126]),
            1e-12,
            {"chart": chart, "constants": "d2_1128", **FOUR},
        )
        for chart in ("p_prime", "u_prime")
    ),
]

# PowerBI-SPC, g.test.ts: cases between infections; 99 % limit 128.17, lower 0.
BETWEEN = numbers("""
    23 39 15 34 1 49 98 29 27 13 45 7 10 27 24 14 20 38 44 11 10 3 113 183 3 47 18 18 33 15 2 38 27 27 1 52 23 7
    26 82 5 49 5 17 24 44 26 2 27 46 55 97 22 22 20 4 60 51 7 21 66 36 25 72 15 5 3
""")

# PowerBI-SPC, t.test.ts, one screening pass: 99 % limits .0221 and 97.268.
TIMES = numbers("""
    16 20 5 13 1 26 46 12 12 5 19 4 3 15 14 9 8 15 21 6 3 1 56 117 1 33 9 9 19 12 1 16 13 18 1 35 16 5 21 38 3
    25 3 11 13 20 9 3 8 21 24 38 8 13 9 1 30 23 3 7 22 19 11 31 6 1 1
""")

REGION_B = numbers("""
    1412 1280 1129 1181 1149 1248 1103 1021 1085 1125 910 999 883 851 997 878 939 834 688 806
""")
REGION_C = numbers("""
    1056 1048 1129 1073 1157 1146 1064 1213 1088 1322 1256 1132 1352 1353 1466 1196 1330 1003 1197 1337
""")
REGION_D = numbers("""
    539 558 591 556 540 590 606 643 657 602 596 640 691 723 701 802 749 762 807 781
""")

TRENDED = [
    Trended(
        "region_b",
        "Wheeler, Making Sense of Data (SPC Press 2003) p. 179, region B",
        REGION_B,
        -29.48,
        (1173.3, 878.5),
        272.2,
        0.06,
        [],
        {},
        (0, 20),
    ),
    Trended(
        "region_c_median",
        "Wheeler, Making Sense of Data (2003) p. 179, region C: median moving range, baseline of 16",
        REGION_C,
        19.98,
        (1110.8, 1270.6),
        264.2,
        0.06,
        [17],
        {"spread": "median"},
        (0, 16),
    ),
    Trended(
        "region_d",
        "Wheeler, Making Sense of Data (2003) p. 179, region D",
        REGION_D,
        13.7,
        (588.2, 725.2),
        93.5,
        0.06,
        [],
        {},
        (0, 20),
    ),
]
