#!/usr/bin/python3
"""Dependencies point down only.

A folder of src includes only folders below it (TIERS), never one beside it; a third-party header is included only by
the folders that own it (OWNERS). Reads every #include under src; prints each offence as file:line.

    tests/layers/layers.py              check this checkout
    tests/layers/layers.py --self-test  check that offences are found
"""
import pathlib
import re
import sys
import tempfile

# From the top down. Folders of one tier do not know each other.
TIERS = [
    {"cli"},
    {"lsp", "mcp", "server", "sync"},
    {"store", "replica", "extract"},
    {"pg", "http", "lineage", "wire"},
    {"sql", "model"},
    {"base"},
]
# sql is about text alone: it does not even know that there are records.
ONLY = {"sql": {"base"}}

# Prefix of an included header -> folders that may include it. The longest prefix counts. What is not named here and
# not in the C++ standard library or POSIX is an offence: name it, and say in docs/dependencies.md why it is there.
OWNERS = {
    "CLI/": {"cli"},
    "boost/asio": {"cli", "server", "store", "pg", "http", "base"},
    "boost/system": {"cli", "server", "store", "pg", "http"},
    "boost/beast": {"http"},
    "curl/": {"http"},
    "emmintrin.h": {"extract"},  # SSE2, part of every x86-64
    "fmt/": {"base", "cli", "extract"},
    "libdeflate.h": {"http"},
    "libpq-fe.h": {"pg"},
    "openssl/": {"base", "server"},
    "simdjson.h": {"base", "extract"},
    "spdlog/": {"cli"},
    "sqlite3.h": {"replica"},
    "tl/expected.hpp": {"base", "http", "server", "sync"},
    "toml++/": {"cli"},
    "xxhash.h": {"base"},
    "yaml.h": {"extract"},
    "zlib.h": {"http"},
    "zstd.h": {"http"},
}
POSIX = re.compile(r"^(sys|netinet|arpa|linux)/\w+\.h$|^(dirent|fcntl|grp|netdb|poll|pthread|pwd|sched|signal|spawn|"
                   r"syslog|termios|unistd|strings|errno|limits|time|malloc)\.h$")
STANDARD = re.compile(r"^[a-z_0-9]+$")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def tier_of(folder):
    for index, tier in enumerate(TIERS):
        if folder in tier:
            return index
    return None


def offences(root):
    source = pathlib.Path(root) / "src"
    for path in sorted(p for p in source.rglob("*") if p.suffix in (".h", ".cpp")):
        folder = path.relative_to(source).parts[0]
        mine = tier_of(folder)
        where = path.relative_to(root)
        if mine is None:
            yield f"{where}: the folder {folder} is no layer"
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            quote, header = match.groups()
            if quote == '"':
                other = header.split("/")[0]
                theirs = tier_of(other) if "/" in header else None
                if theirs is None:
                    yield f'{where}:{number}: "{header}" is not written as "layer/file.h"'
                elif other != folder and (theirs <= mine or other not in ONLY.get(folder, {other})):
                    yield f"{where}:{number}: {folder} must not include {header}: {other} is not below it"
            elif not (STANDARD.match(header) or POSIX.match(header)):
                owners = max(((p, o) for p, o in OWNERS.items() if header.startswith(p)),
                             key=lambda item: len(item[0]), default=(None, None))[1]
                if owners is None:
                    yield f"{where}:{number}: <{header}> has no owner in tests/layers/layers.py"
                elif folder not in owners:
                    yield f"{where}:{number}: <{header}> belongs to {', '.join(sorted(owners))}, not to {folder}"


def self_test():
    cases = [
        ("base/a.cpp", '#include "model/records.h"', True),
        ("pg/a.cpp", '#include "http/server.h"', True),
        ("sql/a.cpp", '#include "model/records.h"', True),
        ("pg/a.cpp", '#include "base/error.h"', False),
        ("cli/a.cpp", '#include "pg/cluster.h"', False),
        ("store/a.cpp", "#include <libpq-fe.h>", True),
        ("pg/a.cpp", "#include <libpq-fe.h>", False),
        ("pg/a.cpp", "#include <unheard/of.hpp>", True),
        ("pg/a.cpp", "#include <sys/stat.h>", False),
        ("pg/a.cpp", "#include <string_view>", False),
        ("pg/a.cpp", '#include "cluster.h"', True),
        ("utils/a.cpp", "#include <string>", True),
    ]
    for name, line, bad in cases:
        with tempfile.TemporaryDirectory() as root:
            path = pathlib.Path(root) / "src" / name
            path.parent.mkdir(parents=True)
            path.write_text(line + "\n")
            assert bool(list(offences(root))) == bad, (name, line)
    print(f"layers: {len(cases)} cases")


if __name__ == "__main__":
    if "--self-test" in sys.argv:
        self_test()
        sys.exit(0)
    found = list(offences(pathlib.Path(__file__).resolve().parents[2]))
    print("\n".join(found) if found else "layers: every arrow points down")
    sys.exit(1 if found else 0)
