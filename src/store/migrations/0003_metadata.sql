-- The synced rows and their history. Every table leads with organization_id, in its key and in its indexes.
--
-- row_version      the version that last wrote the row
-- row_hash         first 16 bytes of SHA-256 over the row's content (docs/formats.md)
-- created_version  files and objects: their place in the order of paging, kept by a tombstone until the floor
-- changed_version  objects: the last version that wrote the object or anything that hangs on it
-- confidence       thousandths, 0-1000
-- Edges have no foreign keys: an edge stands where its source is not synced, and the push that writes rows is the only
-- writer (docs/adr/0003).
set local role tideline_owner;

create table metadata.heads (
  organization_id uuid primary key references enterprise.organizations on delete cascade,
  version bigint not null default 0,
  stamp timestamptz not null default now(),
  -- Tombstones and versions at or below the floor are gone.
  floor bigint not null default 0
);

create table metadata.versions (
  organization_id uuid not null,
  version bigint not null,
  connection_id uuid,
  reason text not null,
  digest bytea,
  committed_at timestamptz not null,
  user_id uuid,
  source_commit text,
  source_branch text,
  counts json not null default '{}',
  primary key (organization_id, version)
);
create index versions_stamp on metadata.versions (organization_id, committed_at);

create table metadata.tombstones (
  organization_id uuid not null,
  kind smallint not null check (kind between 1 and 7),
  id uuid not null,
  connection_id uuid not null,
  row_version bigint not null,
  created_version bigint not null,
  primary key (organization_id, kind, id)
);
create index tombstones_changes on metadata.tombstones (organization_id, connection_id, row_version, kind, id);
create index tombstones_positions on metadata.tombstones (organization_id, kind, created_version, id);

create table metadata.repositories (
  organization_id uuid not null,
  id uuid not null,
  connection_id uuid not null,
  name text not null,
  url text,
  branch text,
  commit text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id)
);

create table metadata.files (
  organization_id uuid not null,
  id uuid not null,
  repository_id uuid not null,
  connection_id uuid not null,
  relative_path text not null,
  absolute_path text,
  file_type text not null,
  dialect text,
  size_bytes bigint,
  file_hash text,
  parsed_at timestamptz not null,
  parser_used text not null,
  parse_confidence smallint not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  row_version bigint not null,
  row_hash bytea not null,
  created_version bigint not null,
  primary key (organization_id, id)
);
create index files_changes on metadata.files (organization_id, connection_id, row_version, id);
create index files_positions on metadata.files (organization_id, created_version, id) include (connection_id, row_version);

create table metadata.objects (
  organization_id uuid not null,
  id uuid not null,
  file_id uuid,
  repository_id uuid not null,
  connection_id uuid not null,
  name text not null,
  schema_name text,
  database_name text,
  full_name text not null,
  object_type text not null,
  definition text,
  compiled_definition text,
  description text,
  metadata json not null,
  line_start bigint,
  line_end bigint,
  content_hash text,
  confidence smallint not null,
  extracted_from text not null,
  extraction_tier text not null,
  -- Since when the compiled SQL and the catalog's facts stand: generated_at of the artifact that brought this content.
  compiled_as_of timestamptz,
  catalog_as_of timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  row_version bigint not null,
  row_hash bytea not null,
  created_version bigint not null,
  changed_version bigint not null,
  primary key (organization_id, id)
);
-- Definitions are most of the bytes: LZ4 costs a fraction of what the default does, where the server was built with it.
do $$
begin
  alter table metadata.objects alter column definition set compression lz4,
    alter column compiled_definition set compression lz4, alter column metadata set compression lz4;
exception when feature_not_supported then null;
end
$$;
create index objects_changes on metadata.objects (organization_id, connection_id, row_version, id);
create index objects_positions on metadata.objects (organization_id, created_version, id) include (connection_id, changed_version);
create index objects_changed on metadata.objects (organization_id, changed_version);

create table metadata.columns (
  organization_id uuid not null,
  id uuid not null,
  object_id uuid not null,
  connection_id uuid not null,
  name text not null,
  data_type text,
  is_nullable boolean,
  is_primary_key boolean not null,
  is_foreign_key boolean not null,
  default_value text,
  description text,
  position bigint not null,
  metadata json not null,
  updated_at timestamptz not null,
  row_version bigint not null,
  row_hash bytea not null,
  primary key (organization_id, id)
);
create index columns_changes on metadata.columns (organization_id, connection_id, row_version, id);
-- With what orders the rows of one object, so that they are read in order without a sort.
create index columns_object on metadata.columns (organization_id, object_id, position, id);

create table metadata.dependencies (
  organization_id uuid not null,
  id uuid not null,
  connection_id uuid not null,
  source_object_id uuid not null,
  target_object_id uuid not null,
  dependency_type text not null,
  column_level boolean not null,
  source_column text,
  target_column text,
  expression text,
  confidence smallint not null,
  metadata json not null,
  source_connection_id uuid not null,
  source_full_name text not null,
  updated_at timestamptz not null,
  row_version bigint not null,
  row_hash bytea not null,
  primary key (organization_id, id)
);
create index dependencies_changes on metadata.dependencies (organization_id, connection_id, row_version, id);
create index dependencies_target on metadata.dependencies (organization_id, target_object_id, id);

