# Thin: each target installs what is missing (scripts/install-dependencies, quiet when all is there) and calls CMake,
# CTest or one script. docs/operate.md and docs/develop.md say more.

JOBS ?= $(shell nproc)
DEPS := scripts/install-dependencies
CONFIGURE = test -f build/build.ninja || cmake --preset release --log-level=WARNING >/dev/null
# A terminal sees how far it is; a file gets only what went wrong.
NINJA = ninja -C build -j$(JOBS) $(shell test -t 2 || echo --quiet)

.DEFAULT_GOAL := help
.PHONY: help build demo test soak fuzz lint bench lineage-report clean

help:
	@echo "make demo    start a server, push a dbt project, see all five endpoints answer"
	@echo "             (MANIFEST=… CATALOG=… for a project of your own)"
	@echo "make build   the program: build/tideline"
	@echo "make test    build everything and run every test"
	@echo "make soak    the long tests: kill -9 at random, paged syncs under writes, a 500 MB manifest"
	@echo "make fuzz    every fuzzer for FUZZ_SECONDS (60) each, under ASan and UBSan"
	@echo "make lint    layout, layers and clang-tidy"
	@echo "make bench   the figures of docs/benchmarks.md"
	@echo "make lineage-report  precision and recall of the column lineage on real projects"

build:
	@$(DEPS) build
	@$(CONFIGURE)
	@test -x build/tideline || echo "Building build/tideline: some minutes the first time"
	@$(NINJA) tideline

demo: build
	@MANIFEST='$(MANIFEST)' CATALOG='$(CATALOG)' scripts/demo

test:
	@$(DEPS) build test
	@$(CONFIGURE)
	@echo "Building the program and its tests: some ten minutes the first time"
	@$(NINJA)
	@ctest --test-dir build --output-on-failure -j$(JOBS)

soak:
	@$(DEPS) build test
	@$(CONFIGURE)
	@$(NINJA)
	@TIDELINE_SOAK=1 ctest --test-dir build --output-on-failure -L e2e --timeout 7200

fuzz:
	@$(DEPS) build
	@scripts/fuzz

lint:
	@$(DEPS) build test lint
	@scripts/lint

bench:
	@$(DEPS) build test bench
	@$(CONFIGURE)
	@$(NINJA)
	@scripts/bench

lineage-report:
	@$(DEPS) build test bench
	@$(CONFIGURE)
	@$(NINJA) lineage_answers
	@bench/lineage_report.py
	@bench/project_report.py

clean:
	rm -rf build
