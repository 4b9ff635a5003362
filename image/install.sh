#!/bin/sh
# Puts the product on this Debian or Raspberry Pi OS, brings it up to date, takes it off again.
# Called by `sudo make install`; the Makefile holds the lists of system packages.
#
#   image/install.sh install       everything; again: an upgrade in place
#   image/install.sh packages      only the Python packages (an image builder keeps them)
#   image/install.sh fingerprint   what the Python packages are made from
#   image/install.sh uninstall     the program goes; settings, backups and disks stay
#
# With DESTDIR=/some/root the files go below it and nothing is started. Below /opt/appliance:
#
#   venvs/KEY/       Python packages, made once for each lock; `ready` is written last
#   releases/KEY/    this checkout's program and system files; `whole` is written last
#   current          -> releases/KEY: replaced in one step, the moment of the upgrade
#   .venv            -> current/.venv -> venvs/KEY
#
# Every step may be cut off and repeated. Old releases go last, when the new one runs.
set -eu
cd "$(dirname "$0")/.."
again="sudo make install"
python_variable=SYSTEM_PYTHON
python=${PYTHON:-/usr/bin/python3}
root=${DESTDIR:-}
root=${root%/}
opt=$root/opt/appliance
. image/common.sh

inside() { # run a program of the system that we install into
    if [ -n "$root" ]; then chroot "$root" "$@"; else "$@"; fi
}

systemd_runs() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

# --- Python packages --------------------------------------------------------------------------

has_python() { inside "$python" -c '' 2>/dev/null; }

fingerprint() {
    sed "/^$marker_dev/,\$d" requirements.lock | sha256sum | cut -d ' ' -f 1
    inside "$python" -V
    uname -m
}

key_of() { sha256sum | cut -c 1-12; }

# The services see neither /home nor /root.
check_place_of_python() {
    prefix=$(inside "$python" -c 'import sys; print(sys.base_prefix)')
    case $prefix/ in
    /home/* | /root/*) stop "$python lies in somebody's home folder, where the services cannot see it.
Leave SYSTEM_PYTHON out, or name one in /usr." ;;
    esac
}

is_ready() { [ "$(cat "$1/ready" 2>/dev/null)" = "$(fingerprint)" ]; }

# What an image builder made before us at the plain name is taken over where it fits.
adopt_packages() {
    [ -d "$opt/.venv" ] && [ ! -L "$opt/.venv" ] || return 0
    if is_ready "$opt/.venv" && [ ! -e "$opt/$venv" ]; then
        mkdir -p "$opt/venvs"
        mv "$opt/.venv" "$opt/$venv"
    else
        rm -rf "$opt/.venv"
    fi
}

need_packages() {
    if ! has_python; then
        [ -n "$root" ] || check_python
        say "There is no Python below $root, so the Python packages are not installed there."
        return 0
    fi
    [ -n "$root" ] || check_python
    check_place_of_python
    venv=venvs/$(fingerprint | key_of)
    adopt_packages
    is_ready "$opt/$venv" && return 0
    # shellcheck disable=SC2086 # one word per package
    [ -n "$root" ] || install_packages ${BUILD_PACKAGES:-}
    if [ -n "$root" ]; then make_venv_below_root; else make_venv; fi
}

make_venv() {
    rm -rf "${opt:?}/$venv"
    mkdir -p "$opt/venvs"
    "$python" -m venv "$opt/$venv" || stop "Python's venv could not be made."
    fill "$opt/$venv" requirements.lock
    fingerprint >"$opt/$venv/ready.part"
    sync -f "$opt"
    mv "$opt/$venv/ready.part" "$opt/$venv/ready"
}

make_venv_below_root() {
    mkdir -p "$opt/packages/image"
    cp requirements.lock "$opt/packages"
    cp image/common.sh image/install.sh "$opt/packages/image"
    chroot "$root" env DESTDIR= PYTHON="$python" BUILD_PACKAGES= \
        sh /opt/appliance/packages/image/install.sh packages
    rm -r "$opt/packages"
}

# Our own package is found through `current`, by the path it has when the program starts: a
# program that runs keeps to its release while the next one is put in place.
link_program() {
    packages=$(echo "$opt/$venv"/lib/python3*/site-packages)
    echo 'import os, sys; sys.path.append(os.path.realpath("/opt/appliance/current"))' |
        put 644 "$packages/appliance.pth"
    put 755 "$opt/$venv/bin/appliance" <<END
