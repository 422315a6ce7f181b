"""Contracts of the chart tables."""

from dreamclass_intel.contracts import Column, Grain, Table, Type, Write

_FIGURES = (
    Column("metric_id", Type.STRING, "Metric of the registry", required=True),
    Column("period_start", Type.DATE, "First day of the charted period", required=True),
    Column("value", Type.FLOAT, "Value in the metric's unit; null when nothing was measured"),
    Column("moving_range", Type.FLOAT, "Distance to the period before; null across a gap"),
    Column("center", Type.FLOAT, "Centre line (mean of the baseline)"),
    Column("unpl", Type.FLOAT, "Upper natural process limit"),
    Column("lnpl", Type.FLOAT, "Lower natural process limit"),
    Column("url", Type.FLOAT, "Upper range limit of the moving range"),
    Column("baseline_n", Type.INT, "Points the limits rest on"),
    Column("limits_status", Type.STRING, "none, trial, computed or locked", required=True),
    Column("limits_id", Type.STRING, "Identity of the limits: equal figures and basis, equal id"),
    Column("chart", Type.STRING, "Kind of chart: xmr, i_prime, p_prime ... (docs/xmr.md)", required=True),
    Column("preset", Type.STRING, "Rules it is judged by: wheeler, quiet ...", required=True),
)

POINTS = Table(
    schema="xmr",
    name="points",
    description="The verdict of each period as of its own close: the newest mature point against the limits that "
    "held then, with the signals that became known at it. A row a metric and partition.",
    columns=(
        Column("partition_start", Type.DATE, "First day of the partition: the chart as of its close", required=True),
        *_FIGURES,
        Column("signals", Type.JSON, "Signals known at this point: rule, side, start, known_at, members, strength"),
        Column("verdict", Type.STRING, "The verdict in words", required=True),
    ),
    key=("metric_id", "partition_start"),
    grain=Grain.NONE,
    write=Write.UPSERT,
)

SIGNALS = Table(
    schema="xmr",
    name="signals",
    description="The signals that became known in each partition, as of its close. A row a signal.",
    columns=(
        Column("metric_id", Type.STRING, "Metric of the registry", required=True),
        Column("partition_start", Type.DATE, "First day of the partition in which it became known", required=True),
        Column("rule", Type.STRING, "Rule, by its name in the xmr library", required=True),
        Column("side", Type.STRING, "above or below the centre line, or both", required=True),
        Column("start_period", Type.DATE, "First period of the stretch that was looked at", required=True),
        Column("end_period", Type.DATE, "Its last period", required=True),
        Column("known_at", Type.DATE, "Period at which the pattern was complete", required=True),
        Column("members", Type.JSON, "First days of the periods that a chart marks", required=True),
        Column("strength", Type.FLOAT, "Distance from the centre line; null where nothing varies", unit="sigma"),
        Column("is_unfavourable", Type.BOOL, "Whether it is bad news for this metric", required=True),
        Column("limits_id", Type.STRING, "Identity of the limits that were broken", required=True),
    ),
    key=("metric_id", "partition_start", "rule", "side", "start_period"),
    grain=Grain.NONE,
)

BASELINES = Table(
    schema="xmr",
    name="baselines",
    description="Locked limits. The first chart that locks writes them down; from then on they judge, whatever is "
    "loaded again later. Another policy or another start of the basis is another row.",
    columns=(
        Column("metric_id", Type.STRING, "Metric of the registry", required=True),
        Column("base_start", Type.DATE, "First period of the basis", required=True),
        Column("policy", Type.STRING, "How the limits are made, in words", required=True),
        Column("base_end", Type.DATE, "Last period of the basis", required=True),
        Column("locked_in", Type.DATE, "First day of the partition whose chart locked them", required=True),
        Column("center", Type.FLOAT, "Centre line", required=True),
        Column("mr_bar", Type.FLOAT, "Average moving range of the basis", required=True),
        Column("unpl", Type.FLOAT, "Upper natural process limit", required=True),
        Column("lnpl", Type.FLOAT, "Lower natural process limit", required=True),
        Column("url", Type.FLOAT, "Upper range limit of the moving range", required=True),
        Column("baseline_n", Type.INT, "Points of the basis", required=True),
        Column("ranges_n", Type.INT, "Moving ranges of the basis", required=True),
        Column("limits_id", Type.STRING, "Identity of the limits", required=True),
        Column("chart", Type.STRING, "Kind of chart they belong to", required=True),
        Column("denominator", Type.FLOAT, "Size of the window they are stated for; null where no size counts"),
        Column("adjustment", Type.JSON, "Trend and season they follow, counted from base_start; null for none"),
    ),
    key=("metric_id", "base_start", "policy"),
    grain=Grain.NONE,
    write=Write.UPSERT,
)

