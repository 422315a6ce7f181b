"""Raw tables of the CRM, one shape for HubSpot's API and for CSV exports.

`source` tells where a row comes from (`hubspot`, or the name a CSV mapping gives) and is part of every key.
"""

from dreamclass_intel.contracts import Column, Table, Type, Write

SOURCE = Column("source", Type.STRING, "hubspot, or the `source` of the CSV mapping", required=True)
OWNER_ID = Column("owner_id", Type.STRING, "Salesperson (crm_owners); from CSV names a keyed hash", pii="name hashed")
EMAIL_HASH = Column("email_hash", Type.STRING, "Keyed hash of the e-mail address", pii="HMAC-SHA256")
EMAIL_DOMAIN = Column("email_domain", Type.STRING, "Domain of the e-mail address", pii="domain only")
CREATED_AT = Column("created_at", Type.TIMESTAMP, "When the record was created in the CRM", unit="UTC")
UPDATED_AT = Column(
    "updated_at", Type.TIMESTAMP, "When it last changed (deleted: when deleted); its date is the partition",
    unit="UTC",
)  # fmt: skip
MERGED = (
    Column("merged_ids", Type.JSON, "Ids of the records merged into this one, as a list"),
    Column("merged_into_id", Type.STRING, "Survivor, for a record that was merged away (then deleted)"),
)

COMPANIES = Table(
    schema="raw",
    name="crm_companies",
    description="Companies of the CRM, newest state, duplicates included; identity resolution joins them.",
    columns=(
        SOURCE,
        Column("company_id", Type.STRING, "Record id of the company", required=True),
        Column("name", Type.STRING, "Name as typed by sales"),
        Column("domain", Type.STRING, "Domain as typed (may have www. or upper case)"),
        Column("website", Type.STRING, "Web site as typed"),
        Column("phone", Type.STRING, "Phone of the company as typed"),
        Column("street", Type.STRING, "Street of the company"),
        Column("city", Type.STRING, "City as typed"),
        Column("region", Type.STRING, "State or region"),
        Column("postcode", Type.STRING, "Post code"),
        Column("country", Type.STRING, "Country as typed: a name or a code"),
        Column("industry", Type.STRING, "Industry or kind of school"),
        Column("employee_count", Type.INT, "Number of employees", unit="people"),
        Column("lifecycle_stage", Type.STRING, "subscriber, lead, opportunity, customer ..."),
        Column("stripe_customer_id", Type.STRING, "Billing customer, where sales linked it"),
        OWNER_ID,
        CREATED_AT,
        UPDATED_AT,
        *MERGED,
    ),
    key=("source", "company_id"),
    write=Write.UPSERT,
    version="updated_at",
    cluster=("company_id",),
    keep_raw=True,
    deletes=True,
)

CONTACTS = Table(
    schema="raw",
    name="crm_contacts",
    description="Contacts of the CRM, newest state; no name, phone or address of a person is kept.",
    columns=(
        SOURCE,
        Column("contact_id", Type.STRING, "Record id of the contact", required=True),
        EMAIL_HASH,
        EMAIL_DOMAIN,
        Column("company_id", Type.STRING, "Primary company"),
        Column("company_ids", Type.JSON, "All associated companies, as a list"),
        Column("lifecycle_stage", Type.STRING, "subscriber, lead, opportunity, customer ..."),
        Column("lead_status", Type.STRING, "Sales' own status, e.g. NEW, OPEN_DEAL, UNQUALIFIED"),
        Column("original_source", Type.STRING, "The CRM's own channel of the first visit"),
        Column("original_source_detail", Type.STRING, "The CRM's drill-down of that channel"),
        Column("utm_source", Type.STRING, "utm_source of the lead form"),
        Column("utm_medium", Type.STRING, "utm_medium of the lead form"),
        Column("utm_campaign", Type.STRING, "utm_campaign of the lead form"),
        OWNER_ID,
        Column("became_customer_at", Type.TIMESTAMP, "When it became a customer", unit="UTC"),
        CREATED_AT,
        UPDATED_AT,
        *MERGED,
    ),
    key=("source", "contact_id"),
    write=Write.UPSERT,
    version="updated_at",
    cluster=("contact_id",),
    keep_raw=True,
    deletes=True,
)

DEALS = Table(
    schema="raw",
    name="crm_deals",
    description="Deals, newest state. Stage changes are in crm_stage_history, labels in crm_pipelines.",
    columns=(
        SOURCE,
        Column("deal_id", Type.STRING, "Record id of the deal", required=True),
        Column("deal_name", Type.STRING, "Title of the deal"),
        Column("pipeline_id", Type.STRING, "Pipeline (CSV: its name)"),
        Column("stage_id", Type.STRING, "Current stage (CSV: its name)"),
        Column("amount", Type.DECIMAL, "Amount of the deal", unit="major units of currency"),
        Column("currency", Type.STRING, "ISO 4217, upper case"),
        Column("is_closed", Type.BOOL, "Won or lost"),
        Column("is_won", Type.BOOL, "Won"),
        Column("lost_reason", Type.STRING, "Why it was lost"),
        Column("won_reason", Type.STRING, "Why it was won"),
        Column("lead_source", Type.STRING, "Channel as the CRM has it on the deal"),
        Column("company_id", Type.STRING, "Primary company"),
        Column("company_name", Type.STRING, "Company by name, where an export has no id"),
        Column("company_ids", Type.JSON, "All associated companies, as a list"),
        Column("contact_ids", Type.JSON, "All associated contacts, as a list"),
        OWNER_ID,
        CREATED_AT,
        Column("closed_at", Type.TIMESTAMP, "When it was won or lost; null while open", unit="UTC"),
        Column("expected_close_at", Type.TIMESTAMP, "Close date planned, while open", unit="UTC"),
        UPDATED_AT,
        *MERGED,
    ),
    key=("source", "deal_id"),
    write=Write.UPSERT,
    version="updated_at",
    cluster=("deal_id",),
    keep_raw=True,
    deletes=True,
)

