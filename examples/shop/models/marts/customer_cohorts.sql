with firsts as (

    select customer_id, {{ month_of('first_order_date') }} as cohort_month
    from {{ ref('customers') }}
    where first_order_date is not null

)

select
    f.cohort_month,
    {{ month_of('o.order_date') }} as order_month,
    count(distinct o.customer_id) as customers,
    sum(o.paid_amount) as revenue
from {{ ref('orders') }} as o
join firsts as f on f.customer_id = o.customer_id
group by f.cohort_month, {{ month_of('o.order_date') }}
