#!/bin/sh
# Makes this checkout ready: system packages by apt, .venv from requirements.lock, ourselves in it.
# Called by the Makefile, which holds the list of system packages. Every step may be interrupted
# and repeated; .venv/ready is written last and says what .venv was made from.
#
#   image/setup.sh PACKAGE...         install what is missing
#   image/setup.sh --dev PACKAGE...   and what tests and checks need, into .venv/dev, where the
#                                     product and its programs do not see it
#   image/setup.sh --lock             pin the Python packages anew
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
ready=.venv/ready
ready_dev=.venv/dev/ready
again="make venv"
. image/common.sh

# What .venv must have been made from: these files, this Python, this place.
fingerprint() {
    cat requirements.lock pyproject.toml image/setup.sh image/common.sh | sha256sum
    .venv/bin/python -V 2>/dev/null || echo none
    pwd
}

fill_venv() {
    fill .venv requirements.lock
    pip_in .venv --no-deps --no-build-isolation --editable .
}

fill_dev() {
    say "Installing the tools for tests and checks into .venv/dev"
    rm -rf .venv/dev
    sed "1,/^$marker_dev/d" requirements.lock >.venv/dev.txt
    pip_in .venv --require-hashes --no-deps --only-binary :all: --target .venv/dev -r .venv/dev.txt
}

whole_venv() {
    [ -x .venv/bin/python ] && .venv/bin/python -m pip --version >/dev/null 2>&1 || return 1
    [ "$(sed -n 's/^VIRTUAL_ENV=//p' .venv/bin/activate | tr -d "\"'")" = "$(pwd)/.venv" ]
}

# An older lock may have left packages behind that the product must not see.
same_packages() {
    cmp -s requirements.lock .venv/requirements.lock
}

install_python() {
    { [ -f "$ready" ] && [ "$(cat "$ready")" = "$(fingerprint)" ]; } && return 0
    check_python
    rm -f "$ready"
    same_packages && whole_venv || "$python" -m venv --clear .venv || stop "Python's venv could not be made."
    cp requirements.lock .venv/requirements.lock
    fill_venv
    fingerprint >.venv/ready.part
    mv .venv/ready.part "$ready"
}

install_dev() {
    { [ -f "$ready_dev" ] && cmp -s "$ready" "$ready_dev"; } && return 0
    fill_dev
    cp "$ready" "$ready_dev"
}

# The services that come along with packages of ours. Tests and demo start servers of their own.
services() {
    for name in ssh nginx lighttpd proftpd; do
        [ ! -e "${SERVICES:-/etc/init.d}/$name" ] || printf ' %s ' "$name"
    done
}

# Nobody asked for those that are new here, and they would listen to everybody.
silence() {
    for name in $(services); do
        case $before in *" $name "*) continue ;; esac
        ${as_root-} service "$name" stop >/dev/null 2>&1 || true
        ${as_root-} update-rc.d "$name" disable >/dev/null 2>&1 || true
    done
}

# uv resolves for every platform at once; it lives in a throw-away environment.
lock() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    "$python" -m venv "$work/venv"
    "$work/venv/bin/python" -m pip install --quiet uv
    compile() {
        "$work/venv/bin/uv" pip compile --quiet --universal --python-version 3.11 \
            --generate-hashes --no-header --no-annotate --no-emit-index-url \
            --no-emit-find-links --no-config --upgrade "$@"
    }
    compile --group build -o "$work/build" >/dev/null
    compile --constraint "$work/build" --group build --group dev pyproject.toml \
        -o "$work/all" >/dev/null
    compile --constraint "$work/all" pyproject.toml -o "$work/product" >/dev/null
    without() { # print the pins of the first file that stand in none of the others
        pins=$1
        shift
        cat "$@" | grep -o '^[^ ;]*' >"$work/names"
        awk 'NR == FNR { known[$1]; next } /^[^ ]/ { keep = !($1 in known) } keep' \
            "$work/names" "$pins"
    }
    {
        echo "# Needed first: what borgbackup's source is built with."
        cat "$work/build"
        echo "$marker"
        without "$work/product" "$work/build"
        echo "$marker_dev"
        without "$work/all" "$work/build" "$work/product"
    } >requirements.lock
    say "requirements.lock is new; run make test before you commit it."
}

if [ "${1-}" = --lock ]; then
    lock
    exit
fi
dev=
if [ "${1-}" = --dev ]; then
    dev=yes
    shift
fi
before=$(services)
install_packages "$@"
silence
mkdir -p .venv
exec 9<Makefile  # one at a time
flock 9
install_python
[ -z "$dev" ] || install_dev
