#!/bin/sh
# Writes the lock files anew from pyproject.toml, each package at its newest release with the hashes of all its files.
# Needs a network. A lock file names no index and no address, so that a mirror serves as well as the registry.
set -eu
cd "$(dirname "$0")/.."

uv=build/uv/bin/uv
[ -x "$uv" ] || { .venv/bin/python -m venv build/uv && build/uv/bin/pip install --quiet uv; }

lock() {
    "$uv" pip compile --quiet --no-config --universal --python-version 3.11 --upgrade --generate-hashes --no-header --no-emit-index-url "$@"
}
lock pyproject.toml --group build --output-file requirements.lock
lock pyproject.toml --group build --group dev --constraints requirements.lock --output-file requirements-dev.lock
