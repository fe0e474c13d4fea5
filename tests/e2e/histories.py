"""What may happen to an organization, and what PostgreSQL then holds of it: for tests that hold copies against it."""
import json
import pathlib

import psycopg2

import harness
import projects

# Columns in the order of the tags; what the protocol calls kinds 1 to 7.
TABLES = {
    1: ("enterprise.connections", "id, type, name, full_name, subdir, url, aliases"),
    2: ("metadata.files", "id, connection_id, relative_path, file_type, dialect, size_bytes, file_hash, parser_used, parse_confidence"),
    3: ("metadata.objects", "id, connection_id, file_id, name, schema_name, database_name, full_name, object_type, definition, "
        "compiled_definition, description, metadata, line_start, line_end, content_hash, confidence, extracted_from, extraction_tier"),
    4: ("metadata.columns", "id, connection_id, object_id, name, data_type, is_nullable, is_primary_key, is_foreign_key, "
        "default_value, description, position, metadata"),
    5: ("metadata.dependencies", "id, connection_id, source_object_id, target_object_id, dependency_type, column_level, "
        "source_column, target_column, expression, confidence, metadata, source_connection_id, source_full_name"),
    6: ("metadata.columns_lineage", "id, connection_id, source_object_id, source_column, target_object_id, target_column, "
        "expression, transformation_type, confidence, extracted_from, metadata, source_connection_id, source_full_name"),
    7: ("metadata.object_documentation", "id, connection_id, object_id, executive_summary, business_narrative, "
        "transformation_cards, code_explanations, business_rules, impact_analysis, generated_at, model, doc_version, extra"),
}


def superuser(server):
    lines = (server.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
    connection = psycopg2.connect(host=lines[4], port=lines[3], user="postgres", dbname="tideline")
    connection.autocommit = True
    return connection


def wanted(value):
    if isinstance(value, memoryview):
        return bytes(value)
    return value


def rows_of(database, connection):
    """{kind: {id: [values by tag]}} as PostgreSQL has them."""
    found = {}
    with database.cursor() as cursor:
        for kind, (table, columns) in TABLES.items():
            key = "id" if kind == 1 else "connection_id"
            hidden = " and hidden_at is null" if kind == 7 else ""
            exact = columns.replace("generated_at", "(extract(epoch from generated_at) * 1000000)::bigint")
            cursor.execute(f"select {exact} from {table} where {key} = %s{hidden}", (connection,))
            names = columns.split(", ")
            found[kind] = {}
            for row in cursor:
                values = {}
                for tag, (name, value) in enumerate(zip(names, row), 1):
                    if value is not None:
                        is_id = name == "id" or name.endswith("_id")
                        values[tag] = bytes.fromhex(value.replace("-", "")) if is_id else wanted(value)
                found[kind][values[1]] = values
    return found


def real_versions(most_rows=2000):
    """The historical versions of one real project, each as (manifest, catalog) cut to about so many rows; [] where
    there are no real projects."""
    found = []
    for path in sorted(pathlib.Path(harness.DATA or "/nonexistent", "dbt", "fivetran_netsuite").glob("*/manifest.json")):
        manifest = json.loads(path.read_text())
        catalog_path = path.parent / "catalog.json"
        catalog = json.loads(catalog_path.read_text()) if catalog_path.exists() else None
        rows, kept = 0, {}
        for unique_id, node in sorted(manifest["nodes"].items()):
            entry = catalog["nodes"].get(unique_id, {}) if catalog else {}
            # Twice the columns: where the catalog lacks them, lineage finds as many more.
            rows += 3 + 2 * max(len(node.get("columns") or {}), len(entry.get("columns") or {}))
            if rows > most_rows:
                break
            kept[unique_id] = node
        manifest["nodes"] = kept
        found.append((manifest, catalog))
    return found


class History:
    """An organization to which things happen. `real`: versions of a real project that are pushed now and then."""

    def __init__(self, client, choice, real=()):
        self.client, self.choice, self.minute, self.connections, self.real = client, choice, 0, {}, real

    def push(self, name=None):
        self.minute += 1
        name = name or self.choice.choice(["acme/shop", "acme/web", "acme/data"])
        manifest = projects.manifest(models=self.choice.randrange(1, 9), minute=self.minute, project=name.split("/")[1],
                                     note=self.choice.choice(["", " a", " ü"]), first=self.choice.randrange(3))
        catalog = projects.catalog(manifest, self.minute) if self.choice.random() < 0.3 else None
        self.connections[name] = self.client.push(name, manifest, catalog)["connection_id"]

    def push_real(self):
        manifest, catalog = self.choice.choice(self.real)
        self.connections["acme/real"] = self.client.push("acme/real", manifest, catalog, force="true")["connection_id"]

    def document(self):
        if not self.connections:
            return
        name, connection = self.choice.choice(sorted(self.connections.items()))
        item = {"connection_id": connection, "unique_id": f"model.{name.split('/')[1]}.step_{self.choice.randrange(9)}",
                "executive_summary": f"text {self.choice.randrange(5)}", "business_rules": [{"a": self.choice.randrange(3)}],
                "generated_at": projects.stamp(self.minute)}
        assert self.client.api("PUT", "/documentation", {"documentation": [item]}).status == 200

    def remove(self):
        if self.connections:
            name = self.choice.choice(sorted(self.connections))
            connection = self.connections.pop(name)
            assert self.client.api("DELETE", f"/connections/{connection}").status == 200
            if self.choice.random() < 0.5:
                self.client.register(name, id=connection, type="git")
                self.connections[name] = connection

    def rename(self):
        if self.connections:
            name, connection = self.choice.choice(sorted(self.connections.items()))
            assert self.client.api("PATCH", f"/connections/{connection}", {"name": f"n{self.choice.randrange(99)}"}).status == 200

    def happen(self):
        if self.real and self.choice.random() < 0.1:
            return self.push_real()
        what = self.choice.random()
        self.push() if what < 0.6 else self.document() if what < 0.8 else self.rename() if what < 0.9 else self.remove()


def forget_below(database, organization, version):
    """What pruning does once history is old enough."""
    with database.cursor() as cursor:
        for statement in ("update metadata.heads set floor = %(v)s where organization_id = %(o)s",
                          "delete from metadata.tombstones where organization_id = %(o)s and row_version <= %(v)s",
                          "delete from metadata.versions where organization_id = %(o)s and version <= %(v)s",
                          "delete from metadata.connection_versions a where organization_id = %(o)s and version < %(v)s and exists"
                          " (select from metadata.connection_versions b where b.organization_id = %(o)s"
                          " and b.connection_id = a.connection_id and b.version > a.version and b.version <= %(v)s)"):
            cursor.execute(statement, {"o": organization, "v": version})


def settle(first, second, organization, token):
    """Until both server processes know the same head."""
    clients = [place.client(organization, token).unchecked() for place in (first, second)]
    harness.wait_until(lambda: len({client.api("GET", "/heads").headers["etag"] for client in clients}) == 1)
    for client in clients:
        client.close()
