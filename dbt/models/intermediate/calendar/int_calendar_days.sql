{# The closed days only: what every period of every mart is spined from. #}
select
    date_day,
    iso_week_start as week_start,
    {{ add_days('iso_week_start', 6) }} as week_end,
    month_start,
    {{ last_day_of_month('month_start') }} as month_end,
    quarter_start,
    scoring_window_start
from {{ source('core', 'dim_dates') }}
where date_day <= {{ as_of_date() }}
