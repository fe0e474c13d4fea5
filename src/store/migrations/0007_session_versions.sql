-- What an admin asks of a session: which version it is at, of each connection, and what last went wrong, also after it
-- went well again.
set local role tideline_owner;

alter table metadata.ide_sync_sessions
  add column synced_version bigint,
  add column connection_versions jsonb,
  add column last_error text,
  add column last_error_at timestamptz;

drop function metadata.update_sync_statistics(uuid, uuid, bigint, text, text);
-- Null leaves a value as it is; an empty message is none any more.
-- Returns whether there was such a session of the caller's.
create function metadata.update_sync_statistics(
    p_organization_id uuid, p_session_id uuid, p_total_objects_synced bigint, p_sync_status text, p_error_message text,
    p_synced_version bigint default null, p_connection_versions jsonb default null)
    returns boolean
  language sql set search_path = pg_catalog, pg_temp
  as $$
    with updated as (
      update metadata.ide_sync_sessions
         set total_objects_synced = coalesce(p_total_objects_synced, total_objects_synced),
             sync_status = coalesce(p_sync_status, sync_status),
             error_message = nullif(case when p_sync_status = 'active' then p_error_message
                                         else coalesce(p_error_message, error_message) end, ''),
             synced_version = coalesce(p_synced_version, synced_version),
             connection_versions = coalesce(p_connection_versions, connection_versions),
             last_error = coalesce(nullif(p_error_message, ''), last_error),
             last_error_at = case when p_error_message <> '' then clock_timestamp() else last_error_at end,
             last_sync_at = clock_timestamp(), updated_at = clock_timestamp()
       where organization_id = p_organization_id and id = p_session_id and user_id = auth.uid()
      returning 1)
    select exists (select from updated)
  $$;

-- Who the members are, for an admin; for others, who they are themselves.
create function enterprise.member_emails() returns table (user_id uuid, email text)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select u.id, u.email
      from enterprise.user_organization_roles r join enterprise.users u on u.id = r.user_id
     where r.organization_id = (select enterprise.current_organization())
       and (u.id = (select auth.uid()) or (select enterprise.current_role_name()) = 'admin')
  $$;

revoke all on function enterprise.member_emails(),
  metadata.update_sync_statistics(uuid, uuid, bigint, text, text, bigint, jsonb) from public;
grant execute on function enterprise.member_emails(),
  metadata.update_sync_statistics(uuid, uuid, bigint, text, text, bigint, jsonb) to authenticated, tideline_admin;
