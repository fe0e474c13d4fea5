select
    i.order_item_id,
    i.order_id,
    o.order_date,
    p.sku,
    p.product_name,
    p.category,
    i.quantity,
    i.unit_price,
    i.gross_amount
from {{ ref('stg_order_items') }} as i
join {{ ref('stg_orders') }} as o on o.order_id = i.order_id
left join {{ ref('stg_products') }} as p on p.product_id = i.product_id
