select order_id
from {{ ref('orders') }}
where is_paid and item_count = 0
