select
    report_date,
    session_default_channel_group,
    sessions,
    engaged_sessions,
    total_users,
    new_users,
    event_count,
    key_events,
    is_other_row,
    subject_to_thresholding,
    data_loss_from_other_row,
    samples_read,
    sampling_space,
    time_zone,
    currency_code,
    _loaded_at as loaded_at
from {{ source('raw', 'ga4_report_daily') }}
