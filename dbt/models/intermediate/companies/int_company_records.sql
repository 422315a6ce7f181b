{# Every record of any system that stands for a school: the input of identity resolution. One CTE a system. #}
with contacts as (

    select
        source,
        company_id,
        email_hash,
        email_domain,
        row_number() over (partition by source, company_id order by created_at nulls last, contact_id)
            as position_in_company,
        row_number() over (partition by email_hash order by created_at nulls last, contact_id) as position_of_email
    from {{ ref('stg_crm__contacts') }}
    where not is_deleted

),

crm as (

    select
        'crm' as source_system,
        {{ crm_record_id('companies.source', 'companies.company_id') }} as source_record_id,
        companies.name,
        companies.domain,
        companies.website,
        contacts.email_domain,
        contacts.email_hash,
        companies.country,
        companies.region,
        companies.city,
        companies.postcode,
        companies.street,
        companies.phone,
        companies.industry,
        companies.employee_count,
        cast(null as string) as employee_range,
        companies.created_at as observed_at,
        companies.updated_at,
        companies.stripe_customer_id,
        cast(null as string) as account_id,
        {{ crm_record_id('companies.source', 'coalesce(companies.merged_into_id, companies.company_id)') }}
            as crm_company_id,
        cast(null as string) as ga_account_id,
        companies.is_deleted
    from {{ ref('stg_crm__companies') }} as companies
    left join contacts
        on companies.source = contacts.source
        and companies.company_id = contacts.company_id
        and contacts.position_in_company = 1

),

stripe as (

    select
        'stripe' as source_system,
        customer_id as source_record_id,
        name,
        cast(null as string) as domain,
        cast(null as string) as website,
        email_domain,
        email_hash,
        country,
        region,
        city,
        postcode,
        cast(null as string) as street,
        phone,
        cast(null as string) as industry,
        cast(null as int64) as employee_count,
        cast(null as string) as employee_range,
        created_at as observed_at,
        created_at as updated_at,
        customer_id as stripe_customer_id,
        account_id,
        cast(null as string) as crm_company_id,
        cast(null as string) as ga_account_id,
        is_deleted
    from {{ ref('stg_stripe__customers') }}

),

chartmogul as (

    select
        'chartmogul' as source_system,
        customer_uuid as source_record_id,
        coalesce(company, name) as name,
        cast(null as string) as domain,
        website_url as website,
        email_domain,
        email_hash,
        country,
        state as region,
        city,
        zip as postcode,
        cast(null as string) as street,
        cast(null as string) as phone,
        cast(null as string) as industry,
        cast(null as int64) as employee_count,
        cast(null as string) as employee_range,
        coalesce(lead_created_at, customer_since_at, cast(observed_date as timestamp)) as observed_at,
        cast(observed_date as timestamp) as updated_at,
        external_id as stripe_customer_id,
        cast(null as string) as account_id,
        cast(null as string) as crm_company_id,
        cast(null as string) as ga_account_id,
        false as is_deleted
    from {{ ref('stg_chartmogul__customers') }}

),

accounts as (

    select
        account_id,
        min(occurred_at) as first_seen_at
    from {{ ref('stg_backend__events') }}
    where not is_test
    group by account_id

),

product as (

    select
        'product' as source_system,
        account_id as source_record_id,
        cast(null as string) as name,
        cast(null as string) as domain,
        cast(null as string) as website,
        cast(null as string) as email_domain,
        cast(null as string) as email_hash,
        cast(null as string) as country,
        cast(null as string) as region,
        cast(null as string) as city,
        cast(null as string) as postcode,
        cast(null as string) as street,
        cast(null as string) as phone,
        cast(null as string) as industry,
        cast(null as int64) as employee_count,
        cast(null as string) as employee_range,
        first_seen_at as observed_at,
        first_seen_at as updated_at,
        cast(null as string) as stripe_customer_id,
        account_id,
        cast(null as string) as crm_company_id,
        cast(null as string) as ga_account_id,
        false as is_deleted
    from accounts

),

-- A device that used exactly one product account, and the account.
devices as (

    select
        ga_client_id,
        min(account_id) as account_id
    from {{ ref('stg_backend__events') }}
    where ga_client_id is not null and not is_test and not is_impersonation
    group by ga_client_id
    having count(distinct account_id) = 1

),

swan_accounts as (

    select
        visits.company_id,
        min(devices.account_id) as account_id
    from {{ ref('stg_swan__visits') }} as visits
    inner join devices on visits.ga_client_id = devices.ga_client_id
    group by visits.company_id
    having count(distinct devices.account_id) = 1

),

swan as (

    select
        'swan' as source_system,
        companies.company_id as source_record_id,
        companies.company_name as name,
        companies.company_domain as domain,
        companies.website,
        cast(null as string) as email_domain,
        cast(null as string) as email_hash,
        companies.country,
        companies.region,
        companies.city,
        cast(null as string) as postcode,
        cast(null as string) as street,
        cast(null as string) as phone,
        companies.industry,
        companies.employee_count,
        companies.employee_range,
        companies.first_seen_at as observed_at,
        companies.updated_at,
        cast(null as string) as stripe_customer_id,
        cast(null as string) as account_id,
        cast(null as string) as crm_company_id,
        swan_accounts.account_id as ga_account_id,
        false as is_deleted
    from {{ ref('stg_swan__companies') }} as companies
    left join swan_accounts on companies.company_id = swan_accounts.company_id

),

g2_signals as (

    select
        *,
        min(intent_date) over (partition by company_id) as first_intent_date,
        row_number() over (partition by company_id order by intent_date desc, intent_key) as recency
    from {{ ref('stg_g2__buyer_intent') }}

),

g2 as (

    select
        'g2' as source_system,
        company_id as source_record_id,
        company_name as name,
        company_domain as domain,
        cast(null as string) as website,
        cast(null as string) as email_domain,
        cast(null as string) as email_hash,
        company_country as country,
        company_state as region,
        company_city as city,
        cast(null as string) as postcode,
        cast(null as string) as street,
        cast(null as string) as phone,
        company_industry as industry,
        cast(null as int64) as employee_count,
        company_employees as employee_range,
        cast(first_intent_date as timestamp) as observed_at,
        cast(intent_date as timestamp) as updated_at,
        cast(null as string) as stripe_customer_id,
        cast(null as string) as account_id,
        cast(null as string) as crm_company_id,
        cast(null as string) as ga_account_id,
        false as is_deleted
    from g2_signals
    where recency = 1

),

scored_leads as (

    select
        *,
        min(scored_at) over (partition by lead_id) as first_scored_at,
        row_number() over (partition by lead_id order by updated_at desc, run_id) as recency
    from {{ ref('stg_lead_scoring__lead_scores') }}

),

leads as (

    select
        'leads' as source_system,
        scored_leads.lead_id as source_record_id,
        cast(null as string) as name,
        cast(null as string) as domain,
        cast(null as string) as website,
        scored_leads.email_domain,
        scored_leads.email_hash,
        cast(null as string) as country,
        cast(null as string) as region,
        cast(null as string) as city,
        cast(null as string) as postcode,
        cast(null as string) as street,
        cast(null as string) as phone,
        cast(null as string) as industry,
        cast(null as int64) as employee_count,
        cast(null as string) as employee_range,
        scored_leads.first_scored_at as observed_at,
        scored_leads.updated_at,
        cast(null as string) as stripe_customer_id,
        scored_leads.account_id,
        case when contacts.company_id is not null
            then {{ crm_record_id('contacts.source', 'contacts.company_id') }}
        end as crm_company_id,
        cast(null as string) as ga_account_id,
        false as is_deleted
    from scored_leads
    left join contacts
        on scored_leads.email_hash = contacts.email_hash
        and contacts.position_of_email = 1
    where scored_leads.recency = 1

)

select * from crm
union all
select * from stripe
union all
select * from chartmogul
union all
select * from product
union all
select * from swan
union all
select * from g2
union all
select * from leads
