select full_name, lifetime_value
from {{ ref('customers') }}
where value_rank <= 20
