"""Raw tables of Stripe. Objects change, so all are upserted; money is in the currency's minor units.

Nothing here is a revenue metric: MRR is modelled downstream from lines (service periods), prices and the
subscriptions' end.
"""

from dreamclass_intel.contracts import Column, Table, Type, Write

MINOR = "minor units of currency"
PRICE_UNIT = "minor units of currency for one unit and interval"


def _string(name: str, description: str, **more: object) -> Column:
    return Column(name, Type.STRING, description, **more)  # type: ignore[arg-type]


def _at(name: str, description: str, required: bool = False) -> Column:
    return Column(name, Type.TIMESTAMP, description, required=required, unit="UTC")


def _minor(name: str, description: str) -> Column:
    return Column(name, Type.INT, description, unit=MINOR)


LIVEMODE = Column(
    "livemode", Type.BOOL, "True in live mode; a table never holds both (the load refuses)", required=True
)
METADATA = Column("metadata", Type.JSON, "Metadata that DreamClass set, e-mail addresses removed")
CURRENCY = _string("currency", "ISO 4217, lower case as Stripe writes it")

CUSTOMERS = Table(
    schema="raw",
    name="stripe_customers",
    description="Customers (schools), newest known state of each.",
    columns=(
        _string("customer_id", "Id of the customer", required=True),
        _string("account_id", "Product account (metadata.account_id)"),
        _string("name", "Name of the school as billed; the name of a person is never read"),
        _string("email_hash", "Keyed hash of the billing e-mail", pii="HMAC-SHA256"),
        _string("email_domain", "Domain of the billing e-mail", pii="domain only"),
        _string("phone", "The school's billing phone"),
        _string("country", "ISO 3166-1 alpha-2 of the billing address"),
        _string("region", "State or region of the billing address"),
        _string("city", "City of the billing address"),
        _string("postcode", "Postcode of the billing address"),
        CURRENCY,
        _minor("balance_minor", "Balance applied to the next invoice; negative = credit"),
        Column("delinquent", Type.BOOL, "Newest charge failed or an invoice is past due"),
        _at("created_at", "When it was created; null if known only by its deletion"),
        METADATA,
        LIVEMODE,
    ),
    key=("customer_id",),
    write=Write.UPSERT,
    keep_raw=True,
    deletes=True,
)

PRODUCTS = Table(
    schema="raw",
    name="stripe_products",
    description="Products (plans as sold), active or not.",
    columns=(
        _string("product_id", "Id of the product", required=True),
        _string("name", "Name shown on invoices"),
        Column("active", Type.BOOL, "Whether it can be bought"),
        _string("unit_label", "What one unit is"),
        _at("created_at", "When it was created"),
        _at("updated_at", "When it last changed"),
        METADATA,
        LIVEMODE,
    ),
    key=("product_id",),
    write=Write.UPSERT,
    keep_raw=True,
    deletes=True,
)

PRICING = (
    Column("unit_amount_minor", Type.INT, "Whole unit price; null if fractional or tiered", unit=PRICE_UNIT),
    Column("unit_amount_decimal", Type.DECIMAL, "Unit price, to 9 places; null if tiered", unit=PRICE_UNIT),
    _string("billing_scheme", "per_unit or tiered"),
    _string("tiers_mode", "graduated or volume"),
    _string("interval", "day, week, month or year; null = one-time"),
    Column("interval_count", Type.INT, "Intervals in one billing cycle"),
    _string("usage_type", "licensed or metered (metered is no MRR)"),
    Column("transform_divide_by", Type.INT, "Quantity is divided by this before pricing"),
    _string("transform_round", "How the divided quantity is rounded: up or down"),
)

PRICES = Table(
    schema="raw",
    name="stripe_prices",
    description="Prices, active or not. Prices made inline never list here: an item then carries its own.",
    columns=(
        _string("price_id", "Id of the price", required=True),
        _string("product_id", "Product it sells"),
        Column("active", Type.BOOL, "Whether it can be bought"),
        _string("price_type", "recurring or one_time"),
        CURRENCY,
        *PRICING,
        Column("tiers", Type.JSON, "Tiers of a tiered price"),
        _string("lookup_key", "Stable name DreamClass gave it"),
        _string("nickname", "Internal name"),
        _string("tax_behavior", "exclusive, inclusive or unspecified"),
        _at("created_at", "When it was created"),
        METADATA,
        LIVEMODE,
    ),
    key=("price_id",),
    write=Write.UPSERT,
    keep_raw=True,
    deletes=True,
)

