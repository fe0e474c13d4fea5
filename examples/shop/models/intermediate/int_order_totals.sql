with items as (

    select
        i.order_id,
        i.gross_amount,
        p.tax_category
    from {{ ref('stg_order_items') }} as i
    join {{ ref('stg_products') }} as p on p.product_id = i.product_id

)

select
    o.order_id,
    count(*) as item_count,
    sum(i.gross_amount) as gross_amount,
    sum({{ net_of_tax('i.gross_amount', 't.tax_rate') }}) as net_amount
from items as i
join {{ ref('stg_orders') }} as o on o.order_id = i.order_id
left join {{ ref('tax_rates') }} as t
    on t.country_code = o.country_code and t.category = i.tax_category
group by o.order_id
