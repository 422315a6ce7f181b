"""Contracts of the identity tables. The history is the truth; the other two are its newest generation."""

from dreamclass_intel.contracts import Column, Table, Type

_SHOWN = (
    ("display_name", "Name as the best source spells it; null where no source knows one"),
    ("primary_domain", "Registrable web domain, never a freemail or shared one"),
    ("country", "ISO 3166-1 alpha-2"),
    ("city", "City as the best source spells it"),
)

COMPANIES = Table(
    schema="core",
    name="companies",
    description="Companies as of the newest published generation: one row a live company, current state only. "
    "Every run writes the table whole, in one step; `_load_partition` = published_date, the day the row last changed. "
    "Past states: `core.companies_id_history`.",
    columns=(
        Column("company_id", Type.STRING, "Stable id; never reused, redirected when merged", required=True),
        *(Column(name, Type.STRING, description) for name, description in _SHOWN),
        Column("is_customer", Type.BOOL, "Has a billing record (Stripe or ChartMogul)", required=True),
        Column("first_seen_date", Type.DATE, "Day the id was first published", required=True),
        Column("record_count", Type.INT, "Source records of the company", required=True),
        Column("sources", Type.JSON, "Systems that know the company, as a list", required=True),
        *(Column(f"{name}__source", Type.STRING, f"System that {name} comes from") for name, _ in _SHOWN),
        *(Column(f"{name}__record_id", Type.STRING, f"Record that {name} comes from") for name, _ in _SHOWN),
        Column("published_date", Type.DATE, "Generation in which the row last changed", required=True),
    ),
    key=("company_id",),
)

XREF = Table(
    schema="core",
    name="companies_xref",
    description="Which company each source record belongs to as of the newest published generation: one row a source "
    "record. Facts keep their source's keys and join here. Every run writes the table whole, in one step; "
    "`_load_partition` = matched_date.",
    columns=(
        Column("source_system", Type.STRING, "crm, stripe, chartmogul, product, swan, g2 or leads", required=True),
        Column("source_record_id", Type.STRING, "Id in that system, as in int_company_records", required=True),
        Column("company_id", Type.STRING, "Company, always a live one", required=True),
        Column("match_rule", Type.STRING, "Evidence that ties the record to the company; seed = first", required=True),
        Column("match_score", Type.FLOAT, "Weight of that evidence", required=True, unit="0-1"),
        Column("matched_to_system", Type.STRING, "System of the record it is tied to; null for a seed"),
        Column("matched_to_record_id", Type.STRING, "Record it is tied to; null for a seed"),
        Column("matched_date", Type.DATE, "Generation in which it came to this company", required=True),
    ),
    key=("source_system", "source_record_id"),
    cluster=("source_system",),
)

ID_HISTORY = Table(
    schema="core",
    name="companies_id_history",
    description="The ledger of identity: a row an event, a partition a published day. Any past generation is its "
    "records' newest rows up to that day. entity = company: created, split, merged (other_company_id = successor), "
    "retired, revived, restated (issued when the day was published before, redirected since); entity = record: "
    "observed, changed, moved, removed (other_company_id = company before); entity = generation: published. A run of D "
    "replaces the partitions D to the newest published day.",
    columns=(
        Column("event_date", Type.DATE, "Generation", required=True),
        Column("subject", Type.STRING, "company_id, system:record_id, or generation", required=True),
        Column("entity", Type.STRING, "company, record or generation", required=True),
        Column("event", Type.STRING, "What happened", required=True),
        Column("company_id", Type.STRING, "Company concerned"),
        Column("other_company_id", Type.STRING, "Successor of a merge; company before of a split or a move"),
        Column("source_system", Type.STRING, "System of the record"),
        Column("source_record_id", Type.STRING, "Id of the record in that system"),
        Column("match_rule", Type.STRING, "Evidence at the time"),
        Column("match_score", Type.FLOAT, "Weight of that evidence", unit="0-1"),
        Column("record", Type.JSON, "Observed and changed: the record's evidence as it counts from this day on"),
        Column("record_count", Type.INT, "Published: records in the generation"),
        Column("company_count", Type.INT, "Published: live companies in the generation"),
    ),
    key=("event_date", "subject"),
    cluster=("entity", "event"),
)

TABLES = (COMPANIES, XREF, ID_HISTORY)
