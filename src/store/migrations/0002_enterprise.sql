-- Who may do what. Global tables (no tenant, no row level security): organizations, users, user_identities,
-- server_keys and schema_migrations. None of them is readable by a request.
set local role tideline_owner;

create table enterprise.organizations (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  -- Goes up whenever a membership, a role, an identity or an API token of the organization changes: what a server
  -- process remembers of rights holds only while this stands still.
  access_version bigint not null default 0,
  created_at timestamptz not null default now()
);
create unique index organizations_name on enterprise.organizations (lower(name));

create table enterprise.users (
  id uuid primary key default gen_random_uuid(),
  email text,
  display_name text,
  -- 'service' users stand behind API tokens: one each.
  kind text not null default 'person' check (kind in ('person', 'service')),
  created_at timestamptz not null default now()
);
create unique index users_email on enterprise.users (lower(email)) where email is not null;

-- The same subject of another issuer is another user.
create table enterprise.user_identities (
  issuer text not null,
  subject text not null,
  user_id uuid not null references enterprise.users on delete cascade,
  created_at timestamptz not null default now(),
  primary key (issuer, subject)
);
create index user_identities_user on enterprise.user_identities (user_id);

-- Keys and the database's epoch: name -> value. Read by the server's login at start, never by a request.
create table enterprise.server_keys (
  name text primary key,
  value bytea not null,
  created_at timestamptz not null default now()
);

create table enterprise.user_organization_roles (
  organization_id uuid not null references enterprise.organizations on delete cascade,
  user_id uuid not null references enterprise.users on delete cascade,
  role text not null check (role in ('admin', 'member', 'service')),
  created_at timestamptz not null default now(),
  primary key (organization_id, user_id)
);
create index user_organization_roles_user on enterprise.user_organization_roles (user_id);

create table enterprise.api_tokens (
  organization_id uuid not null references enterprise.organizations on delete cascade,
  id uuid not null default gen_random_uuid(),
  user_id uuid not null references enterprise.users on delete cascade,
  name text not null,
  token_sha256 bytea not null check (length(token_sha256) = 32),
  scopes text[] not null check (scopes <@ array['read', 'push', 'documentation']),
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  primary key (organization_id, id)
);
create unique index api_tokens_sha256 on enterprise.api_tokens (token_sha256);

create table enterprise.connections (
  organization_id uuid not null references enterprise.organizations on delete cascade,
  id uuid not null,
  type text not null,
  name text not null,
  full_name text not null,
  subdir text not null default '',
  url text,
  aliases json not null default '[]',
  -- Synced rows carry the version that last wrote them; the incarnation tells a connection from an earlier one that
  -- had the same id.
  row_version bigint not null,
  row_hash bytea not null check (length(row_hash) = 16),
  incarnation bigint not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null,
  -- Running state: neither hashed nor versioned.
  status text not null default 'connected' check (status in ('connected', 'extracting', 'completed', 'error')),
  last_error text,
  last_extracted_at timestamptz,
  object_count integer not null default 0,
  -- Goes up with every change of the running state, so that a server process sees that there was one.
  activity bigint not null default 0,
  -- The version that last wrote a row of this connection, and the digest there.
  version bigint not null,
  digest bytea not null check (length(digest) = 168),
  -- Per source (manifest, compiled, catalog): generated_at of the artifact that last brought it, and what wrote it.
  sources json not null default '{}',
  manifest_generated_at timestamptz,
  primary key (organization_id, id)
);
create unique index connections_name on enterprise.connections (organization_id, type, lower(full_name), subdir);

-- Who is asking, and for which organization: both local to the transaction. An organization the user is not a member
-- of is no organization: null, and so no row anywhere.
create function enterprise.current_organization() returns uuid
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select r.organization_id
      from enterprise.user_organization_roles r
     where r.user_id = auth.uid()
       and r.organization_id = nullif(current_setting('request.organization_id', true), '')::uuid
  $$;

create function enterprise.current_role_name() returns text
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select r.role
      from enterprise.user_organization_roles r
     where r.user_id = auth.uid()
       and r.organization_id = nullif(current_setting('request.organization_id', true), '')::uuid
  $$;

-- Whether the request may write synced rows: an admin, or an API token with a writing scope.
create function enterprise.may_write() returns boolean
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select coalesce(enterprise.current_role_name() = 'admin'
      or exists (
        select from enterprise.api_tokens t
         where t.organization_id = nullif(current_setting('request.organization_id', true), '')::uuid
           and t.user_id = auth.uid()
           and t.scopes && array['push', 'documentation']
           and t.revoked_at is null
           and (t.expires_at is null or t.expires_at > now())), false)
  $$;

-- Rights changed: count it and tell every server process.
create function enterprise.bump_access(organization uuid) returns void
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$
    update enterprise.organizations set access_version = access_version + 1 where id = organization;
    select pg_notify('tideline_access', organization::text);
  $$;

create function enterprise.on_rights_change() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp
  as $$
  begin
    if tg_op in ('UPDATE', 'DELETE') then perform enterprise.bump_access(old.organization_id); end if;
    if tg_op = 'INSERT' then perform enterprise.bump_access(new.organization_id); end if;
    return null;
  end
  $$;

create function enterprise.on_identity_change() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp
  as $$
  declare
    subject_user uuid := case when tg_op = 'DELETE' then old.user_id else new.user_id end;
  begin
    perform enterprise.bump_access(r.organization_id)
      from enterprise.user_organization_roles r where r.user_id = subject_user;
    if tg_op = 'UPDATE' and old.user_id <> new.user_id then
      perform enterprise.bump_access(r.organization_id)
        from enterprise.user_organization_roles r where r.user_id = old.user_id;
    end if;
    return null;
  end
  $$;

create trigger rights_changed after insert or update or delete on enterprise.user_organization_roles
  for each row execute function enterprise.on_rights_change();
create trigger rights_changed_insert_delete after insert or delete on enterprise.api_tokens
  for each row execute function enterprise.on_rights_change();
create trigger rights_changed_update after update of scopes, expires_at, revoked_at, user_id on enterprise.api_tokens
  for each row execute function enterprise.on_rights_change();
create trigger identity_changed after insert or update or delete on enterprise.user_identities
  for each row execute function enterprise.on_identity_change();
