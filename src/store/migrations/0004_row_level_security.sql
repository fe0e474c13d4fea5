-- One policy per right, the same on every tenant table: rows of the organization the request is for, and only while
-- the user is a member of it. Forced, so that the owner is held to it too.
set local role tideline_owner;

do $$
declare
  tenant_table regclass;
begin
  foreach tenant_table in array array['enterprise.user_organization_roles', 'enterprise.api_tokens',
      'enterprise.connections', 'metadata.heads', 'metadata.versions', 'metadata.tombstones', 'metadata.repositories',
      'metadata.files', 'metadata.objects', 'metadata.columns', 'metadata.dependencies', 'metadata.columns_lineage',
      'metadata.object_documentation', 'metadata.ide_sync_sessions']::regclass[]
  loop
    execute format('alter table %s enable row level security', tenant_table);
    execute format('alter table %s force row level security', tenant_table);
    execute format('create policy admin_everything on %s to tideline_admin using (true) with check (true)', tenant_table);
    execute format('grant select, insert, update, delete on %s to tideline_admin', tenant_table);
  end loop;

  -- Synced rows and their history: members read, writers write.
  foreach tenant_table in array array['enterprise.connections', 'metadata.heads', 'metadata.versions',
      'metadata.tombstones', 'metadata.repositories', 'metadata.files', 'metadata.objects', 'metadata.columns',
      'metadata.dependencies', 'metadata.columns_lineage', 'metadata.object_documentation']::regclass[]
  loop
    execute format('create policy member_reads on %s for select to authenticated
                      using (organization_id = (select enterprise.current_organization()))', tenant_table);
    execute format('create policy writer_inserts on %s for insert to authenticated
                      with check (organization_id = (select enterprise.current_organization()) and (select enterprise.may_write()))',
                   tenant_table);
    execute format('create policy writer_updates on %s for update to authenticated
                      using (organization_id = (select enterprise.current_organization()) and (select enterprise.may_write()))
                      with check (organization_id = (select enterprise.current_organization()) and (select enterprise.may_write()))',
                   tenant_table);
    execute format('create policy writer_deletes on %s for delete to authenticated
                      using (organization_id = (select enterprise.current_organization()) and (select enterprise.may_write()))',
                   tenant_table);
    execute format('grant select, insert, update, delete on %s to authenticated', tenant_table);
  end loop;
end
$$;

-- Membership itself: one's own. The functions that decide membership run as the owner and need to see all of it.
create policy own_role on enterprise.user_organization_roles for select to authenticated
  using (user_id = (select auth.uid()));
create policy definer_reads on enterprise.user_organization_roles for select to tideline_owner using (true);
create policy definer_writes on enterprise.user_organization_roles for insert to tideline_owner with check (true);
create policy definer_reads on enterprise.api_tokens for select to tideline_owner using (true);
create policy definer_touches on enterprise.api_tokens for update to tideline_owner using (true) with check (true);
create policy definer_reads on metadata.heads for select to tideline_owner using (true);
create policy definer_reads on enterprise.connections for select to tideline_owner using (true);
grant select on enterprise.user_organization_roles to authenticated;

-- Sessions: everyone writes and reads their own, admins read all.
create policy own_sessions on metadata.ide_sync_sessions to authenticated
  using (organization_id = (select enterprise.current_organization()) and user_id = (select auth.uid()))
  with check (organization_id = (select enterprise.current_organization()) and user_id = (select auth.uid()));
create policy admin_reads_sessions on metadata.ide_sync_sessions for select to authenticated
  using (organization_id = (select enterprise.current_organization()) and (select enterprise.current_role_name()) = 'admin');
grant select, insert, update, delete on metadata.ide_sync_sessions to authenticated;

revoke all on all functions in schema enterprise, metadata from public;
grant execute on function auth.uid() to authenticated, tideline_server, tideline_admin, tideline_owner;
grant execute on function enterprise.current_organization(), enterprise.current_role_name(), enterprise.may_write()
  to authenticated, tideline_admin;
grant execute on function metadata.upsert_ide_sync_session(uuid, text, text, text, text, uuid[]),
  metadata.update_sync_statistics(uuid, uuid, bigint, text, text),
  metadata.get_workspace_sync_status(uuid, text, text) to authenticated, tideline_admin;
grant select, insert, update, delete on enterprise.organizations, enterprise.users, enterprise.user_identities,
  enterprise.server_keys to tideline_admin;

-- What the server's login may ask before it knows the tenant: numbers and ids, never a row of a tenant's content.

-- Who a verified token is.
create function enterprise.resolve_identity(p_issuer text, p_subject text) returns uuid
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select user_id from enterprise.user_identities where issuer = p_issuer and subject = p_subject $$;

create function enterprise.resolve_api_token(p_sha256 bytea)
    returns table (organization_id uuid, id uuid, user_id uuid, scopes text[], expires_at timestamptz)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select t.organization_id, t.id, t.user_id, t.scopes, t.expires_at
      from enterprise.api_tokens t
     where t.token_sha256 = p_sha256 and t.revoked_at is null and (t.expires_at is null or t.expires_at > now())
  $$;

create function enterprise.touch_api_token(p_organization uuid, p_id uuid) returns void
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$
    update enterprise.api_tokens set last_used_at = now()
     where organization_id = p_organization and id = p_id
       and (last_used_at is null or last_used_at < now() - interval '1 minute')
  $$;

-- The user's role in the organization, or null; with the access version it was read at.
create function enterprise.membership(p_user uuid, p_organization uuid)
    returns table (role text, access_version bigint)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select r.role, o.access_version
      from enterprise.user_organization_roles r join enterprise.organizations o on o.id = r.organization_id
     where r.user_id = p_user and r.organization_id = p_organization
  $$;

-- What may have changed about the organizations a process serves from memory: rights, rows, the running state of
-- connections.
create function enterprise.watch(p_organizations uuid[])
    returns table (organization_id uuid, access_version bigint, version bigint, stamp timestamptz, floor bigint,
                   activity bigint)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select o.id, o.access_version, h.version, h.stamp, h.floor,
           (select coalesce(sum(c.activity), 0)::bigint from enterprise.connections c where c.organization_id = o.id)
      from enterprise.organizations o join metadata.heads h on h.organization_id = o.id
     where o.id = any (p_organizations)
     order by o.id
  $$;

-- First sight of an identity, where the operator allows it: a user of its own, in no organization.
create function enterprise.create_identity(p_issuer text, p_subject text, p_email text) returns uuid
  language plpgsql security definer set search_path = pg_catalog, pg_temp
  as $$
  declare
    new_user uuid;
  begin
    insert into enterprise.users (email)
      values (case when exists (select from enterprise.users where lower(email) = lower(p_email)) then null else p_email end)
      returning id into new_user;
    insert into enterprise.user_identities (issuer, subject, user_id) values (p_issuer, p_subject, new_user)
      on conflict (issuer, subject) do nothing;
    if not found then
      delete from enterprise.users where id = new_user;
      select user_id into new_user from enterprise.user_identities where issuer = p_issuer and subject = p_subject;
    end if;
    return new_user;
  end
  $$;

revoke all on function enterprise.resolve_identity(text, text), enterprise.resolve_api_token(bytea),
  enterprise.touch_api_token(uuid, uuid), enterprise.membership(uuid, uuid), enterprise.watch(uuid[]),
  enterprise.create_identity(text, text, text) from public;
grant execute on function enterprise.resolve_identity(text, text), enterprise.resolve_api_token(bytea),
  enterprise.touch_api_token(uuid, uuid), enterprise.membership(uuid, uuid), enterprise.watch(uuid[]),
  enterprise.create_identity(text, text, text) to tideline_server;
grant select on enterprise.server_keys to tideline_server;
grant execute on function enterprise.bump_access(uuid) to tideline_admin;