#!/opt/appliance/$venv/bin/python -I
from appliance.cli import main
main(prog_name="appliance")
END
}

# --- files ------------------------------------------------------------------------------------

put() { # put MODE FILE <content: whole, or not at all
    mkdir -p "$(dirname "$2")"
    cat >"$2.part"
    chmod "$1" "$2.part"
    mv -f "$2.part" "$2"
}

parts() { find appliance systemd image requirements.lock -type f ! -path '*/__pycache__/*' | LC_ALL=C sort; }

release_key() {
    {
        echo "${venv:-}"
        parts | xargs -d '\n' sha256sum
    } | key_of
}

make_release() {
    release=releases/$(release_key)
    [ -f "$opt/$release/whole" ] && return 0
    rm -rf "${opt:?}/$release"
    mkdir -p "$opt/$release"
    parts | tar -c --owner=0 --group=0 -T - | tar -x -C "$opt/$release" --no-same-permissions
    [ -z "${venv:-}" ] || ln -s "../../$venv" "$opt/$release/.venv"
    if [ -n "${venv:-}" ]; then
        inside "/opt/appliance/$venv/bin/python" -m compileall -q --invalidation-mode unchecked-hash \
            "/opt/appliance/$release/appliance"
    fi
    sync -f "$opt"
    : >"$opt/$release/whole"
}

point() { # point LINK TARGET, in one step
    ln -sfn "$2" "$1.part"
    mv -fT "$1.part" "$1"
}

switch() {
    point "$opt/current" "$release"
    [ -d "$opt/.venv" ] && [ ! -L "$opt/.venv" ] && rm -rf "$opt/.venv"
    point "$opt/.venv" current/.venv
    mkdir -p "$root/usr/local/bin"
    point "$root/usr/local/bin/appliance" /opt/appliance/.venv/bin/appliance
    sync -f "$opt"
}

system_files() { (cd "$1/systemd" && find etc -type f | LC_ALL=C sort); }

lay_system_files() {
    changed=
    for file in $(system_files "$opt/$release"); do
        cmp -s "$opt/$release/systemd/$file" "$root/$file" && continue
        put 644 "$root/$file" <"$opt/$release/systemd/$file"
        changed="$changed $file"
    done
    for old in "$opt"/releases/*/systemd; do
        for file in $(system_files "${old%/systemd}"); do
            [ -e "$opt/$release/systemd/$file" ] && continue
            forget_unit "$file"
            rm -f "$root/$file"
        done
    done
}

first_configuration() {
    zone=$(cat "$root/etc/timezone" 2>/dev/null || true)
    [ -n "$zone" ] || zone=$(readlink "$root/etc/localtime" | sed 's|.*/zoneinfo/||')
    sed "s|@TIMEZONE@|${zone:-UTC}|" image/first.toml
}

lay_configuration() {
    file=$root/etc/appliance/appliance.toml
    [ -e "$file" ] || first_configuration | put 640 "$file"
}

# --- the system -------------------------------------------------------------------------------

units() { (cd "$1/systemd/etc/systemd/system" && ls); }
started_units() { grep -l '^WantedBy=' "$1"/systemd/etc/systemd/system/*.service | xargs -n 1 basename; }

make_users_and_folders() {
    systemd-sysusers ${root:+"--root=$root"} "$root/etc/sysusers.d/appliance.conf"
    systemd-tmpfiles ${root:+"--root=$root"} --create "$root/etc/tmpfiles.d/appliance.conf" ||
        say "Some folders could not be made now; the next boot tries again."
}

forget_unit() {
    case $1 in
    etc/systemd/system/*) systemctl ${root:+"--root=$root"} --quiet disable "${1##*/}" 2>/dev/null || true
        systemd_runs && systemctl --quiet stop "${1##*/}" 2>/dev/null || true ;;
    esac
}

enable() {
    # shellcheck disable=SC2046 # one word per unit
    systemctl ${root:+"--root=$root"} --quiet enable $(started_units "$opt/$release")
}

