"""The contract of `core.lqi`, one row a scoring window."""

from dreamclass_intel.contracts import Column, Grain, Table, Type

_CLASSES = ("a", "b", "c", "d")

LQI = Table(
    schema="core",
    name="lqi",
    description="Lead Quality Index of each scoring window, from the newest completed run of the window. "
    "`lqi` is the value the scoring stored; `lqi_recomputed`, its error and interval come from the leads' "
    "classes. A window without a completed run has no row; one without scored leads has null, never 0.",
    columns=(
        Column("window_start_date", Type.DATE, "First day of the window (UTC)", required=True),
        Column("window_end_date", Type.DATE, "First day after the window (UTC)", required=True),
        Column("run_id", Type.STRING, "The scoring run the figures come from", required=True),
        Column("run_version", Type.INT, "Version of that run within its window", required=True),
        Column("completed_at", Type.TIMESTAMP, "When that run completed", required=True, unit="UTC"),
        Column("model_version", Type.STRING, "Version of the scoring model"),
        Column("weights_version", Type.STRING, "Version of the class weights"),
        Column("lqi", Type.DECIMAL, "LQI as stored by the scoring; null without scored leads", unit="0-100"),
        Column("lqi_recomputed", Type.FLOAT, "100 * sum(weight * leads) / leads; null if the weights are "
               "unknown or nobody was scored", unit="0-100"),
        Column("lqi_se", Type.FLOAT, "Standard error of lqi_recomputed", unit="LQI points"),
        Column("ci_low", Type.FLOAT, "Lower end of the 95 % interval", unit="0-100"),
        Column("ci_high", Type.FLOAT, "Upper end of the 95 % interval", unit="0-100"),
        Column("leads_n", Type.INT, "Scored leads, the n behind the index", required=True, unit="leads"),
        Column("is_small_sample", Type.BOOL, "Fewer than 30 scored leads: no attribution, no signal",
               required=True),
        *(Column(f"class_{c}_n", Type.INT, f"Leads of class {c.upper()}", required=True, unit="leads")
          for c in _CLASSES),
        *(Column(f"class_{c}_share", Type.FLOAT, f"class_{c}_n / leads_n; null without leads", unit="0-1")
          for c in _CLASSES),
        Column("unscored_n", Type.INT, "Leads without a class, not in leads_n", required=True, unit="leads"),
    ),
    key=("window_start_date",),
    grain=Grain.SCORING_WINDOW,
)  # fmt: skip

TABLES = (LQI,)
