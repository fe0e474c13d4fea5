with refunds as (

    select payment_id, sum(refund_amount) as refund_amount
    from {{ ref('stg_refunds') }}
    group by payment_id

)

select
    p.order_id,
    sum(p.amount) as paid_amount,
    sum(coalesce(r.refund_amount, 0)) as refunded_amount,
    max(p.paid_at) as last_paid_at
from {{ ref('stg_payments') }} as p
left join refunds as r on r.payment_id = p.payment_id
group by p.order_id
