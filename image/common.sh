# What setup.sh and install.sh share: sentences, system packages, Python packages from the lock.
# Sourced by both; `again` is what a person types to try anew.

marker='# What the product needs.'
marker_dev='# What only tests and checks need.'
again=${again:-make}

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
Install what corresponds to these, then run: $again PACKAGES=
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
    $again ${python_variable:-PYTHON}=/path/to/python3.12"
}

# pip_in VENV ARGUMENT...
pip_in() {
    into=$1
    shift
    log=$(mktemp)
    # PYPI=1: lgpio's source is built with its own C files where no wheel fits this Python.
    PYPI=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
        "$into/bin/python" -m pip install --quiet "$@" >"$log" 2>&1 ||
        explain "$log" "the Python packages"
    rm -f "$log"
}

# fill VENV LOCK: what the product needs, each file of it known by its hash.
# Borg comes as source for Linux and is built here: what it needs for that stands first in the
# lock, is installed first, and serves instead of an isolated (and unpinned) build environment.
fill() {
    say "Installing the Python packages into $1 (some minutes on a Raspberry Pi)"
    sed "/^$marker/,\$d" "$2" >"$1/first.txt"
    sed "/^$marker_dev/,\$d" "$2" >"$1/product.txt"
    pip_in "$1" --require-hashes --only-binary :all: -r "$1/first.txt"
    pip_in "$1" --require-hashes --no-build-isolation -r "$1/product.txt"
}
