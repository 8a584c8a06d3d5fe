#!/bin/sh
# Show the host's tree, writable without touching it, below SCRATCH/root, then run a command.
# usage: compose.sh SCRATCH MODULES CHECKOUT COMMAND...     (in a private mount namespace, as root)
set -eu
scratch=$1 modules=$2 checkout=$3
shift 3
mount -t tmpfs -o mode=755 scratch "$scratch"
root=$scratch/root
mkdir "$root" "$scratch/upper" "$scratch/work"
mount -t overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" root "$root"
# An overlay shows one file system: the host's other ones, where it has some, follow read-only.
findmnt -nr -o TARGET -t ext2,ext3,ext4,xfs,btrfs,f2fs,zfs,overlay |
    while read -r mounted; do
        case $mounted in
        / | "$scratch"*) continue ;;
        esac
        mount --bind -o ro "$mounted" "$root$mounted" || :
    done
# The kernel asks for its modules by this path, whatever host this is.
version=$(basename "$modules")
mkdir -p "$root/lib/modules/$version"
mount --bind "$modules" "$root/lib/modules/$version"
# The machine mounts over /tmp, and this checkout may be below it.
mkdir "$root/virtlxc-checkout" "$root/virtlxc-results"
mount --bind "$checkout" "$root/virtlxc-checkout"
exec "$@"
