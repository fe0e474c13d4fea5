select
    id as refund_id,
    charge_id as payment_id,
    {{ cents_to_amount('amount_cents') }} as refund_amount,
    reason,
    created_at as refunded_at
from {{ source('payments', 'refunds') }}
