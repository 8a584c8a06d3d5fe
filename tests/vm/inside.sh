#!/bin/sh
# First program in the virtual machine: make room for tests, run them, leave the results.
# usage: inside.sh RESULTS CHECKOUT PYTHON CACHED...
#   RESULTS is shared, and RESULTS/tests lists node ids; CACHED folders are read again and again.
set -u
results=$1 checkout=$2 python=$3
shift 3
exec >"$results/output.txt" 2>&1
# Containers' root file systems need one that can be mounted idmapped; kernel 6.1 cannot for tmpfs.
modprobe loop &&
    truncate -s 2G /run/disk &&
    mkfs.ext4 -q -E lazy_itable_init=1,nodiscard /run/disk &&
    mount -o loop /run/disk /tmp &&
    chmod 1777 /tmp || exit 1
# Devices that tests lend to containers.
modprobe -a tun || :
mkdir -p /run/cached
mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,msize=512000,access=any cached /run/cached
for folder; do
    [ ! -e "$folder" ] || mount --bind "/run/cached$folder" "$folder"
done
if [ ! -e "$checkout" ]; then
    mkdir -p "$checkout"
    mount --bind /run/cached/virtlxc-checkout "$checkout"
fi
mkdir -p /run/virtlxc-vm
ip link set lo up
# The machine's mouse: a USB device to give away.
modprobe xhci_pci
cd "$checkout" || exit 1
export HOME=/root LC_ALL=C
ulimit -H -n "$VIRTLXC_FILES"
# Emulated, each plugin costs seconds to import: only those that host tests use.
export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
export PATH="$(dirname "$python"):/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
uname -r
cat /proc/mounts
export VIRTLXC_RESULTS="$results"
xargs -d '\n' "$python" -m pytest -v -p no:cacheprovider -p pytest_timeout --timeout 1800 \
    -p tests.vm.told --junitxml="$results/junit.xml" -o junit_family=xunit1 <"$results/tests"
echo "exit status $?"
sync
