# Everything starts here: `make run` shows the whole box on this machine, `make test` proves it,
# `sudo make install` makes this machine the box.
# Each target first installs what is missing, and what was done once takes no time again.

PYTHON ?= python3
# The box's own services run by the system's Python: they see nobody's home folder.
SYSTEM_PYTHON ?= /usr/bin/python3
DESTDIR ?=
ARGS   ?=

# The system packages, listed here and nowhere else.
BASE_PACKAGES  = openssh-client zstd xz-utils ca-certificates e2fsprogs
RUN_PACKAGES   = $(BASE_PACKAGES) python3 mount udev dbus polkitd smartmontools sg3-utils \
                 libxxhash0 liblz4-1
BUILD_PACKAGES = python3-venv python3-dev gcc pkg-config libssl-dev libacl1-dev liblz4-dev \
                 libzstd-dev libxxhash-dev swig
DEMO_PACKAGES  = openssh-server nginx-light
PACKAGES       = $(BUILD_PACKAGES) $(BASE_PACKAGES) $(DEMO_PACKAGES)
TEST_PACKAGES  = faketime curl unzip zip strace systemd smartmontools duktape mount util-linux \
                 exfatprogs dosfstools chromium openssl libnss-wrapper $(REAL_SERVERS)
REAL_SERVERS   = openssh-sftp-server dropbear-bin proftpd-core proftpd-mod-crypto \
                 lighttpd lighttpd-mod-openssl lighttpd-mod-deflate apache2-bin \
                 davical php-cgi php-cli php-pgsql php-xml postgresql
VM_PACKAGES    = qemu-system-x86 qemu-utils mmdebstrap busybox-static e2fsprogs exfatprogs dosfstools
BENCH_PACKAGES = restic

BIN   = .venv/bin
SETUP = PYTHON="$(PYTHON)" sh image/setup.sh
BOX   = DESTDIR="$(DESTDIR)" PYTHON="$(SYSTEM_PYTHON)" RUN_PACKAGES="$(RUN_PACKAGES)" \
        BUILD_PACKAGES="$(BUILD_PACKAGES)" sh image/install.sh
# The tools for tests and checks, which the product itself must not see.
TOOLS = PYTHONPATH="$(CURDIR)/.venv/dev" $(BIN)/python -m

.DEFAULT_GOAL := help
.PHONY: help run test vm lint bench screenshots venv install uninstall lock

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

run: ## the whole box on this machine: a small office, its servers, two disks, a cloud
	@$(SETUP) $(PACKAGES)
	@$(BIN)/appliance demo $(ARGS)

test: ## every test on this machine, the slow ones too; ARGS="-k sftp" picks some
	@$(SETUP) --dev $(PACKAGES) $(TEST_PACKAGES) $(BENCH_PACKAGES)
	@$(TOOLS) pytest -m "not vm" --numprocesses auto $(ARGS)

vm: ## every test in an emulated box: systemd, USB disks, lamps and button
	@$(SETUP) --dev $(PACKAGES) $(TEST_PACKAGES) $(VM_PACKAGES)
	@$(TOOLS) tests.vm build
	@$(TOOLS) pytest -m vm --numprocesses 2 $(ARGS)

lint: ## ruff, mypy and the shells' own check
	@$(SETUP) --dev $(PACKAGES)
	$(TOOLS) ruff check --output-format concise .
	$(TOOLS) ruff format --check .
	$(TOOLS) mypy
	sh -n image/setup.sh
	sh -n image/install.sh
	bash -n .ci/run

bench: ## compare with restic, borg, sftp and curl; ARGS="--scale 0.1 --days 10" is quicker
	@$(SETUP) --dev $(PACKAGES) $(TEST_PACKAGES) $(BENCH_PACKAGES)
	@$(TOOLS) tests.bench $(ARGS)

screenshots: ## every page as a phone and a desktop show it, into build/screenshots
	@$(SETUP) --dev $(PACKAGES) $(TEST_PACKAGES)
	@$(TOOLS) tests.browser.screenshots $(ARGS)

venv: ## only what developers need, into .venv
	@$(SETUP) $(PACKAGES)

install: ## with sudo: put the box's program and services on this machine; again: an upgrade
	@$(BOX) install

uninstall: ## with sudo: take them off again; settings, backups and disks stay
	@$(BOX) uninstall

lock: ## choose the newest Python packages anew and pin them by hash
	@$(SETUP) $(PACKAGES)
	@sh image/setup.sh --lock
