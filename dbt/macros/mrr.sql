{# What a recurring price is worth in a month. Weeks count 52 and days 365 to the year. NULL for a price that is
   not recurring; rounded once, to 9 decimals of a minor unit. #}
{% macro monthly_amount(units, unit_amount, interval, interval_count) -%}
case when {{ interval }} in ('day', 'week', 'month', 'year') then
{{ decimal_div(
    units ~ ' * ' ~ unit_amount ~ ' * case ' ~ interval ~ " when 'week' then 52 when 'day' then 365 else 1 end",
    'coalesce(' ~ interval_count ~ ', 1) * case ' ~ interval ~ " when 'month' then 1 else 12 end"
) }}
end
{%- endmacro %}

{# Units a price charges for: quantity, divided and rounded where the price sells packages. #}
{% macro billed_units(quantity, divide_by, rounding) -%}
case
    when {{ divide_by }} is null then coalesce({{ quantity }}, 1)
    when {{ rounding }} = 'up' then cast(ceil(coalesce({{ quantity }}, 1) / {{ divide_by }}) as int64)
    else cast(floor(coalesce({{ quantity }}, 1) / {{ divide_by }}) as int64)
end
{%- endmacro %}
