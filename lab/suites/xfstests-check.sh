#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# xfstests-check FOLDER TEST: one test of xfstests, by its own check, in the root of the image.
#
# Its TEST_DEV is what is mounted on FOLDER, which it has to itself meanwhile, and is mounted
# again after that as it was; its SCRATCH_DEV is /dev/lab-scratch.  What either is, before a
# test, is told as it is of the lab's own mount: sections that begin with "lab: " lines.
# 126 is "could not be run".

fail() {
	echo "before: $*"
	exit 126
}
prove() {
	echo "lab: $1"
	/lab/dax-proof "$2" || fail "nothing can be said of $2"
}

outside() {
	folder=$1
	[ -b /dev/lab-scratch ] || fail "no second device: a machine with scratch (two-nvdimms)"
	while read -r dev on kind opts rest; do
		[ "$on" = "$folder" ] && device=$dev type=$kind options=$opts
	done </proc/mounts
	[ -b "$device" ] || fail "no device is mounted on $folder"
	prove mounted "$folder"
	umount "$folder" || fail "$folder cannot be unmounted"
	scratch=$(readlink -f /dev/lab-scratch)
	/lab/in-image "$folder" /tmp \
		/lab/"${0##*/}" --inside "$folder" "$test" "$device" "$scratch" "$type" "$options"
	status=$?
	mount -t "$type" -o "$options" "$device" "$folder"
	exit $status
}

# Those that its tests run as somebody else: without an x there is no shadow to look in.
users() {
	for user in fsgqa:1100 123456-fsgqa:1101 fsgqa2:1102; do
		name=${user%:*} id=${user#*:}
		grep -q "^$name:" /etc/passwd && continue
		echo "$name:*:$id:$id::/tmp:/bin/bash" >>/etc/passwd
		echo "$name:x:$id:" >>/etc/group
	done
}

inside() {
	export TEST_DIR=$1 TEST_DEV=$3 SCRATCH_DEV=$4 FSTYP=$5 SCRATCH_MNT=/mnt/scratch
	export RESULT_BASE=/tmp/xfstests
	test=$2 options=$6 dax=
	case ,$options, in
	*,dax=always,*) dax=dax=always ;;
	*,dax=never,*) dax=dax=never ;;
	*,dax,*) dax=dax ;;
	esac
	rm -rf "$RESULT_BASE"
	mkdir -p "$SCRATCH_MNT" "$RESULT_BASE"
	users
	mount -t "$FSTYP" -o "$options" "$TEST_DEV" "$TEST_DIR" || fail "TEST_DEV cannot be mounted"
	prove TEST_DIR "$TEST_DIR"
	case $FSTYP in
	xfs)
		xfs_info "$TEST_DIR" | grep -q 'reflink=1' && reflink=1 || reflink=0
		common= make="-f -m reflink=$reflink"
		export MKFS_OPTIONS="-m reflink=$reflink"
		;;
	*)
		common=acl,user_xattr make="-q -F -b 4096"
		export MKFS_OPTIONS="-b 4096"
		;;
	esac
	given=$common${common:+${dax:+,}}$dax
	export MOUNT_OPTIONS="-o ${given:-rw}" TEST_FS_MOUNT_OPTS="-o ${given:-rw}"
	# shellcheck disable=SC2086
	mkfs."$FSTYP" $make "$SCRATCH_DEV" >/dev/null 2>&1 || fail "SCRATCH_DEV: no mkfs"
	# shellcheck disable=SC2086
	mount -t "$FSTYP" $MOUNT_OPTIONS "$SCRATCH_DEV" "$SCRATCH_MNT" || fail "SCRATCH_DEV: no mount"
	prove SCRATCH_MNT "$SCRATCH_MNT"
	umount "$SCRATCH_MNT" || fail "SCRATCH_DEV cannot be unmounted"
	cd /var/lib/xfstests || fail "the image has no /var/lib/xfstests"
	# The report's list of its environment: four processes for each of 75 variables, which is
	# most of what a check takes.
	sed -i 's/^\(\t*\)_xunit_add_property "/\1: "/' common/report
	echo "lab: check"
	./check -R xunit "$test" </dev/null 2>&1
	status=$?
	cat "$RESULT_BASE/result.xml"
	echo
	echo "lab: end"
	cd /
	for place in "$SCRATCH_MNT" "$TEST_DIR"; do
		while umount "$place" 2>/dev/null; do :; done
	done
	exit $status
}

if [ "$1" = --inside ]; then
	shift
	inside "$@"
fi
test=$2
outside "$1"