SUBSCRIPTIONS = Table(
    schema="raw",
    name="stripe_subscriptions",
    description="Subscriptions, newest known state of each; earlier states follow from invoice lines.",
    columns=(
        _string("subscription_id", "Id of the subscription", required=True),
        _string("customer_id", "Customer", required=True),
        _string("account_id", "Product account (metadata.account_id)"),
        _string(
            "status",
            "active, past_due, trialing, canceled, unpaid, paused, incomplete or incomplete_expired",
            required=True,
        ),
        CURRENCY,
        _string("collection_method", "charge_automatically or send_invoice"),
        _at("created_at", "When it was created", required=True),
        _at("start_at", "When it started; may lie before created_at if back-dated"),
        _at("billing_cycle_anchor_at", "Reference of its billing cycle"),
        _at("current_period_start_at", "Earliest start of its items' current periods"),
        _at("current_period_end_at", "Latest end of its items' current periods"),
        _at("trial_start_at", "Start of its trial"),
        _at("trial_end_at", "End of its trial"),
        _at("cancel_at", "When a scheduled cancellation takes effect"),
        Column("cancel_at_period_end", Type.BOOL, "Cancels when the current period ends"),
        _at("canceled_at", "When the cancellation was asked for"),
        _at("ended_at", "When it ended: the moment its MRR is gone"),
        _string("cancellation_reason", "cancellation_requested, payment_failed or payment_disputed"),
        _string("cancellation_feedback", "Reason the customer chose"),
        _at("paused_at", "When it became paused, while its status is paused"),
        _string("pause_behavior", "Collection is paused: keep_as_draft, mark_uncollectible or void"),
        _at("pause_resumes_at", "When collection resumes"),
        Column("item_count", Type.INT, "Items it has now", required=True),
        Column("item_ids", Type.JSON, "Ids of the items it has now; other rows of stripe_subscription_items are past"),
        Column("discount_ids", Type.JSON, "Ids of its discounts"),
        _string("schedule_id", "Subscription schedule"),
        _string("latest_invoice_id", "Newest invoice"),
        METADATA,
        LIVEMODE,
    ),
    key=("subscription_id",),
    cluster=("customer_id",),
    write=Write.UPSERT,
    keep_raw=True,
    deletes=True,
)

SUBSCRIPTION_ITEMS = Table(
    schema="raw",
    name="stripe_subscription_items",
    description="Items of subscriptions with what MRR needs; partition of the parent.",
    columns=(
        _string("item_id", "Id of the item", required=True),
        _string("subscription_id", "Subscription", required=True),
        _string("subscription_status", "Status of the subscription"),
        _string("account_id", "Product account (the subscription's metadata.account_id)"),
        _string("price_id", "Price it has now"),
        _string("product_id", "Product of that price"),
        CURRENCY,
        Column("quantity", Type.INT, "Units; null when metered"),
        *PRICING,
        _at("current_period_start_at", "Start of its current period"),
        _at("current_period_end_at", "End of its current period"),
        _at("trial_start_at", "Start of its trial, else of the subscription's"),
        _at("trial_end_at", "End of its trial, else of the subscription's"),
        _at("start_at", "Start of the subscription"),
        _at("canceled_at", "When the subscription's cancellation was asked for"),
        _at("ended_at", "When the subscription ended"),
        Column("discount_ids", Type.JSON, "Ids of the item's discounts"),
        _at("created_at", "When the item was created"),
        METADATA,
        LIVEMODE,
    ),
    key=("item_id",),
    cluster=("subscription_id",),
    write=Write.UPSERT,
    keep_raw=True,
    deletes=True,
)

