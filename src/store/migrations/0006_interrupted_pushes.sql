-- A push that died with its server must not look to be under way for ever: until when it may be is written down, and
-- any server puts right what is past that. Running state: neither hashed nor versioned.
set local role tideline_owner;

alter table enterprise.connections add column extracting_until timestamptz;
create index connections_extracting on enterprise.connections (organization_id, extracting_until) where status = 'extracting';

create policy definer_settles on enterprise.connections for update to tideline_owner
  using (status = 'extracting') with check (status in ('connected', 'completed'));

create function enterprise.settle_interrupted_pushes() returns void
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$
    update enterprise.connections
       set status = case when last_extracted_at is null then 'connected' else 'completed' end,
           activity = activity + 1
     where status = 'extracting' and (extracting_until is null or extracting_until < now())
  $$;

revoke all on function enterprise.settle_interrupted_pushes() from public;
grant execute on function enterprise.settle_interrupted_pushes() to tideline_server;
