# Everything starts here: `make run` shows the whole box on this machine, `make test` proves it.
# Each target first installs what is missing, and what `make install` did once takes no time again.

PYTHON ?= python3
ARGS   ?=

# The system packages, listed here and nowhere else.
PACKAGES       = python3-venv python3-dev gcc pkg-config libssl-dev libacl1-dev liblz4-dev \
                 libzstd-dev libxxhash-dev swig openssh-client openssh-server nginx-light zstd \
                 xz-utils ca-certificates
TEST_PACKAGES  = faketime curl unzip zip strace
VM_PACKAGES    = qemu-system-x86 qemu-utils mmdebstrap busybox-static e2fsprogs exfatprogs dosfstools
BENCH_PACKAGES = restic

BIN   = .venv/bin
SETUP = PYTHON="$(PYTHON)" sh image/setup.sh
# The tools for tests and checks, which the product itself must not see.
TOOLS = PYTHONPATH="$(CURDIR)/.venv/dev" $(BIN)/python -m

.DEFAULT_GOAL := help
.PHONY: help run test vm lint bench install lock

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

run: ## the whole box on this machine: a small office, its servers, two disks, a cloud
	@$(SETUP) $(PACKAGES)
	@$(BIN)/appliance demo $(ARGS)

test: ## every test, the slow ones too; ARGS="-k sftp" picks some
	@$(SETUP) --dev $(PACKAGES) $(TEST_PACKAGES) $(VM_PACKAGES)
	@$(TOOLS) pytest --numprocesses auto $(ARGS)

vm: ## the guest of the VM tests; `make test` makes it too, this shows how far it is
	@$(SETUP) --dev $(PACKAGES) $(VM_PACKAGES)
	@$(TOOLS) tests.vm build

lint: ## ruff, mypy and the shells' own check
	@$(SETUP) --dev $(PACKAGES)
	$(TOOLS) ruff check --output-format concise .
	$(TOOLS) ruff format --check .
	$(TOOLS) mypy
	sh -n image/setup.sh
	bash -n .ci/run

bench: ## compare with restic, borg, sftp and curl; ARGS="--scale 0.1 --days 10" is quicker
	@$(SETUP) --dev $(PACKAGES) $(TEST_PACKAGES) $(BENCH_PACKAGES)
	@$(TOOLS) tests.bench $(ARGS)

install: ## only install what is missing
	@$(SETUP) $(PACKAGES)

lock: ## choose the newest Python packages anew and pin them by hash
	@$(SETUP) $(PACKAGES)
	@sh image/setup.sh --lock
