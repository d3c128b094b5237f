#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# in-image FOLDER TMP COMMAND...: runs it in the image's root, where FOLDER, /proc, /sys, /dev,
# /run and /lab are the guest's, and /tmp is its TMP.
#
# In a namespace of its own, private: what it mounts goes with it, and nothing it does to a
# mount is seen outside, where a filesystem under test was proved.  126 is "could not be run".

if [ "$1" != --alone ]; then
	exec unshare -m "$0" --alone "$@"
	exit 126
fi
shift
folder=$1
tmp=$2
shift 2

fail() {
	echo "in-image: $*"
	exit 126
}

# s_volume_name of ext2's superblock (fs/ext2/ext2.h): 16 bytes, 120 after its start at 1024.
for sys in /sys/block/pmem*; do
	device=/dev/${sys##*/}
	label=$(dd if="$device" bs=8 skip=143 count=2 2>/dev/null | tr -d '\000')
	[ "$label" = lab-image ] && break
	device=
done
[ -n "$device" ] || fail "no device of this guest is the image's"

mkdir -p /image
mount -t ext4 "$device" /image || mount -t ext2 "$device" /image || fail "$device: no mount"
mkdir -p /image/tmp && mount -o rbind "$tmp" /image/tmp || fail "/tmp: no mount"
for place in /proc /sys /dev /run /lab "$folder"; do
	[ -d "$place" ] || continue
	mkdir -p "/image$place" && mount -o rbind "$place" "/image$place" || fail "$place: no mount"
done
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/lab HOME=/root
exec chroot /image "$@"
