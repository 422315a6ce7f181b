{# What a subscription is worth a month, from when: one row a change, the last one 0 if it ended. #}
with renewals as (

    select
        subscription_id,
        created_at,
        status,
        max(case when status = 'paid' then created_at end) over (partition by subscription_id) as last_paid_at
    from {{ ref('stg_stripe__invoices') }}
    where billing_reason = 'subscription_cycle'
        and not is_deleted

),

-- Periods go on while nobody pays, so the current one says nothing of when paying stopped.
first_unpaid as (

    select
        subscription_id,
        min(created_at) as unpaid_from
    from renewals
    where status in ('open', 'uncollectible')
        and (last_paid_at is null or created_at > last_paid_at)
    group by subscription_id

),

subscriptions as (

    select
        subscriptions.subscription_id,
        subscriptions.customer_id,
        subscriptions.account_id,
        case
            when subscriptions.status = 'unpaid' then coalesce(  -- given up on
                subscriptions.ended_at, first_unpaid.unpaid_from, subscriptions.current_period_start_at
            )
            when subscriptions.status = 'paused' then coalesce(  -- periods stand still
                subscriptions.ended_at, subscriptions.paused_at, subscriptions.current_period_end_at
            )
            when subscriptions.status = 'canceled' or subscriptions.is_deleted
                then coalesce(subscriptions.ended_at, subscriptions.canceled_at)
            else subscriptions.ended_at
        end as ended_at
    from {{ ref('stg_stripe__subscriptions') }} as subscriptions
    left join first_unpaid on subscriptions.subscription_id = first_unpaid.subscription_id
    where subscriptions.status not in ('incomplete', 'incomplete_expired')

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

-- A pause that is over is only in the events; the first line after it says what holds again.
pauses as (

    select
        subscription_id,
        created_at as valid_from
    from {{ ref('stg_stripe__events') }}
    where event_type = 'customer.subscription.paused'

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
        ends.subscription_id,
        ends.valid_from,
        cast(0 as {{ type_decimal() }}) as mrr_minor,
        billed_once.currency,
        ends.evidence,
        0 as preference
    from (
        select subscription_id, ended_at as valid_from, 'end' as evidence
        from subscriptions
        where ended_at is not null
        union all
        select pauses.subscription_id, pauses.valid_from, 'pause' as evidence
        from pauses
        inner join subscriptions on pauses.subscription_id = subscriptions.subscription_id
        where pauses.valid_from < coalesce(subscriptions.ended_at, {{ as_of_end() }})
    ) as ends
    inner join (
        select subscription_id, max(currency) as currency
        from billed
        group by subscription_id
    ) as billed_once on ends.subscription_id = billed_once.subscription_id

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
