-- Roles are of the cluster, not of the database, so each is made only where it is missing. Run as a role that may
-- create roles. The passwords of the two logins are the operator's; none is set here.

do $$
begin
  -- Owns every table and function; nobody logs in as it. Row level security is forced, so even it reads only what a
  -- policy names.
  if not exists (select from pg_roles where rolname = 'tideline_owner') then
    create role tideline_owner nologin;
  end if;
  -- What a request runs as, for the length of one transaction.
  if not exists (select from pg_roles where rolname = 'authenticated') then
    create role authenticated nologin noinherit;
  end if;
  -- The server's login: owns nothing, bypasses nothing, can become `authenticated`.
  if not exists (select from pg_roles where rolname = 'tideline_server') then
    create role tideline_server login noinherit;
  end if;
  -- The login of `tideline admin`.
  if not exists (select from pg_roles where rolname = 'tideline_admin') then
    create role tideline_admin login noinherit;
  end if;
  if not pg_has_role('tideline_server', 'authenticated', 'member') then
    grant authenticated to tideline_server;
  end if;
  if not pg_has_role(current_user, 'tideline_owner', 'member') then
    execute format('grant tideline_owner to %I', current_user);
  end if;
end
$$;

create schema if not exists enterprise authorization tideline_owner;
create schema if not exists metadata authorization tideline_owner;

-- auth.uid() is Supabase's convention. Where the database already has it, that one is used.
do $$
begin
  if to_regprocedure('auth.uid()') is null then
    create schema if not exists auth authorization tideline_owner;
    create function auth.uid() returns uuid language sql stable
      as $f$ select nullif(nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub', '')::uuid $f$;
    alter function auth.uid() owner to tideline_owner;
    grant usage on schema auth to authenticated, tideline_server, tideline_admin, tideline_owner;
  end if;
end
$$;

grant usage on schema enterprise, metadata to authenticated, tideline_server, tideline_admin;

-- What was applied here, with the SHA-256 of its text: an applied file is never edited.
create table enterprise.schema_migrations (
  name text primary key,
  sha256 text not null,
  applied_at timestamptz not null default clock_timestamp()
);
alter table enterprise.schema_migrations owner to tideline_owner;
grant select on enterprise.schema_migrations to tideline_server, tideline_admin;
