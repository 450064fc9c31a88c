#!/bin/sh
# Makes .venv with what Gatepost needs: `setup.sh run` for running it, `setup.sh test` for tests and lint too.
# Does nothing, and asks no network, while lock file, pyproject.toml, interpreter and folder are those of the last time.
set -eu
cd "$(dirname "$0")/.."

case "${1:-run}" in
    run) lock=requirements.lock ;;
    test) lock=requirements-dev.lock ;;
    *) echo "usage: $0 run|test" >&2; exit 2 ;;
esac
start=$(date +%s)

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# The distribution's own interpreter first: it was measured a fifth faster than others, and its packages fit the system's libraries.
python=
for candidate in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
    if path=$(command -v "$candidate") && new_enough "$path"; then python=$path; break; fi
done
[ -n "$python" ] || { echo "setup: Gatepost needs Python 3.11 or later, and neither /usr/bin/python3 nor a python3.1x on PATH is one." >&2; exit 1; }

# A stamp holds what set-up depends on; the folder is in it because a virtual environment does not survive being moved.
state() { { "$python" --version; echo "$python"; pwd -P; cat "$lock" pyproject.toml; } | sha256sum; }
stamp=.venv/stamp-$lock
if [ -x .venv/bin/gatepost ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(state)" ] && .venv/bin/python -c '' 2>/dev/null; then exit 0; fi

if ! "$python" -c 'import ensurepip, venv; ensurepip.version()' 2>/dev/null; then
    package=python3-venv
    [ "$python" = /usr/bin/python3 ] || package=$(basename "$(readlink -f "$python")")-venv
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "setup: $python cannot make a virtual environment. As root: apt-get install $package" >&2
        exit 1
    fi
    echo "setup: installing $package"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -qq -y --no-install-recommends "$package" >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -qq -y --no-install-recommends "$package" >/dev/null; }
fi

echo "setup: $("$python" --version) ($python), packages of $lock"
# Made anew when the interpreter or the folder changed; otherwise pip changes only what differs.
if ! [ "$(cat .venv/made-by 2>/dev/null)" = "$python $("$python" --version) $(pwd -P)" ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    rm -rf .venv
    "$python" -m venv .venv
fi
rm -f .venv/stamp-*
pip() { .venv/bin/python -m pip -qq --disable-pip-version-check --no-input "$@"; }
pip install --require-hashes -r "$lock"
# The build backend is in the lock file, so nothing is fetched for this.
pip install --no-build-isolation --no-deps --no-index -e .
echo "$python $("$python" --version) $(pwd -P)" > .venv/made-by
state > "$stamp"
# What tests need includes what running needs.
if [ "$lock" = requirements-dev.lock ]; then lock=requirements.lock; state > .venv/stamp-requirements.lock; fi
echo "== setup: $(($(date +%s) - start)) s"