STAGE_HISTORY = Table(
    schema="raw",
    name="crm_stage_history",
    description="Every stage a deal entered, one row an entry, by date of the change. Accumulates: "
    "the CRM forgets old revisions, this table does not.",
    columns=(
        SOURCE,
        Column("deal_id", Type.STRING, "Deal", required=True),
        Column("changed_at", Type.TIMESTAMP, "When the stage was entered", required=True, unit="UTC"),
        Column("to_stage", Type.STRING, "Stage entered", required=True),
        Column("pipeline_id", Type.STRING, "Pipeline at that moment"),
        Column("time_precision", Type.STRING, "event, or import (seen by comparing exports)", required=True),
        Column("change_source", Type.STRING, "What made the change, e.g. CRM_UI, IMPORT, AUTOMATION"),
    ),
    key=("source", "deal_id", "changed_at", "to_stage"),
    write=Write.UPSERT,
    cluster=("deal_id",),
)

PIPELINES = Table(
    schema="raw",
    name="crm_pipelines",
    description="Deal pipelines and stages as observed that day; the CRM deletes stages for good, so old "
    "stage ids keep their names only here.",
    columns=(
        SOURCE,
        Column("pipeline_id", Type.STRING, "Pipeline", required=True),
        Column("stage_id", Type.STRING, "Stage", required=True),
        Column("pipeline_label", Type.STRING, "Name of the pipeline"),
        Column("pipeline_order", Type.INT, "Place among the pipelines"),
        Column("stage_label", Type.STRING, "Name of the stage"),
        Column("stage_order", Type.INT, "Place in the pipeline"),
        Column("probability", Type.FLOAT, "Chance of winning from here", unit="0-1"),
        Column("is_closed", Type.BOOL, "Deals here are decided"),
        Column("is_won", Type.BOOL, "Deals here are won"),
        Column("is_archived", Type.BOOL, "Stage or pipeline is archived"),
        CREATED_AT,
        Column("updated_at", Type.TIMESTAMP, "When the stage was last changed", unit="UTC"),
    ),
    key=("source", "pipeline_id", "stage_id"),
    write=Write.SNAPSHOT,
    keep_raw=True,
)

OWNERS = Table(
    schema="raw",
    name="crm_owners",
    description="Salespeople of the CRM as observed that day, without their names.",
    columns=(
        SOURCE,
        Column("owner_id", Type.STRING, "Owner, as on deals and contacts", required=True),
        Column("user_id", Type.STRING, "User behind the owner"),
        EMAIL_HASH,
        EMAIL_DOMAIN,
        Column("is_archived", Type.BOOL, "No longer an owner"),
        CREATED_AT,
        Column("updated_at", Type.TIMESTAMP, "When it was last changed", unit="UTC"),
    ),
    key=("source", "owner_id"),
    write=Write.SNAPSHOT,
)

LEADS = Table(
    schema="raw",
    name="crm_leads",
    description="Leads with source and outcome, newest state: HubSpot contacts in the lead lifecycle, or "
    "imported lists. A list without dates is ordered by sequence_no.",
    columns=(
        SOURCE,
        Column("lead_id", Type.STRING, "Record id of the lead (HubSpot: of the contact)", required=True),
        Column("sequence_no", Type.INT, "Order of arrival, where a list has no dates"),
        EMAIL_HASH,
        EMAIL_DOMAIN,
        Column("company_id", Type.STRING, "Company of the lead"),
        Column("company_name", Type.STRING, "Company by name, where a list has no id"),
        Column("lead_source", Type.STRING, "Where the lead came from (utm_source, else the CRM's channel)"),
        Column("medium", Type.STRING, "utm_medium"),
        Column("campaign", Type.STRING, "utm_campaign"),
        Column("lead_origin", Type.STRING, "How it was captured: form, API, by hand"),
        Column("country", Type.STRING, "Country as given"),
        Column("lead_status", Type.STRING, "Sales' own status"),
        Column("outcome", Type.STRING, "converted, lost or open; not_converted where a list says no more"),
        Column("is_converted", Type.BOOL, "Became a customer"),
        OWNER_ID,
        CREATED_AT,
        Column("converted_at", Type.TIMESTAMP, "When it became a customer", unit="UTC"),
        UPDATED_AT,
    ),
    key=("source", "lead_id"),
    write=Write.UPSERT,
    version="updated_at",
    cluster=("lead_id",),
    keep_raw=True,
    deletes=True,
)

TABLES = (COMPANIES, CONTACTS, DEALS, STAGE_HISTORY, PIPELINES, OWNERS, LEADS)
