-- What column lineage asks of the database: which relation of another connection has the name of a source, and how much
-- of a connection's lineage its last push understood.
set local role tideline_owner;

-- A column and not an index on lower(full_name): lower is not leakproof, so under row level security such an index
-- would not be used.
alter table metadata.objects add column full_name_key text generated always as (lower(full_name)) stored;
create index objects_full_name on metadata.objects (organization_id, full_name_key);

create index columns_lineage_crossing on metadata.columns_lineage (organization_id, source_connection_id)
  where extracted_from = 'relation_name';

-- {"models":14,"analysed":13,"partial":1,"failed":0,"reasons":{"unknown_relation":1}}; null: no push since this release.
alter table enterprise.connections add column lineage json;
