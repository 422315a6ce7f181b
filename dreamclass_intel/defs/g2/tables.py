"""Raw table of G2 buyer intent."""

from dreamclass_intel.contracts import Column, Table, Type

BUYER_INTENT = Table(
    schema="raw",
    name="g2_buyer_intent",
    description="Buyer intent, one row for each UTC day, company, signal type, provider and compared products. "
    "G2 aggregates as it answers: the dimensions asked for are the grain; visitor_count does not add up.",
    columns=(
        Column(
            "intent_key",
            Type.STRING,
            "SHA-256 of the row's dimensions; G2's own id is not stable",
            required=True,
        ),
        Column("subject_product_id", Type.STRING, "Our product on G2", required=True),
        Column("intent_date", Type.DATE, "Day of the signals", required=True, unit="UTC"),
        Column("company_id", Type.STRING, "G2 company", required=True),
        Column("company_name", Type.STRING, "Company's name as G2 writes it"),
        Column("company_domain", Type.STRING, "Company's domain"),
        Column("company_country", Type.STRING, "Country as G2 writes it, a name such as United States"),
        Column("company_state", Type.STRING, "State or region"),
        Column("company_city", Type.STRING, "City"),
        Column("company_industry", Type.STRING, "Industry"),
        Column("company_employees", Type.STRING, "Number or range of employees as received"),
        Column(
            "signal_type",
            Type.STRING,
            "profile, category, comparison, pricing, alternatives, …",
            required=True,
        ),
        Column("provider", Type.STRING, "g2 or capterra"),
        Column("compared_product_id", Type.STRING, "The product looked at or compared with that is not ours"),
        Column("compared_product_name", Type.STRING, "Its name"),
        Column("total_activity", Type.INT, "Number of signals", required=True),
        Column("visitor_count", Type.INT, "Visitors of the company; not additive"),
        Column("last_seen_at", Type.TIMESTAMP, "Newest signal", unit="UTC"),
    ),
    key=("intent_key",),
    cluster=("company_domain", "signal_type"),
    keep_raw=True,
)

TABLES = (BUYER_INTENT,)
