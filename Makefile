# Each target does its own set-up, and may be run again at any time.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: help demo test bench differential build generated setup check clean

# Recursive, so that rustc is asked only after the set-up.
TARGET = $(shell rustc -vV | sed -n 's/^host: //p')
BINARY = target/$(TARGET)/release/podnet

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: ## build the lab, show a pod's way to the wire in it, take it down again
	scripts/setup demo
	$(MAKE) --no-print-directory build
	scripts/demo "$(BINARY)"

test: ## all tests, those that need root included
	scripts/setup test
	cargo test

bench: ## podnet against the shell on a full node, on 10,000 services and on 200,000 flows, with ratios and peak memory
	scripts/setup test
	$(MAKE) --no-print-directory build
	status=0; for bench in node rules flows; do PODNET="$$PWD/$(BINARY)" cargo bench --profile dev --bench $$bench || status=1; done; exit $$status

N ?= 500
differential: ## N random networks of each kind, 20 real packets each, every frame compared with what trace says
	scripts/setup test
	PODNET_PATH_NETS=$(N) cargo test --test path

build: ## the static release binary
	scripts/setup build
	RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --target $(TARGET)
	scripts/check-binary $(BINARY)

generated: ## man pages, completions and schemas, from the types
	scripts/setup build
	PODNET_GENERATE=1 cargo test --test cli generated

check: ## formatting, lints, documentation
	scripts/setup build
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

setup: ## what building and testing needs
	scripts/setup test

clean: ## what cargo built
	cargo clean
