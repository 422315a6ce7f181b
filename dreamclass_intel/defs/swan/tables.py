"""Raw tables of the visitor feed: companies and their visits. What it says about persons is never stored."""

from dreamclass_intel.contracts import Column, Table, Type, Write

VISITS = Table(
    schema="raw",
    name="swan_visits",
    description="Web visits whose company was identified, one row a visit, partitioned by UTC date seen.",
    columns=(
        Column("visit_id", Type.STRING, "Feed's id of the visit", required=True),
        Column("visitor_id", Type.STRING, "Feed's id of the device"),
        Column("ga_client_id", Type.STRING, "GA4 client id, where the site passed it on"),
        Column("company_id", Type.STRING, "Feed's id of the company", required=True),
        Column("company_domain", Type.STRING, "Company's domain"),
        Column("company_name", Type.STRING, "Company's name as the feed writes it"),
        Column("seen_at", Type.TIMESTAMP, "Start of the visit", required=True, unit="UTC"),
        Column("page_url", Type.STRING, "Landing page"),
        Column("referrer", Type.STRING, "Referring URL"),
        Column("utm_source", Type.STRING, "Campaign source"),
        Column("utm_medium", Type.STRING, "Campaign medium"),
        Column("utm_campaign", Type.STRING, "Campaign"),
        Column("pageviews", Type.INT, "Pages viewed"),
        Column("duration_s", Type.FLOAT, "Length of the visit", unit="s"),
        Column("intent_signal", Type.STRING, "Strongest signal: pricing, demo, research, …"),
        Column("confidence", Type.FLOAT, "How sure the identification is", unit="0-1"),
        Column("provider", Type.STRING, "Who identified the company", required=True),
    ),
    key=("visit_id",),
    cluster=("company_domain",),
    keep_raw=True,
)

COMPANIES = Table(
    schema="raw",
    name="swan_companies",
    description="Identified companies, newest known state; a row's partition is the UTC day it last changed.",
    columns=(
        Column("company_id", Type.STRING, "Feed's id", required=True),
        Column("company_domain", Type.STRING, "Domain"),
        Column("company_name", Type.STRING, "Name as the feed writes it"),
        Column("website", Type.STRING, "Web site"),
        Column("industry", Type.STRING, "Industry"),
        Column("employee_count", Type.INT, "Employees, estimated"),
        Column("employee_range", Type.STRING, "Employees, range"),
        Column("revenue_range", Type.STRING, "Yearly revenue in USD, range"),
        Column("country", Type.STRING, "ISO 3166 alpha-2"),
        Column("region", Type.STRING, "State or region"),
        Column("city", Type.STRING, "City"),
        Column("tech_stack", Type.JSON, "Products found on the web site, array of names"),
        Column("first_seen_at", Type.TIMESTAMP, "First identified visit", required=True, unit="UTC"),
        Column("last_seen_at", Type.TIMESTAMP, "Newest identified visit", required=True, unit="UTC"),
        Column("visit_count", Type.INT, "Identified visits so far", required=True),
        Column("intent_score", Type.FLOAT, "Feed's intent score", unit="0-100"),
        Column("enriched_at", Type.TIMESTAMP, "When firmographics were filled; null until then", unit="UTC"),
        Column("updated_at", Type.TIMESTAMP, "Last change of the record", required=True, unit="UTC"),
    ),
    key=("company_id",),
    write=Write.UPSERT,
    cluster=("company_domain",),
    keep_raw=True,
)

TABLES = (VISITS, COMPANIES)
