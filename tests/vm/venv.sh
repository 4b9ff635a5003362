#!/bin/sh
# Runs inside the guest while it is built, natively: the product's .venv from the lock.
set -eu
cd /opt/appliance
export PYPI=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
sed '/^# What the product needs\./,$d' requirements.lock >/root/first.txt
sed '/^# What only tests and checks need\./,$d' requirements.lock >/root/product.txt
python3 -m venv .venv
pip() { .venv/bin/python -m pip install --quiet --require-hashes "$@"; }
pip --only-binary :all: -r /root/first.txt
pip --no-build-isolation -r /root/product.txt
.venv/bin/python -m compileall -qq -j 0 .venv/lib /usr/lib/python3 || true
rm /root/first.txt /root/product.txt
