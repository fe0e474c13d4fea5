select
    id as product_id,
    sku,
    name as product_name,
    case when category in ('drinks', 'snacks') then 'food' else 'other' end as tax_category,
    category,
    {{ cents_to_amount('price_cents') }} as list_price
from {{ source('shop_system', 'products') }}
