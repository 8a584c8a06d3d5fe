#!/bin/sh
# First program in the virtual machine: make room for tests, run them, leave the results.
# usage: inside.sh RESULTS CHECKOUT PYTHON      (RESULTS/tests lists node ids, RESULTS is shared)
set -u
results=$1 checkout=$2 python=$3
exec >"$results/output.txt" 2>&1
# Containers' root file systems need one that can be mounted idmapped; kernel 6.1 cannot for tmpfs.
truncate -s 2G /run/disk &&
    mkfs.ext4 -q -E lazy_itable_init=1,nodiscard /run/disk &&
    mount -o loop /run/disk /tmp &&
    chmod 1777 /tmp
if [ ! -e "$checkout" ]; then
    mkdir -p "$checkout"
    mount --bind /virtlxc-checkout "$checkout"
fi
mkdir -p /run/virtlxc-vm
ip link set lo up
cd "$checkout" || exit 1
export HOME=/root LC_ALL=C PYTHONDONTWRITEBYTECODE=1
# Emulated, each plugin costs seconds to import: only those that host tests use.
export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
export PATH="$(dirname "$python"):/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
uname -r
cat /proc/mounts
xargs -d '\n' "$python" -m pytest -v -p no:cacheprovider -p pytest_timeout \
    --junitxml="$results/junit.xml" -o junit_family=xunit1 <"$results/tests"
echo "exit status $?"
sync
