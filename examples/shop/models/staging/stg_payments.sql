select
    id as payment_id,
    order_ref as order_id,
    method as payment_method,
    {{ cents_to_amount('amount_cents') }} as amount,
    captured_at as paid_at
from {{ source('payments', 'charges') }}
where state = 'captured'
