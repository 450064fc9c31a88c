#!/bin/sh
# Writes the lock files anew from pyproject.toml: of each package the newest release that has wheels for every Python and machine that we name, so that
# nothing is ever built from source, with the hashes of all its files.
# Needs a network. A lock file names no index and no address, so that a mirror serves as well as the registry.
set -eu
cd "$(dirname "$0")/.."

# What Gatepost runs on; its tests, on what the classifiers name: there tools may need a release that has no wheels for later ones yet.
pythons="3.11 3.12 3.13 3.14"
tested=$(sed -n 's/.*"Programming Language :: Python :: \(3\.[0-9]*\)".*/\1/p' pyproject.toml)
machines="x86_64 aarch64"

uv=build/uv/bin/uv
[ -x "$uv" ] || { .venv/bin/python -m venv build/uv && build/uv/bin/pip install --quiet uv; }
most=build/uv/most
compile() { "$uv" pip compile --quiet --no-config --no-header --no-emit-index-url "$@"; }

# lock PYTHONS FILE OPTION...: the newest releases for one Python and machine are the most that the next may take, until all agree.
lock() {
    wanted=$1 file=$2 agreed=
    shift 2
    : > "$most"
    while [ -z "$agreed" ]; do
        cp "$most" "$most.before"
        for python in $wanted; do
            for machine in $machines; do
                compile --python-version "$python" --python-platform "$machine-unknown-linux-gnu" --only-binary :all: --upgrade --no-annotate \
                    --constraints "$most" pyproject.toml "$@" > "$most.here"
                # These take the place of their like; what is not needed here stays.
                sed 's/==/<=/; s/ *;.*//' "$most.here" | LC_ALL=C sort -t '<' -k 1,1 -s -u - "$most" > "$most.now"
                mv "$most.now" "$most"
            done
        done
        ! cmp -s "$most.before" "$most" || agreed=yes
    done
    # Where nothing is to be upgraded, what stands in the file is kept.
    sed 's/<=/==/' "$most" > "$file"
    compile --universal --python-version 3.11 --generate-hashes pyproject.toml "$@" --output-file "$file"
}
lock "$pythons" requirements.lock --group build
lock "$tested" requirements-dev.lock --group build --group dev --constraints requirements.lock
