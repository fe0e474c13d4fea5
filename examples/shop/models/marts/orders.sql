{{ config(materialized='incremental', unique_key='order_id') }}

select
    o.order_id,
    o.customer_id,
    o.status,
    o.order_date,
    o.country_code,
    coalesce(t.item_count, 0) as item_count,
    coalesce(t.gross_amount, 0) + o.shipping_amount as gross_amount,
    t.net_amount,
    coalesce(p.paid_amount, 0) - coalesce(p.refunded_amount, 0) as paid_amount,
    p.last_paid_at,
    case
        when o.status = 'cancelled' then false
        else coalesce(p.paid_amount, 0) >= coalesce(t.gross_amount, 0) + o.shipping_amount
    end as is_paid
from {{ ref('stg_orders') }} as o
left join {{ ref('int_order_totals') }} as t on t.order_id = o.order_id
left join {{ ref('int_order_payments') }} as p on p.order_id = o.order_id
{% if is_incremental() %}
where o.order_date >= (select max(order_date) from {{ this }})
{% endif %}
