{# What a subscription is worth a month, from when: one row a change, the last one 0 if it ended. #}
with subscriptions as (

    select
        subscription_id,
        customer_id,
        account_id,
        case
            when status = 'unpaid' then coalesce(ended_at, current_period_start_at)  -- given up on
            when status = 'canceled' or is_deleted then coalesce(ended_at, canceled_at)
            else ended_at
        end as ended_at
    from {{ ref('stg_stripe__subscriptions') }}
    where status not in ('incomplete', 'incomplete_expired', 'paused')

),

-- Two lines for one item from one moment on: the later invoice corrects the earlier.
lines as (

    select subscription_id, item_key, valid_from, period_end_at, mrr_minor, currency
    from (
        select
            *,
            row_number() over (
                partition by subscription_id, item_key, valid_from
                order by invoice_created_at desc, invoice_id desc, line_id desc
            ) as recency
        from {{ ref('int_invoice_line_mrr') }}
    ) as ranked
    where recency = 1

),

-- An item that is billed no more while its subscription is has been removed: it ends with its last period.
removed as (

    select
        items.subscription_id,
        items.item_key,
        items.period_end_at as valid_from,
        items.period_end_at,
        cast(0 as {{ type_decimal() }}) as mrr_minor,
        items.currency
    from (
        select subscription_id, item_key, max(period_end_at) as period_end_at, max(currency) as currency
        from lines
        group by subscription_id, item_key
    ) as items
    inner join (
        select subscription_id, max(period_end_at) as period_end_at
        from lines
        group by subscription_id
    ) as newest on items.subscription_id = newest.subscription_id
    where items.period_end_at < newest.period_end_at

),

item_steps as (

    select
        subscription_id,
        valid_from,
        currency,
        mrr_minor - coalesce(
            lag(mrr_minor) over (partition by subscription_id, item_key order by valid_from), 0
        ) as step_minor
    from (select * from lines union all select * from removed) as items

),

steps as (

    select
        subscription_id,
        valid_from,
        max(currency) as currency,
        sum(step_minor) as step_minor
    from item_steps
    group by subscription_id, valid_from

),

billed as (

    select
        subscription_id,
        valid_from,
        sum(step_minor) over (
            partition by subscription_id order by valid_from rows between unbounded preceding and current row
        ) as mrr_minor,
        currency,
        'invoice line' as evidence,
        1 as preference
    from steps

),

-- A notice stands where no line says what held from that hour on, and only after the first line.
noticed as (

    select
        notices.subscription_id,
        notices.valid_from,
        notices.mrr_minor,
        notices.currency,
        notices.evidence,
        case notices.evidence when 'change notice' then 2 else 3 end as preference
    from {{ ref('int_subscription_notices') }} as notices
    inner join (
        select subscription_id, min(valid_from) as first_billed_at
        from billed
        group by subscription_id
    ) as firsts on notices.subscription_id = firsts.subscription_id
    left join billed
        on notices.subscription_id = billed.subscription_id
        and billed.valid_from between
            {{ timestamp_add('notices.valid_from', -1, 'hour') }} and {{ timestamp_add('notices.valid_from', 1, 'hour') }}
    where notices.valid_from > firsts.first_billed_at
        and billed.subscription_id is null

),

points as (

    select
        states.subscription_id,
        states.valid_from,
        states.mrr_minor,
        states.currency,
        states.evidence,
        states.preference
    from (select * from billed union all select * from noticed) as states
    inner join subscriptions on states.subscription_id = subscriptions.subscription_id
    where states.valid_from < coalesce(subscriptions.ended_at, {{ as_of_end() }})

    union all

    select
        subscriptions.subscription_id,
        subscriptions.ended_at as valid_from,
        cast(0 as {{ type_decimal() }}) as mrr_minor,
        ends.currency,
        'end' as evidence,
        0 as preference
    from subscriptions
    inner join (
        select subscription_id, max(currency) as currency
        from billed
        group by subscription_id
    ) as ends on subscriptions.subscription_id = ends.subscription_id
    where subscriptions.ended_at is not null

),

one_a_moment as (

    select
        *,
        row_number() over (partition by subscription_id, valid_from order by preference) as choice
    from points
    where valid_from < {{ as_of_end() }}

),

compared as (

    select
        *,
        lag(mrr_minor) over (partition by subscription_id order by valid_from) as previous_mrr_minor
    from one_a_moment
    where choice = 1

)

select
    compared.subscription_id,
    subscriptions.customer_id,
    subscriptions.account_id,
    compared.valid_from,
    cast(compared.mrr_minor as {{ type_decimal() }}) as mrr_minor,
    compared.currency,
    compared.evidence
from compared
inner join subscriptions on compared.subscription_id = subscriptions.subscription_id
where compared.mrr_minor <> coalesce(compared.previous_mrr_minor, 0)
