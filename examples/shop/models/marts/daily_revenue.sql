select
    order_date,
    country_code,
    count(distinct customer_id) as customers,
    count(*) as orders,
    sum(paid_amount) as revenue,
    avg(sum(paid_amount)) over (
        partition by country_code order by order_date
        rows between 6 preceding and current row
    ) as revenue_7_days
from {{ ref('orders') }}
where is_paid
group by order_date, country_code
