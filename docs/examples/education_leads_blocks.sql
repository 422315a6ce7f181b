-- Leads without dates as series for XmR charts: a point is a block of 200 leads in order of arrival.
-- The number of leads a block is 200 by construction and says nothing; in its place stand lead_number_span (how
-- many lead numbers were given out while 200 leads arrived: the pace) and the share of each larger source.
WITH ordered AS (
    SELECT *, (row_number() OVER (ORDER BY sequence_no) - 1) // 200 AS block
    FROM raw.crm_leads
    WHERE source = 'x_education' AND NOT _is_deleted
)

SELECT
    block,
    count(*) AS leads,
    min(sequence_no) AS first_lead_number,
    max(sequence_no) - min(sequence_no) + 1 AS lead_number_span,
    count(*) FILTER (WHERE is_converted) AS converted,
    count(*) FILTER (WHERE is_converted) / count(*) AS conversion_share,
    count(*) FILTER (WHERE lead_source = 'direct') / count(*) AS direct_share,
    count(*) FILTER (WHERE lead_source = 'google') / count(*) AS google_share,
    count(*) FILTER (WHERE lead_source = 'chat') / count(*) AS chat_share,
    count(*) FILTER (WHERE lead_source = 'organic_search') / count(*) AS organic_search_share
FROM ordered
GROUP BY block
HAVING count(*) = 200  -- the last, unfinished block is not judged
ORDER BY block