reload_what_changed() {
    case $changed in *system.conf.d*) systemctl daemon-reexec ;; *) systemctl daemon-reload ;; esac
    case $changed in *journald.conf.d*) systemctl restart systemd-journald ;; esac
    case $changed in *timesyncd.conf.d*) systemctl try-restart systemd-timesyncd ;; esac
    case $changed in *udev*)
        udevadm control --reload 2>/dev/null && udevadm trigger --subsystem-match=gpio 2>/dev/null || true ;;
    esac
}

start() {
    reload_what_changed
    say "Starting the services (what runs just now is stopped in good order first)"
    # shellcheck disable=SC2046 # one word per unit
    systemctl reset-failed $(started_units "$opt/$release") 2>/dev/null || true
    for unit in $(started_units "$opt/$release"); do
        systemctl restart "$unit" || { say "$unit did not start."; failed=yes; }
    done
}

remove_old() {
    for old in "$opt"/releases/* "$opt"/venvs/*; do
        case $old in
        "$opt/$release" | "$opt/${venv:-none}") ;;
        *) rm -rf "$old" ;;
        esac
    done
}

# --- what is asked for ------------------------------------------------------------------------

need_root() {
    [ "$(id -u)" = 0 ] || stop "This changes the whole machine, so it needs its administrator: sudo make $1"
    umask 022
}

one_at_a_time() {
    mkdir -p "$opt"
    exec 9>"$opt/.lock"
    flock -n 9 || stop "Another installation is at work on this machine. Wait until it has ended."
}

# A disk of the office's sleeps until somebody wants it: smartd, which comes with smartctl and wakes
# every disk each half hour, is switched off, unless it was there before us.
run_packages() {
    # shellcheck disable=SC2086 # one word per package
    case " $(missing_packages ${RUN_PACKAGES:-})" in *" smartmontools "*) brought=yes ;; *) brought= ;; esac
    # shellcheck disable=SC2086 # as above
    install_packages ${RUN_PACKAGES:-}
    [ -n "$brought" ] || return 0
    systemctl --quiet disable smartmontools 2>/dev/null || true
    if systemd_runs; then systemctl --quiet stop smartmontools 2>/dev/null || true; fi
}

install_all() {
    need_root install
    [ -n "$root" ] || run_packages
    one_at_a_time
    need_packages
    make_release
    [ -z "${venv:-}" ] || link_program
    switch
    lay_system_files
    lay_configuration
    make_users_and_folders
    enable
    failed=
    if systemd_runs; then start; fi
    if [ -z "$failed" ]; then remove_old; fi
    tell
}

tell() {
    if ! systemd_runs; then
        say "Installed below ${root:-/}. The services start at the next boot."
    elif inside /usr/local/bin/appliance doctor >/dev/null 2>&1; then
        say "Installed, and all is in order. Next: \`sudo appliance web claim\` makes the page yours."
    else
        say "Installed. \`sudo appliance doctor\` says what is still to do."
    fi
}

only_packages() {
    need_root install
    one_at_a_time
    need_packages
}

uninstall() {
    need_root uninstall
    for release in "$opt"/releases/* .; do
        [ -d "$release/systemd" ] || continue
        for file in $(system_files "$release"); do
            forget_unit "$file"
            rm -f "$root/$file"
        done
    done
    rm -f "$root/usr/local/bin/appliance"
    rm -rf "$opt"
    if systemd_runs; then
        systemctl daemon-reexec
        systemctl reset-failed 'appliance-*' 2>/dev/null || true
    fi
    say "The program is gone. These stay, because they are yours:
    $root/etc/appliance          the settings
    $root/var/lib/appliance      the record of all backups, and their passphrases
    $root/var/lib/appliance-web  the page's password and certificate
    the disks, and how they are mounted (mnt-appliance-*.mount)
    the users appliance, appliance-panel and appliance-web, to whom those belong"
}

case ${1:-} in
install) install_all ;;
packages) only_packages ;;
fingerprint) fingerprint ;;
uninstall) uninstall ;;
*) stop "image/install.sh install | packages | fingerprint | uninstall" ;;
esac
exit
