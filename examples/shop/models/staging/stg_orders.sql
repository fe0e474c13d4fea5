with source as (

    select * from {{ source('shop_system', 'orders') }}

)

select
    id as order_id,
    customer_id,
    status,
    placed_at,
    cast(placed_at as date) as order_date,
    shipping_country as country_code,
    {{ cents_to_amount('shipping_cents') }} as shipping_amount
from source
where placed_at >= '{{ var("first_order_date") }}'
