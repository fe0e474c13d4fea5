select
    sku,
    product_name,
    category,
    {{ month_of('order_date') }} as sales_month,
    sum(quantity) as units,
    sum(gross_amount) as gross_amount
from {{ ref('order_items') }}
group by sku, product_name, category, {{ month_of('order_date') }}
