#!/bin/sh
# Installs or unpacks what packaging/debian-test-packages.txt lists. Asks no network while nothing is missing.
# Starts no service: installing a mail server must not open a port. Removes no package: where another mail server is installed, it stays,
# this stops, and the tests that need ours say so. Without root it changes nothing.
set -eu
cd "$(dirname "$0")/.."
list=packaging/debian-test-packages.txt
start=$(date +%s)

if ! command -v apt-get >/dev/null; then echo "servers: not a Debian: install by hand what $list names"; exit 0; fi

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
missing=
for name in $(awk '$1 == "install" { print $2 }' "$list"); do installed "$name" || missing="$missing $name"; done
named() { awk -v verb="$1" -v folder="$2" '$1 == verb && $2 == folder { print $3 }' "$list"; }
# Folders of which build/debian/FOLDER.names, written when one is complete, does not say what the list says.
lacking() {
    for folder in $(awk -v verb="$1" '$1 == verb { print $2 }' "$list" | sort -u); do
        [ "$(cat "build/debian/$folder.names" 2>/dev/null)" = "$(named "$1" "$folder")" ] || echo "$folder"
    done
}
folders=$(lacking unpack)
trees=$(lacking tree)
[ -n "$missing$folders$trees" ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "servers: not root, so nothing is installed; tests skip what they lack:$missing" $folders $trees
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
log=build/debian/apt.log
mkdir -p build/debian
apt() { apt-get -qq -y --no-install-recommends "$@" >>"$log" 2>&1 </dev/null || { tail -n 20 "$log" >&2; return 1; }; }
apt update

# policy-rc.d forbids service starts; one that was there before comes back, whatever happens.
policy=/usr/sbin/policy-rc.d
restore() {
    rm -f "$policy"
    if [ -e "$policy.gatepost-saved" ] || [ -L "$policy.gatepost-saved" ]; then mv "$policy.gatepost-saved" "$policy"; fi
}
if [ -n "$missing" ]; then
    echo "servers: installing$missing"
    trap restore EXIT
    trap 'exit 1' HUP INT TERM
    if [ -e "$policy" ] || [ -L "$policy" ]; then [ -e "$policy.gatepost-saved" ] || mv "$policy" "$policy.gatepost-saved"; fi
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    command -v debconf-set-selections >/dev/null && echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
    # shellcheck disable=SC2086 # a list of names
    apt install --no-remove $missing
    restore
    trap - EXIT
fi

into_place() {
    rm -rf --one-file-system "build/debian/$2"
    mv "build/debian/$2.new" "build/debian/$2"
    named "$1" "$2" >"build/debian/$2.names"
}

# What `apt-get install` would bring in, by its own dry run, is what the package needs and the machine lacks.
unpack() {
    folder=$1
    shift
    into=$PWD/build/debian/$folder
    rm -rf "$into.new" "$into.debs"
    mkdir -p "$into.new" "$into.debs"
    names=$(apt-get -s -qq --no-install-recommends install "$@" | awk '/^Inst / { print $2 }')
    # shellcheck disable=SC2086 # a list of names
    (cd "$into.debs" && apt-get -qq -o APT::Sandbox::User=root download $names)
    for deb in "$into.debs"/*.deb; do dpkg -x "$deb" "$into.new"; done
    rm -rf "$into.debs"
    into_place unpack "$folder"
}
for folder in $folders; do
    echo "servers: unpacking $folder"
    # shellcheck disable=SC2046 # a list of names
    unpack "$folder" $(named unpack "$folder")
done

# From where this machine has its own packages, so that a mirror serves.
for suite in $trees; do
    echo "servers: a tree of Debian's $suite"
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
    rm -rf --one-file-system "build/debian/$suite.new"
    include=$(named tree "$suite" | paste -s -d , -)
    debootstrap --variant=minbase --include="$include" "$suite" "build/debian/$suite.new" ${mirror:+"$mirror"} >>"$log" 2>&1 </dev/null ||
        { tail -n 20 "$log" >&2; exit 1; }
    rm -rf "build/debian/$suite.new/var/cache/apt/archives"/*.deb
    into_place tree "$suite"
done
echo "== server packages: $(($(date +%s) - start)) s"