CONTRIBUTIONS = Table(
    schema="xmr",
    name="contributions",
    description="Which segment moved: the change that a signal stands for, split over the segments of its metric. A "
    "row a signal and segment; contributions of a signal add up to after - before.",
    columns=(
        Column("metric_id", Type.STRING, "Metric of the registry", required=True),
        Column("partition_start", Type.DATE, "First day of the partition in which it became known", required=True),
        Column("rule", Type.STRING, "Rule of the signal", required=True),
        Column("side", Type.STRING, "Side of the signal", required=True),
        Column("start_period", Type.DATE, "First period of the signal", required=True),
        Column("segment", Type.STRING, "Value of the metric's segment column", required=True),
        Column("contribution", Type.FLOAT, "Its part of the change, in the metric's unit", required=True),
        Column("share", Type.FLOAT, "contribution over the whole change; null where the whole did not change"),
        Column("ci_low", Type.FLOAT, "Lower end of the 95 % interval of the contribution", required=True),
        Column("ci_high", Type.FLOAT, "Its upper end", required=True),
        Column("p", Type.FLOAT, "p-value of no contribution at all", required=True),
        Column("q", Type.FLOAT, "p after Benjamini and Hochberg over the segments", required=True),
        Column("mix", Type.FLOAT, "Part by a changed share of the denominator; null for totals"),
        Column("rate", Type.FLOAT, "Part by its own changed ratio; null for totals"),
        Column("before", Type.FLOAT, "The metric over the baseline", required=True),
        Column("after", Type.FLOAT, "The metric over the periods of the signal", required=True),
        Column("has_moved", Type.BOOL, "Whether it stands out at a false discovery rate of 10 %", required=True),
    ),
    key=("metric_id", "partition_start", "rule", "side", "start_period", "segment"),
    grain=Grain.NONE,
)

PROPOSALS = Table(
    schema="xmr",
    name="proposals",
    description="Where charts may need new limits, with the evidence and what people decided (decisions.yaml).",
    columns=(
        Column("metric_id", Type.STRING, "Metric of the registry", required=True),
        Column("label", Type.STRING, "Label of the first period of the new level", required=True),
        Column("mode", Type.STRING, "watch (as periods came), review (in hindsight) or decision", required=True),
        Column("kind", Type.STRING, "shift or trend", required=True),
        Column("state", Type.STRING, "open (8 periods), proposed (12), accepted or rejected", required=True),
        Column("who", Type.STRING, "Who decided; engine for a proposal, auto for the registry", required=True),
        Column("decided_on", Type.DATE, "Day of the decision; null while there is none"),
        Column("why", Type.STRING, "Reason of the decision; null while there is none"),
        Column("earliest", Type.STRING, "Label: the new level began here at the earliest (95 %)"),
        Column("latest", Type.STRING, "Label: it began here at the latest"),
        Column("opened_at", Type.STRING, "Label of the period at which the proposal opened"),
        Column("known_at", Type.STRING, "Label of the period at which it was last looked at"),
        Column("since_n", Type.INT, "Judged periods at the new level"),
        Column("shift", Type.FLOAT, "New mean minus old one, in the metric's unit; of a trend, the rise a period"),
        Column("shift_low", Type.FLOAT, "Lower end of its 95 % interval"),
        Column("shift_high", Type.FLOAT, "Its upper end"),
        Column("sigma", Type.FLOAT, "Routine variation around the levels"),
        Column("statistic", Type.FLOAT, "Split statistic"),
        Column("threshold", Type.FLOAT, "What it is compared with"),
        Column("rank_z", Type.FLOAT, "Rank check, compared with 3"),
        Column("autocorrelation", Type.FLOAT, "Lag-1 autocorrelation the thresholds are deflated for"),
        Column("run_n", Type.INT, "Longest run of the new level beyond the old mean"),
        Column("opposing_run_n", Type.INT, "Longest run on the old side of the half-way line"),
        Column("evidence", Type.STRING, "The evidence in one sentence", required=True),
    ),
    key=("metric_id", "label", "kind", "mode"),
    grain=Grain.NONE,
)

DIVIDERS = Table(
    schema="xmr",
    name="dividers",
    description="Splits that metrics with `rebaseline: auto` took by themselves, written when first taken: values that "
    "are loaded again later do not move them.",
    columns=(
        Column("metric_id", Type.STRING, "Metric of the registry", required=True),
        Column("label", Type.STRING, "Label of the first period of the new level", required=True),
        Column("decided_on", Type.DATE, "Close at which the split was ready", required=True),
        Column("why", Type.STRING, "Reason of the decision", required=True),
        Column("evidence", Type.STRING, "The evidence in one sentence", required=True),
    ),
    key=("metric_id", "label"),
    grain=Grain.NONE,
    write=Write.UPSERT,
)

CURRENT = Table(
    schema="xmr",
    name="current",
    description="Every chart as it stands now, a row a metric and period: what the report draws.",
    columns=(
        *_FIGURES,
        Column("numerator", Type.FLOAT, "What was added up"),
        Column("denominator", Type.FLOAT, "What it is divided by; null for plain counts"),
        Column("is_judged", Type.BOOL, "Complete, mature and not run-up", required=True),
        Column("rules", Type.JSON, "Rules whose signals this point belongs to", required=True),
        Column("divider", Type.STRING, "Why new limits begin here; null where none do"),
    ),
    key=("metric_id", "period_start"),
    grain=Grain.NONE,
)

TABLES = (POINTS, SIGNALS, CONTRIBUTIONS, BASELINES, DIVIDERS, PROPOSALS, CURRENT)
