-- What the sync protocol asks beside the rows: the digests a connection had, and which database this is.
set local role tideline_owner;

-- The digest of a connection after each version that wrote to it. It tells a replica of another history (a restored or
-- forked database) from one of ours. Of the versions at or below the floor the last one of each connection stays: it is
-- the digest at the floor.
create table metadata.connection_versions (
  organization_id uuid not null,
  connection_id uuid not null,
  version bigint not null,
  digest bytea not null check (length(digest) = 168),
  primary key (organization_id, connection_id, version)
);

insert into metadata.connection_versions (organization_id, connection_id, version, digest)
  select organization_id, id, version, digest from enterprise.connections;

-- By triggers, so that no writer can forget it.
create function metadata.on_connection_progress() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp
  as $$
  begin
    insert into metadata.connection_versions (organization_id, connection_id, version, digest)
      values (new.organization_id, new.id, new.version, new.digest)
      on conflict (organization_id, connection_id, version) do update set digest = excluded.digest;
    return null;
  end
  $$;

-- What a later connection of the same id had is its own.
create function metadata.on_connection_removal() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp
  as $$
  begin
    delete from metadata.connection_versions where organization_id = old.organization_id and connection_id = old.id;
    return null;
  end
  $$;

create trigger connection_progress after insert or update of version, digest on enterprise.connections
  for each row execute function metadata.on_connection_progress();
create trigger connection_removal after delete on enterprise.connections
  for each row execute function metadata.on_connection_removal();

alter table metadata.connection_versions enable row level security;
alter table metadata.connection_versions force row level security;
create policy admin_everything on metadata.connection_versions to tideline_admin using (true) with check (true);
create policy member_reads on metadata.connection_versions for select to authenticated
  using (organization_id = (select enterprise.current_organization()));
create policy writer_inserts on metadata.connection_versions for insert to authenticated
  with check (organization_id = (select enterprise.current_organization()) and (select enterprise.may_write()));
create policy writer_updates on metadata.connection_versions for update to authenticated
  using (organization_id = (select enterprise.current_organization()) and (select enterprise.may_write()))
  with check (organization_id = (select enterprise.current_organization()) and (select enterprise.may_write()));
create policy writer_deletes on metadata.connection_versions for delete to authenticated
  using (organization_id = (select enterprise.current_organization()) and (select enterprise.may_write()));
grant select, insert, update, delete on metadata.connection_versions to authenticated, tideline_admin;

-- Which database this is: another one after a restore. Read in the snapshot of what is answered, so that a standby of
-- another database is found out. No secret.
create function enterprise.epoch() returns uuid
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select encode(value, 'hex')::uuid from enterprise.server_keys where name = 'epoch' $$;
revoke all on function enterprise.epoch(), metadata.on_connection_progress(), metadata.on_connection_removal() from public;
grant execute on function enterprise.epoch() to authenticated, tideline_server, tideline_admin;
