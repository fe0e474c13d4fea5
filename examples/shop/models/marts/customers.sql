with orders as (

    select
        customer_id,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date,
        count(*) as order_count,
        sum(paid_amount) as lifetime_value
    from {{ ref('orders') }}
    where status <> 'cancelled'
    group by customer_id

)

select
    c.customer_id,
    c.full_name,
    c.email,
    k.country_name,
    k.region,
    c.registered_at,
    o.first_order_date,
    o.last_order_date,
    coalesce(o.order_count, 0) as order_count,
    coalesce(o.lifetime_value, 0) as lifetime_value,
    row_number() over (order by coalesce(o.lifetime_value, 0) desc) as value_rank
from {{ ref('stg_customers') }} as c
left join orders as o on o.customer_id = c.customer_id
left join {{ ref('countries') }} as k on k.country_code = c.country_code
where not c.is_closed
