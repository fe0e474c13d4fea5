with source as (

    select * from {{ source('shop_system', 'customers') }}

)

select
    id as customer_id,
    lower(trim(email)) as email,
    first_name || ' ' || last_name as full_name,
    country_code,
    created_at as registered_at,
    closed_at is not null as is_closed
from source
