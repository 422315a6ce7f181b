"""Raw tables of ChartMogul. Money is in minor units of the account's currency and may have fractions."""

from dreamclass_intel.contracts import Column, Table, Type, Write

CENTS = "minor units of currency"
CURRENCY = Column("currency", Type.STRING, "ISO 4217 code as ChartMogul writes it, e.g. USD", required=True)

ACTIVITIES = Table(
    schema="raw",
    name="chartmogul_activities",
    description="MRR movements, one row a movement, partitioned by the UTC date they take effect. ChartMogul "
    "restates the past (late invoices, merges, settings), so recent partitions are to be reloaded.",
    columns=(
        Column("activity_uuid", Type.STRING, "ChartMogul's id of the movement", required=True),
        Column("activity_at", Type.TIMESTAMP, "When it takes effect", required=True, unit="UTC"),
        Column("activity_at_raw", Type.STRING, "The date as received; one without offset was read as UTC"),
        Column(
            "movement_type",
            Type.STRING,
            "new_biz, expansion, contraction, churn or reactivation",
            required=True,
        ),
        Column("mrr_movement_minor", Type.DECIMAL, "Change of MRR, signed", required=True, unit=CENTS),
        Column("mrr_minor", Type.DECIMAL, "The customer's MRR after it", required=True, unit=CENTS),
        Column("arr_minor", Type.DECIMAL, "The customer's ARR after it", unit=CENTS),
        CURRENCY,
        Column("customer_uuid", Type.STRING, "ChartMogul customer", required=True),
        Column("customer_external_id", Type.STRING, "Customer id in the billing system (Stripe cus_…)"),
        Column("customer_name", Type.STRING, "Customer's name (a school)"),
        Column("subscription_external_id", Type.STRING, "Subscription id in the billing system"),
        Column("subscription_set_external_id", Type.STRING, "Subscription set in the billing system"),
        Column("plan_external_id", Type.STRING, "Plan (price) id in the billing system"),
        Column("billing_connector_uuid", Type.STRING, "Data source the movement comes from"),
        Column("description", Type.STRING, "ChartMogul's words for it"),
    ),
    key=("activity_uuid",),
    cluster=("movement_type", "customer_uuid"),
    keep_raw=True,
)

MRR_DAILY = Table(
    schema="raw",
    name="chartmogul_mrr_daily",
    description="ChartMogul's own MRR and its five components, one row a day of the account's time zone.",
    columns=(
        Column("metric_date", Type.DATE, "Day", required=True),
        Column("mrr_minor", Type.DECIMAL, "MRR at the end of the day", required=True, unit=CENTS),
        Column("new_business_minor", Type.DECIMAL, "MRR from new customers", required=True, unit=CENTS),
        Column("expansion_minor", Type.DECIMAL, "MRR from expansions", required=True, unit=CENTS),
        Column("contraction_minor", Type.DECIMAL, "MRR lost to contractions, <= 0", required=True, unit=CENTS),
        Column("churn_minor", Type.DECIMAL, "MRR lost to churn, <= 0", required=True, unit=CENTS),
        Column("reactivation_minor", Type.DECIMAL, "MRR from returning customers", required=True, unit=CENTS),
        CURRENCY,
    ),
    key=("metric_date",),
    keep_raw=True,
)

CUSTOMERS = Table(
    schema="raw",
    name="chartmogul_customers",
    description="All customers and leads as they stood when observed, one row a customer and day.",
    columns=(
        Column("customer_uuid", Type.STRING, "ChartMogul's id", required=True),
        Column("customer_id", Type.INT, "ChartMogul's number"),
        Column("external_id", Type.STRING, "Id in the billing system (Stripe cus_…)"),
        Column("external_ids", Type.JSON, "All external ids of a merged customer"),
        Column("data_source_uuid", Type.STRING, "Data source"),
        Column("billing_system_type", Type.STRING, "Billing system, e.g. Stripe"),
        Column("name", Type.STRING, "Name (a school)"),
        Column("company", Type.STRING, "Company"),
        Column("status", Type.STRING, "New_Lead, Active, Past_Due, Cancelled, …", required=True),
        Column("customer_since_at", Type.TIMESTAMP, "First paid from", unit="UTC"),
        Column("lead_created_at", Type.TIMESTAMP, "Became a lead", unit="UTC"),
        Column("free_trial_started_at", Type.TIMESTAMP, "Started a free trial", unit="UTC"),
        Column("mrr_minor", Type.DECIMAL, "MRR now", unit=CENTS),
        Column("arr_minor", Type.DECIMAL, "ARR now", unit=CENTS),
        Column("currency", Type.STRING, "ISO 4217 code as ChartMogul writes it"),
        Column("city", Type.STRING, "City"),
        Column("state", Type.STRING, "State or region"),
        Column("country", Type.STRING, "ISO 3166 alpha-2"),
        Column("zip", Type.STRING, "Postal code"),
        Column("website_url", Type.STRING, "Web site"),
        Column("email_hash", Type.STRING, "Billing e-mail", pii="HMAC-SHA256"),
        Column("email_domain", Type.STRING, "Domain of the billing e-mail"),
        Column("tags", Type.JSON, "Tags"),
    ),
    key=("customer_uuid",),
    write=Write.SNAPSHOT,
    keep_raw=True,
)

SUBSCRIPTIONS = Table(
    schema="raw",
    name="chartmogul_subscriptions",
    description="All subscriptions as they stood when observed, one row a subscription and day.",
    columns=(
        Column("subscription_uuid", Type.STRING, "ChartMogul's id", required=True),
        Column("customer_uuid", Type.STRING, "ChartMogul customer", required=True),
        Column("external_id", Type.STRING, "Id in the billing system (Stripe sub_…)"),
        Column("subscription_set_external_id", Type.STRING, "Subscription set in the billing system"),
        Column("plan", Type.STRING, "Plan's name"),
        Column("quantity", Type.INT, "Units"),
        Column("mrr_minor", Type.DECIMAL, "MRR now; 0 once inactive", unit=CENTS),
        Column("arr_minor", Type.DECIMAL, "ARR now", unit=CENTS),
        Column("status", Type.STRING, "active or inactive", required=True),
        Column("billing_cycle", Type.STRING, "day, month or year"),
        Column("billing_cycle_count", Type.INT, "Billing cycles a bill covers"),
        Column("start_at", Type.TIMESTAMP, "First paid from", unit="UTC"),
        Column("end_at", Type.TIMESTAMP, "End of the last paid service period or of the contract", unit="UTC"),
        Column("currency", Type.STRING, "ISO 4217 code as ChartMogul writes it"),
    ),
    key=("subscription_uuid",),
    write=Write.SNAPSHOT,
    keep_raw=True,
)

PLANS = Table(
    schema="raw",
    name="chartmogul_plans",
    description="All plans as they stood when observed, one row a plan and day.",
    columns=(
        Column("plan_uuid", Type.STRING, "ChartMogul's id", required=True),
        Column("external_id", Type.STRING, "Id in the billing system (Stripe price_…)"),
        Column("data_source_uuid", Type.STRING, "Data source"),
        Column("name", Type.STRING, "Name"),
        Column("interval_unit", Type.STRING, "day, month or year"),
        Column("interval_count", Type.INT, "Units an interval has"),
    ),
    key=("plan_uuid",),
    write=Write.SNAPSHOT,
    keep_raw=True,
)

TABLES = (ACTIVITIES, MRR_DAILY, CUSTOMERS, SUBSCRIPTIONS, PLANS)