INVOICES = Table(
    schema="raw",
    name="stripe_invoices",
    description="Invoices, newest known state of each.",
    columns=(
        _string("invoice_id", "Id of the invoice", required=True),
        _string("number", "Number shown to the customer; null while a draft"),
        _string("customer_id", "Customer"),
        _string("subscription_id", "Subscription it bills, from any API version's shape"),
        _string("parent_type", "subscription_details or quote_details; null = neither"),
        _string("status", "draft, open, paid, uncollectible or void; null only of a deleted draft"),
        _string("billing_reason", "subscription_create, subscription_cycle, subscription_update, manual ..."),
        _string("collection_method", "charge_automatically or send_invoice"),
        CURRENCY,
        _minor("subtotal_minor", "Sum of lines before invoice discounts and exclusive tax"),
        _minor("discount_minor", "Sum of discounts"),
        _minor("tax_minor", "Sum of taxes"),
        _minor("total_minor", "Total; negative when a credit outweighs"),
        _minor("total_excluding_tax_minor", "Total without tax"),
        _minor("amount_due_minor", "Due after the customer's balance; never negative"),
        _minor("amount_paid_minor", "Paid"),
        _minor("amount_remaining_minor", "Still to be paid"),
        _minor("starting_balance_minor", "Customer's balance before it; negative = credit"),
        _minor("ending_balance_minor", "Customer's balance after it; null until finalised"),
        Column("attempt_count", Type.INT, "Payment attempts"),
        _at("created_at", "When it was created"),
        _at("due_at", "When it is due (send_invoice only)"),
        _at("next_payment_attempt_at", "Next automatic attempt"),
        _at("finalized_at", "When it left draft"),
        _at("paid_at", "When it was paid"),
        _at("voided_at", "When it was voided"),
        _at("marked_uncollectible_at", "When it was given up"),
        Column("lines_truncated", Type.BOOL, "Whether the embedded list of lines was not whole"),
        METADATA,
        LIVEMODE,
    ),
    key=("invoice_id",),
    cluster=("customer_id",),
    write=Write.UPSERT,
    keep_raw=True,
    deletes=True,
)

INVOICE_LINES = Table(
    schema="raw",
    name="stripe_invoice_lines",
    description="Lines of invoices with their service periods, the history MRR is rebuilt from; partition of "
    "the parent.",
    columns=(
        _string("invoice_id", "Invoice", required=True),
        _string("line_id", "Id of the line", required=True),
        _string("invoice_status", "Status of the invoice"),
        _string("billing_reason", "Why the invoice was made"),
        _at("invoice_created_at", "When the invoice was created"),
        _string("customer_id", "Customer"),
        _string("subscription_id", "Subscription"),
        _string("subscription_item_id", "Item of the subscription"),
        _string("invoice_item_id", "Invoice item it comes from"),
        _string("parent_type", "subscription_item_details or invoice_item_details"),
        _string("price_id", "Price"),
        _string("product_id", "Product"),
        CURRENCY,
        Column("quantity", Type.INT, "Units; of a proration line: the units it was computed for"),
        Column(
            "unit_amount_decimal",
            Type.DECIMAL,
            "Amount of one unit on THIS line: prorated on proration lines, so MRR takes the price's instead",
            unit=MINOR,
        ),
        _minor("amount_minor", "Amount before discounts and exclusive tax; negative = credit"),
        _minor("discount_minor", "Sum of the line's discounts"),
        _minor("tax_minor", "Sum of the line's taxes"),
        Column("proration", Type.BOOL, "Part of a period: an unused rest (negative) or a remaining rest"),
        _at("period_start_at", "Start of the service period"),
        _at("period_end_at", "End of the service period"),
        _string("description", "Text of the line, e-mail addresses removed"),
        METADATA,
        LIVEMODE,
    ),
    key=("invoice_id", "line_id"),
    cluster=("subscription_id",),
    write=Write.UPSERT,
    keep_raw=True,
    deletes=True,
)

EVENTS = Table(
    schema="raw",
    name="stripe_events",
    description="Change notices by UTC day created. Stripe forgets them after 30 days, so they are upserted: "
    "loading an older day again finds none and must not erase what was kept.",
    columns=(
        _string("event_id", "Id of the event", required=True),
        _string("event_type", "What happened, e.g. invoice.paid", required=True),
        _at("created_at", "When it happened", required=True),
        _string("api_version", "API version the payload is written in"),
        _string("object_type", "Kind of object"),
        _string("object_id", "Id of the object; null for invoice.upcoming"),
        _string("customer_id", "Customer it is about"),
        _string("subscription_id", "Subscription it is about"),
        _string("request_id", "API request that caused it; null if automatic"),
        Column("previous_attributes", Type.JSON, "What changed, with the values before"),
        LIVEMODE,
    ),
    key=("event_id",),
    cluster=("event_type",),
    write=Write.UPSERT,
    keep_raw=True,
)

TABLES = (
    CUSTOMERS,
    PRODUCTS,
    PRICES,
    SUBSCRIPTIONS,
    SUBSCRIPTION_ITEMS,
    INVOICES,
    INVOICE_LINES,
    EVENTS,
)
