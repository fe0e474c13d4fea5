"""A client of the sync protocol in Python's standard library, written from docs/protocol.md alone. It keeps every row of
an organization (or of some of its connections) as its bytes, checks all that can be checked, and repairs what differs.

    replica = Replica("http://127.0.0.1:3001", organization, token)
    replica.sync()          # first time and every time
    replica.rows[connection][kind][id] == (row_version, bytes)
"""
import base64
import gzip
import hashlib
import json
import struct
import urllib.error
import urllib.request

KINDS = range(1, 8)
TYPES = {1: "text", 2: "integer", 3: "id", 4: "boolean", 5: "json", 6: "time"}


class Gone(Exception):
    """410: the way on from a cursor is closed; args[0] says why."""


class Busy(Exception):
    """503: to be asked again."""


def row_hash(row):
    return hashlib.sha256(row).digest()[:16]


def fields(row):
    """(kind, {tag: value}) of a row's bytes, values as Python has them."""
    out, at = {}, 1
    while at < len(row):
        tag, kind, length = struct.unpack_from(">HBI", row, at)
        value = row[at + 7:at + 7 + length]
        assert len(value) == length and tag > max(out, default=0), "a malformed row"
        at += 7 + length
        decode = {1: bytes.decode, 2: lambda v: int.from_bytes(v, "big", signed=True), 3: bytes, 4: lambda v: v == b"\1",
                  5: lambda v: json.loads(v), 6: lambda v: int.from_bytes(v, "big", signed=True)}
        out[tag] = decode.get(kind, bytes)(value)
    return row[0], out


def read_page(page):
    """([(row_version, id or None, row or (kind, id))], end) of a page; an error unless it is whole and its check holds."""
    assert page[:5] == b"TDLC\x01", "no page of changes"
    at, check, entries = 5, hashlib.sha256(), []
    while True:
        kind, length = struct.unpack_from(">BI", page, at)
        payload = page[at + 5:at + 5 + length]
        assert len(payload) == length, "cut off"
        at += 5 + length
        if kind == 1:
            row = payload[8:]
            check.update(payload[:8] + row_hash(row))
            entries.append((int.from_bytes(payload[:8], "big"), row[0], row[8:24], row))
        elif kind == 2:
            check.update(payload)
            entries.append((int.from_bytes(payload[17:], "big"), payload[0], payload[1:17], None))
        elif kind == 9:
            check.update(payload[16:])
            assert check.digest()[:16] == payload[:16], "the check does not hold"
            assert at == len(page), "something behind the end"
            return entries, json.loads(payload[16:])
        else:
            assert kind >= 128, f"a frame of type {kind}"


def digest_of(rows):
    """168 bytes over {kind: {id: (version, row)}}."""
    out = b""
    for kind in KINDS:
        total = sum(int.from_bytes(row_hash(row), "big") for _, row in rows.get(kind, {}).values()) % (1 << 128)
        out += struct.pack(">Q", len(rows.get(kind, {}))) + total.to_bytes(16, "big")
    return out


class Replica:
    def __init__(self, url, organization, token, page_bytes=None, connections=None):
        self.base = f"{url}/api/metadata-sync/organizations/{organization}"
        self.token, self.page_bytes, self.chosen = token, page_bytes, connections
        self.rows, self.cursors, self.valid, self.repaired, self.resets = {}, {}, {}, 0, []

    def get(self, path):
        request = urllib.request.Request(self.base + path, headers={
            "Authorization": f"Bearer {self.token}", "Accept-Encoding": "gzip"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                body = answer.read()
                if answer.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if answer.headers.get_content_type() == "application/json":
                    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
                    assert answer.headers["Unencoded-Digest"] == f"sha-256=:{digest}:", "changed on its way here"
                return body
        except urllib.error.HTTPError as error:
            problem = json.loads(error.read() or b"{}")
            if error.code == 410:
                raise Gone(problem["code"]) from None
            if error.code == 503:
                raise Busy(problem["message"]) from None
            raise

    def page(self, connection):
        query = [f"cursor={self.cursors[connection]}"] if connection in self.cursors else []
        query += [f"max_bytes={self.page_bytes()}"] if self.page_bytes else []
        entries, end = read_page(self.get(f"/connections/{connection}/changes?" + "&".join(query)))
        assert end["connection"] == connection, "the page of another connection"
        return entries, end

    def forget(self, connection):
        for held in (self.rows, self.cursors, self.valid):
            held.pop(connection, None)

    def take(self, connection, entries):
        rows = self.rows.setdefault(connection, {kind: {} for kind in KINDS})
        for version, kind, id, row in entries:
            if row is None:
                rows[kind].pop(id, None)
            elif kind not in rows or version >= rows[kind].get(id, (0,))[0]:
                rows.setdefault(kind, {})[id] = (version, row)

    def step(self, connection):
        """One page. Whether it was the last one."""
        entries, end = self.page(connection)
        self.take(connection, entries)
        self.cursors[connection] = end["cursor"]
        if not end["up_to_date"]:
            return False
        if digest_of(self.rows[connection]).hex() != end["digest"]:
            self.repair(connection, end["valid_through"])
            return False  # what was fetched may be newer than the page: on to the next one
        self.valid[connection] = end["valid_through"]
        return True

    def repair(self, connection, version):
        """Fetches the buckets in which the rows differ."""
        self.repaired += 1
        assert self.repaired < 10, "repairs do not help"
        for kind in KINDS:
            theirs = json.loads(self.get(f"/connections/{connection}/digest?kind={kind}&at_least={version}"))
            ours = [[0, 0] for _ in range(256)]
            bucket_of = {id: hashlib.sha256(id).digest()[0] for id in self.rows[connection][kind]}
            for id, (_, row) in self.rows[connection][kind].items():
                ours[bucket_of[id]][0] += 1
                ours[bucket_of[id]][1] += int.from_bytes(row_hash(row), "big")
            for bucket, (count, total) in enumerate(theirs["buckets"]):
                if [count, total] == [ours[bucket][0], (ours[bucket][1] % (1 << 128)).to_bytes(16, "big").hex()]:
                    continue
                entries, _ = read_page(self.get(
                    f"/connections/{connection}/rows?kind={kind}&bucket={bucket}&at_least={version}"))
                for id in [id for id, its in bucket_of.items() if its == bucket]:
                    del self.rows[connection][kind][id]
                self.take(connection, entries)

    def sync(self):
        """Until every connection is up to date; the version all of it is of."""
        heads = json.loads(self.get("/heads"))
        wanted = [head["id"] for head in heads["connections"] if self.chosen is None or head["id"] in self.chosen]
        for connection in [held for held in self.rows if held not in wanted]:
            self.forget(connection)
        for connection in wanted:
            try:
                while not self.step(connection):
                    pass
            except Gone as gone:
                self.resets.append(gone.args[0])
                self.forget(connection)
        return min(self.valid.values(), default=heads["version"])
