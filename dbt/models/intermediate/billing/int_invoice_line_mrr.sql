{# What each invoice line says about recurring revenue: from the start of its service period on, the item is worth
   quantity x price a month. Credits (negative lines) say what ended, not what holds, and are left out. #}
with lines as (

    select
        lines.*,
        coalesce(invoices.status, lines.invoice_status) as status,
        coalesce(lines.subscription_item_id, lines.price_id, lines.line_id) as item_key
    from {{ ref('stg_stripe__invoice_lines') }} as lines
    left join {{ ref('stg_stripe__invoices') }} as invoices on lines.invoice_id = invoices.invoice_id
    where lines.subscription_id is not null
        and lines.period_start_at is not null
        and lines.amount_minor >= 0
        and not lines.is_deleted
        and not coalesce(invoices.is_deleted, false)

),

-- Prices made inline are not listed; the item that has one carries it.
pricing as (

    select
        price_id, currency, interval_unit, interval_count, usage_type, unit_amount_decimal,
        transform_divide_by, transform_round
    from (
        select
            *,
            row_number() over (partition by price_id order by preference, created_at desc) as choice
        from (
            select
                price_id, currency, interval_unit, interval_count, usage_type, unit_amount_decimal,
                transform_divide_by, transform_round, created_at, 1 as preference
            from {{ ref('stg_stripe__prices') }}
            union all
            select
                price_id, currency, interval_unit, interval_count, usage_type, unit_amount_decimal,
                transform_divide_by, transform_round, created_at, 2 as preference
            from {{ ref('stg_stripe__subscription_items') }}
            where price_id is not null
        ) as listed
    ) as ranked
    where choice = 1

),

priced as (

    select
        lines.subscription_id,
        lines.item_key,
        lines.invoice_id,
        lines.line_id,
        lines.invoice_created_at,
        lines.billing_reason,
        lines.status,
        lines.proration,
        lines.amount_minor,
        lines.currency,
        lines.period_start_at as valid_from,
        lines.period_end_at as period_end_at,
        pricing.price_id is null as is_price_unknown,
        pricing.interval_unit,
        {{ monthly_amount(
            billed_units('lines.quantity', 'pricing.transform_divide_by', 'pricing.transform_round'),
            'pricing.unit_amount_decimal', 'pricing.interval_unit', 'pricing.interval_count') }} as price_mrr_minor,
        -- A tiered price has no unit amount; a whole period's line then is the price.
        {{ monthly_amount(
            'lines.amount_minor', '1', 'pricing.interval_unit', 'pricing.interval_count') }} as amount_mrr_minor
    from lines
    left join pricing on lines.price_id = pricing.price_id
    where coalesce(pricing.usage_type, 'licensed') = 'licensed'

),

valued as (

    select
        *,
        coalesce(price_mrr_minor, case when not proration then amount_mrr_minor end) as mrr_minor
    from priced

)

select
    subscription_id,
    item_key,
    invoice_id,
    line_id,
    invoice_created_at,
    valid_from,
    period_end_at,
    mrr_minor,
    currency
from valued
where mrr_minor is not null
    -- A whole period for nothing is a trial.
    and (amount_minor > 0 or proration or mrr_minor = 0)
    -- Drafts are not yet owed. A void renewal was owed until given up; a void start or change never took effect.
    and coalesce(status, 'draft') <> 'draft'
    and not (status = 'void' and coalesce(billing_reason, '') <> 'subscription_cycle')
