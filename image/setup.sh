#!/bin/sh
# Makes this machine ready: system packages by apt, .venv from requirements.lock, ourselves in it.
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
marker='# What the product needs.'
marker_dev='# What only tests and checks need.'

say() { printf '%s\n' "$*" >&2; }

stop() {
    say "" "$@"
    exit 1
}

# Print the last words of a program that failed, with our sentence above them.
explain() {
    log=$1 what=$2
    if grep -qiE 'resol|connect|network|fetch|timed? ?out|Max retries|versions: none|proxy' "$log"; then
        say "No connection to the package servers, so $what could not be installed."
        say "Connect this machine to the internet and run the same command again."
    else
        say "$what could not be installed. The last lines of what was said:"
    fi
    tail -n 4 "$log" | cut -c1-200 | sed 's/^/    /' >&2
    exit 1
}

missing_packages() {
    for package; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
        [ "$state" = installed ] || printf '%s ' "$package"
    done
}

install_packages() {
    [ $# -gt 0 ] || return 0
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        stop "This is not Debian or Raspberry Pi OS, so the system packages cannot be installed.
Install what corresponds to these, then run: make install PACKAGES=
    $*"
    fi
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || stop "Some system packages are missing, and there is no sudo.
Ask whoever looks after this machine to run:
    apt-get install $missing"
        as_root=sudo
    fi
    say "Installing system packages: $missing"
    log=$(mktemp)
    # shellcheck disable=SC2086 # one word per package
    {
        $as_root apt-get -q update >"$log" 2>&1 &&
        $as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get -qy install --no-install-recommends $missing >>"$log" 2>&1
    } || explain "$log" "the system packages $missing"
    rm -f "$log"
}

check_python() {
    command -v "$python" >/dev/null || stop "There is no $python on this machine."
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || stop \
"This needs Python 3.11 or newer; $python is $("$python" -V 2>&1).
Debian 12, Debian 13 and today's Raspberry Pi OS have it. Or name another one:
    make install PYTHON=/path/to/python3.12"
}

# What .venv must have been made from: these files, this Python, this place.
fingerprint() {
    cat requirements.lock pyproject.toml image/setup.sh | sha256sum
    .venv/bin/python -V 2>/dev/null || echo none
    pwd
}

pip() {
    log=$(mktemp)
    # PYPI=1: lgpio's source is built with its own C files where no wheel fits this Python.
    PYPI=1 PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip install --quiet "$@" >"$log" 2>&1 ||
        explain "$log" "the Python packages"
    rm -f "$log"
}

# Borg comes as source for Linux and is built here: what it needs for that stands first in the
# lock, is installed first, and serves instead of an isolated (and unpinned) build environment.
fill_venv() {
    say "Installing the Python packages into .venv (some minutes on a Raspberry Pi)"
    first=.venv/first.txt
    product=.venv/product.txt
    sed "/^$marker/,\$d" requirements.lock >"$first"
    sed "/^$marker_dev/,\$d" requirements.lock >"$product"
    pip --require-hashes --only-binary :all: -r "$first"
    pip --require-hashes --no-build-isolation -r "$product"
    pip --no-deps --no-build-isolation --editable .
}

fill_dev() {
    say "Installing the tools for tests and checks into .venv/dev"
    rm -rf .venv/dev
    sed "1,/^$marker_dev/d" requirements.lock >.venv/dev.txt
    pip --require-hashes --no-deps --only-binary :all: --target .venv/dev -r .venv/dev.txt
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
    say "requirements.lock is new; run make install test before you commit it."
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
install_packages "$@"
mkdir -p .venv
exec 9<Makefile  # one at a time
flock 9
install_python
[ -z "$dev" ] || install_dev
