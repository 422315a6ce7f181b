{# A cohort is judged once its youngest trial has had its seven days. #}
with weeks as (

    select distinct week_start, week_end
    from {{ ref('int_calendar_days') }}

),

cohorts as (

    select
        {{ week_start('trial_start_date') }} as week_start,
        count(*) as trials_n,
        count(class_created_at) as class_created_n,
        count(students_reached_at) as students_reached_n,
        count(teacher_added_at) as teacher_added_n,
        count(activated_at) as activated_n
    from {{ ref('int_trials') }}
    group by 1

)

select
    weeks.week_start,
    weeks.week_end,
    coalesce(cohorts.trials_n, 0) as trials_n,
    coalesce(cohorts.class_created_n, 0) as class_created_n,
    coalesce(cohorts.students_reached_n, 0) as students_reached_n,
    coalesce(cohorts.teacher_added_n, 0) as teacher_added_n,
    coalesce(cohorts.activated_n, 0) as activated_n,
    {{ safe_div('cohorts.activated_n', 'cohorts.trials_n') }} as activation_rate,
    weeks.week_end <= {{ as_of_date() }} as is_complete,
    {{ add_days('weeks.week_end', var('activation_days')) }} <= {{ as_of_date() }} as is_mature
from weeks
left join cohorts on weeks.week_start = cohorts.week_start