create table metadata.columns_lineage (
  organization_id uuid not null,
  id uuid not null,
  connection_id uuid not null,
  source_object_id uuid not null,
  source_column text not null,
  target_object_id uuid not null,
  target_column text not null,
  expression text,
  transformation_type text not null check (transformation_type in ('direct', 'renamed', 'calculated', 'aggregated',
    'window', 'joined', 'filtered', 'grouped', 'ordered')),
  confidence smallint not null,
  extracted_from text not null,
  metadata json not null,
  source_connection_id uuid not null,
  source_full_name text not null,
  updated_at timestamptz not null,
  row_version bigint not null,
  row_hash bytea not null,
  primary key (organization_id, id)
);
create index columns_lineage_changes on metadata.columns_lineage (organization_id, connection_id, row_version, id);
create index columns_lineage_target on metadata.columns_lineage (organization_id, target_object_id, id);

-- hidden_at: its object is gone. The text waits 90 days for the object to come back, and is shown to nobody.
create table metadata.object_documentation (
  organization_id uuid not null,
  id uuid not null,
  object_id uuid not null,
  connection_id uuid not null,
  executive_summary text,
  business_narrative text,
  transformation_cards json,
  code_explanations json,
  business_rules json,
  impact_analysis json,
  generated_at timestamptz,
  model text,
  doc_version text,
  extra json,
  hidden_at timestamptz,
  updated_at timestamptz not null,
  row_version bigint not null,
  row_hash bytea not null,
  primary key (organization_id, id)
);
create index object_documentation_changes on metadata.object_documentation (organization_id, connection_id, row_version, id);
create index object_documentation_object on metadata.object_documentation (organization_id, object_id);

create table metadata.ide_sync_sessions (
  organization_id uuid not null references enterprise.organizations on delete cascade,
  id uuid not null default gen_random_uuid(),
  user_id uuid not null references enterprise.users on delete cascade,
  workspace_identifier text not null,
  workspace_hash text,
  ide_version text,
  sync_mode text not null default 'workspace-aware' check (sync_mode in ('workspace-aware', 'manual', 'sync-all')),
  connection_ids uuid[],
  last_sync_at timestamptz,
  sync_status text not null default 'active' check (sync_status in ('active', 'inactive', 'error')),
  total_objects_synced bigint not null default 0,
  error_message text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id),
  unique nulls not distinct (organization_id, user_id, workspace_identifier, workspace_hash)
);

create function metadata.upsert_ide_sync_session(
    p_organization_id uuid, p_workspace_identifier text, p_workspace_hash text, p_ide_version text, p_sync_mode text,
    p_connection_ids uuid[]) returns uuid
  language sql set search_path = pg_catalog, pg_temp
  as $$
    insert into metadata.ide_sync_sessions as s
      (organization_id, user_id, workspace_identifier, workspace_hash, ide_version, sync_mode, connection_ids)
    values (p_organization_id, auth.uid(), p_workspace_identifier, p_workspace_hash, p_ide_version,
            coalesce(p_sync_mode, 'workspace-aware'), p_connection_ids)
    on conflict (organization_id, user_id, workspace_identifier, workspace_hash) do update
      set ide_version = excluded.ide_version, sync_mode = excluded.sync_mode, connection_ids = excluded.connection_ids,
          sync_status = 'active', error_message = null, updated_at = now()
    returning s.id
  $$;

-- Null leaves a value as it is. Returns whether there was such a session of the caller's.
create function metadata.update_sync_statistics(
    p_organization_id uuid, p_session_id uuid, p_total_objects_synced bigint, p_sync_status text, p_error_message text)
    returns boolean
  language sql set search_path = pg_catalog, pg_temp
  as $$
    with updated as (
      update metadata.ide_sync_sessions
         set total_objects_synced = coalesce(p_total_objects_synced, total_objects_synced),
             sync_status = coalesce(p_sync_status, sync_status),
             error_message = case when p_sync_status = 'active' then p_error_message
                                  else coalesce(p_error_message, error_message) end,
             last_sync_at = now(), updated_at = now()
       where organization_id = p_organization_id and id = p_session_id and user_id = auth.uid()
      returning 1)
    select exists (select from updated)
  $$;

create function metadata.get_workspace_sync_status(
    p_organization_id uuid, p_workspace_identifier text, p_workspace_hash text default null)
    returns setof metadata.ide_sync_sessions
  language sql stable set search_path = pg_catalog, pg_temp
  as $$
    select * from metadata.ide_sync_sessions
     where organization_id = p_organization_id and workspace_identifier = p_workspace_identifier
       and (p_workspace_hash is null or workspace_hash = p_workspace_hash)
     order by updated_at desc, id
  $$;
