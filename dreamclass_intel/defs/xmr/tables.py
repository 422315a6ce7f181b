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
        Column("side", Type.STRING, "above or below the centre line", required=True),
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
    ),
    key=("metric_id", "base_start", "policy"),
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
    ),
    key=("metric_id", "period_start"),
    grain=Grain.NONE,
)

TABLES = (POINTS, SIGNALS, BASELINES, CURRENT)
