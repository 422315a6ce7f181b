{# One row a product trial: its start and the three steps of activation. Test traffic never counts; support
   staff acting as the user neither. #}
{% set days = var('activation_days') %}
with events as (

    select *
    from {{ ref('stg_backend__events') }}
    where not is_test and not is_impersonation

),

trials as (

    select
        account_id,
        min(case when event_name = 'account_created' then occurred_at end) as account_created_at,
        min(case when event_name = 'trial_started' then occurred_at end) as trial_started_at,
        min(ga_client_id) as ga_client_id
    from events
    group by account_id
    having min(case when event_name = 'trial_started' then occurred_at end) is not null

),

steps as (

    select
        trials.account_id,
        events.event_name,
        events.occurred_at,
        -- A bulk import is one event that stands for many students.
        sum(case when events.event_name = 'student_added' then coalesce(events.item_count, 1) else 0 end) over (
            partition by trials.account_id
            order by events.occurred_at, events.event_id
            rows between unbounded preceding and current row
        ) as students_so_far
    from trials
    inner join events on trials.account_id = events.account_id
    where events.event_name in ('class_created', 'student_added', 'teacher_added')
        and events.occurred_at >= trials.trial_started_at
        and events.occurred_at < {{ timestamp_add('trials.trial_started_at', days, 'day') }}

),

reached as (

    select
        account_id,
        min(case when event_name = 'class_created' then occurred_at end) as class_created_at,
        min(case when students_so_far >= {{ var('activation_students') }} then occurred_at end)
            as students_reached_at,
        min(case when event_name = 'teacher_added' then occurred_at end) as teacher_added_at,
        cast(max(students_so_far) as int64) as students_n
    from steps
    group by account_id

)

select
    trials.account_id,
    trials.ga_client_id,
    trials.account_created_at,
    trials.trial_started_at,
    {{ utc_date('trials.trial_started_at') }} as trial_start_date,
    {{ timestamp_add('trials.trial_started_at', days, 'day') }} as activation_closes_at,
    reached.class_created_at,
    reached.students_reached_at,
    reached.teacher_added_at,
    coalesce(reached.students_n, 0) as students_n,
    case
        when reached.class_created_at is not null
            and reached.students_reached_at is not null
            and reached.teacher_added_at is not null
            then greatest(reached.class_created_at, reached.students_reached_at, reached.teacher_added_at)
    end as activated_at
from trials
left join reached on trials.account_id = reached.account_id
