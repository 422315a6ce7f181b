"""Raw tables of the lead scoring in Supabase; the partition of both is the start of the scoring window."""

from dreamclass_intel.contracts import Column, Grain, Table, Type

RUNS = Table(
    schema="raw",
    name="lead_scoring_runs",
    description="Runs of the lead scoring, one row a run. All are kept: re-scores of a window, running and "
    "failed ones. Runs off the 14-day grid are quarantined.",
    columns=(
        Column("run_id", Type.STRING, "Id of the run (UUID)", required=True),
        Column("window_start_at", Type.TIMESTAMP, "Start of the window, included", required=True, unit="UTC"),
        Column("window_end_at", Type.TIMESTAMP, "End of the window, excluded", required=True, unit="UTC"),
        Column("window_days", Type.INT, "Length of the window", required=True, unit="days"),
        Column("status", Type.STRING, "pending, running, completed or failed", required=True),
        Column("run_version", Type.INT, "1 for the first run of a window, then counting", required=True),
        Column("supersedes_run_id", Type.STRING, "The run of the same window that this one replaces"),
        Column("model_version", Type.STRING, "Version of the scoring model"),
        Column("weights_version", Type.STRING, "Version of the class weights behind the LQI"),
        Column("lqi", Type.DECIMAL, "Lead Quality Index as stored; null until completed", unit="0-100"),
        Column("total_leads", Type.INT, "Leads of the window; 0 or null until completed", unit="leads"),
        Column("class_distribution", Type.JSON, "Leads by class, as stored"),
        Column("class_a_n", Type.INT, "Leads of class A in class_distribution", unit="leads"),
        Column("class_b_n", Type.INT, "Leads of class B in class_distribution", unit="leads"),
        Column("class_c_n", Type.INT, "Leads of class C in class_distribution", unit="leads"),
        Column("class_d_n", Type.INT, "Leads of class D in class_distribution", unit="leads"),
        Column("distribution_n", Type.INT, "Sum of class_distribution, unknown keys included", unit="leads"),
        Column("created_at", Type.TIMESTAMP, "When the run was created", required=True, unit="UTC"),
        Column("completed_at", Type.TIMESTAMP, "When it completed; null before", unit="UTC"),
        Column("updated_at", Type.TIMESTAMP, "Last change of the row in Supabase", required=True, unit="UTC"),
    ),
    key=("run_id",),
    grain=Grain.SCORING_WINDOW,
    cluster=("status",),
    keep_raw=True,
)

LEAD_SCORES = Table(
    schema="raw",
    name="lead_scoring_lead_scores",
    description="Scores of leads, one row per run and lead, for every run on the grid; the partition is the "
    "run's window. A lead's class may differ between the runs of a window.",
    columns=(
        Column("run_id", Type.STRING, "Run that gave the score", required=True),
        Column("lead_id", Type.STRING, "Lead", required=True),
        Column("score_id", Type.INT, "Row id in Supabase", required=True),
        Column("lead_class", Type.STRING, "A, B, C or D; null for a lead that could not be scored"),
        Column("score", Type.DECIMAL, "Score of the lead", unit="0-100"),
        Column("account_id", Type.STRING, "Product account, where the lead had one when scored"),
        Column("email_hash", Type.STRING, "Keyed hash of the lead's e-mail address", pii="hashed"),
        Column("email_domain", Type.STRING, "Domain of the lead's e-mail address"),
        Column("source", Type.STRING, "Acquisition source the scoring saw"),
        Column("medium", Type.STRING, "Acquisition medium the scoring saw"),
        Column("campaign", Type.STRING, "Acquisition campaign the scoring saw"),
        Column("scored_at", Type.TIMESTAMP, "When the lead was scored", required=True, unit="UTC"),
        Column("updated_at", Type.TIMESTAMP, "Last change of the row in Supabase", required=True, unit="UTC"),
    ),
    key=("run_id", "lead_id"),
    grain=Grain.SCORING_WINDOW,
    cluster=("run_id",),
    keep_raw=True,
)

TABLES = (RUNS, LEAD_SCORES)
