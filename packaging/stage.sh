#!/bin/sh
# stage.sh NAME COMMAND...: runs a stage of the tests and prints how long it took; its exit code is the command's.
name=$1
shift
start=$(date +%s)
"$@"
code=$?
outcome=
[ "$code" = 0 ] || outcome=", failed"
echo "== $name: $(($(date +%s) - start)) s$outcome"
exit "$code"
