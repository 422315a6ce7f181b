{# Changes of a subscription that no invoice line shows, above all decreases that take effect without credit.
   Two witnesses: Stripe's own change notices (forgotten after 30 days unless loaded in time), and ChartMogul's
   contractions, which only say when and to which price; the amount always is quantity x Stripe's price. #}
with changes as (

    select
        event_id,
        subscription_id,
        created_at,
        payload
    from {{ ref('stg_stripe__events') }}
    where event_type = 'customer.subscription.updated'
        and {{ json_text('payload', 'data.object.status') }} in ('active', 'past_due')
        -- The event holds the first items only: a sum over part of them is no MRR.
        and {{ json_text('payload', 'data.object.items.has_more') }} = 'false'
        and (
            {{ json_has('previous_attributes', 'items') }}
            or {{ json_has('previous_attributes', 'quantity') }}
            or {{ json_has('previous_attributes', 'plan') }}
        )

),

changed_items as (

    select
        changes.event_id,
        changes.subscription_id,
        changes.created_at,
        {{ json_text('item', 'price.id') }} as price_id,
        cast({{ json_text('item', 'quantity') }} as int64) as quantity
    from changes
    {{ cross_join_json_list('changes.payload', 'data.object.items.data', 'item') }}

),

changed_mrr as (

    select
        changed_items.event_id,
        changed_items.subscription_id,
        changed_items.created_at,
        prices.currency,
        case when prices.usage_type = 'metered' then 0 else
            {{ monthly_amount(
                billed_units('changed_items.quantity', 'prices.transform_divide_by', 'prices.transform_round'),
                'prices.unit_amount_decimal', 'prices.interval_unit', 'prices.interval_count') }}
        end as mrr_minor
    from changed_items
    left join {{ ref('stg_stripe__prices') }} as prices on changed_items.price_id = prices.price_id

),

from_stripe as (

    select
        subscription_id,
        created_at as valid_from,
        sum(mrr_minor) as mrr_minor,
        max(currency) as currency,
        'change notice' as evidence
    from changed_mrr
    group by event_id, subscription_id, created_at
    -- An item whose price is unknown or tiered leaves the sum unknown.
    having count(*) = count(mrr_minor)

),

contractions as (

    select
        activities.activity_uuid,
        activities.subscription_external_id as subscription_id,
        activities.activity_at,
        prices.currency,
        prices.unit_amount_decimal,
        prices.interval_unit,
        prices.interval_count,
        -- The customer's MRR in units of the price: MRR in USD over one unit's monthly price in USD.
        {{ safe_div(
            'activities.mrr_minor * activity_currency.usd_rate / power(10, activity_currency.exponent)',
            monthly_amount('1', 'prices.unit_amount_decimal', 'prices.interval_unit', 'prices.interval_count')
            ~ ' * price_currency.usd_rate / power(10, price_currency.exponent)'
        ) }} as units
    from {{ ref('stg_chartmogul__activities') }} as activities
    inner join {{ ref('stg_stripe__prices') }} as prices on activities.plan_external_id = prices.price_id
    inner join {{ ref('currencies') }} as activity_currency on activities.currency = activity_currency.currency
    inner join {{ ref('currencies') }} as price_currency on prices.currency = price_currency.currency
    where activities.movement_type = 'contraction'
        and prices.transform_divide_by is null

),

-- ChartMogul's figure is the customer's: it is a subscription's only while the customer has no other.
alone as (

    select contractions.*
    from contractions
    inner join {{ ref('stg_stripe__subscriptions') }} as own
        on contractions.subscription_id = own.subscription_id
    left join {{ ref('stg_stripe__subscriptions') }} as others
        on own.customer_id = others.customer_id
        and own.subscription_id <> others.subscription_id
        and others.created_at <= contractions.activity_at
        and coalesce(others.ended_at, others.canceled_at, contractions.activity_at) >= contractions.activity_at
    where others.subscription_id is null

),

from_chartmogul as (

    select
        subscription_id,
        activity_at as valid_from,
        {{ monthly_amount('cast(round(units) as int64)', 'unit_amount_decimal', 'interval_unit', 'interval_count') }}
            as mrr_minor,
        currency,
        'chartmogul' as evidence
    from alone
    -- Discounts or another exchange rate leave no whole number of units: then the next invoice tells.
    where abs(units - round(units)) < 0.01 and round(units) >= 1

)

select * from from_stripe
union all
select * from from_chartmogul
