#!/bin/sh
# 6.1+reintroduce-bug: job 1 of run 20261128-215054-b2a7, 2026-11-28T21:51:03+00:00
#
# Builds the kernel 6.1.192 (apt:linux-source-6.1=6.1.192-3) with the patch below,
# boots it under QEMU and runs the tests on ext4-dax. Nothing else is
# needed than what it calls: a compiler and kbuild's tools, QEMU, busybox, e2fsprogs, xfsprogs, ndctl.
#
#   WORK=DIR          where everything goes (default: ./repro-20261128-215054-b2a7-1)
#   KERNEL_SRC=DIR    this source instead of fetching it; never written to, so that
#                     it must hold the patch already, if there is one
#   BUILD_DIR=DIR     where make puts the objects (default: $WORK/build)
#   BZIMAGE=FILE      boot this kernel; build none
#   JOBS=N            compilers at once (default: one a CPU)
#   DEADLINE=SECONDS  the guest's whole life (default: 360)
#
# Exit status: 0 every test passed, 1 one did not (or the guest died), 3 it could not be done.
set -eu
work=${WORK:-$PWD/repro-20261128-215054-b2a7-1}
mkdir -p "$work"
work=$(cd "$work" && pwd)
build=${BUILD_DIR:-$work/build}

say() { echo "repro: $*" >&2; }
stop() { say "$*"; exit 3; }

PATH=$PATH:/sbin:/usr/sbin
for tool in gcc git ldd make tar timeout qemu-system-x86_64 busybox ndctl mkfs.ext4; do
	command -v "$tool" >/dev/null || stop "there is no $tool here"
done

# ---- The kernel's source ----------------------------------------------------------------

cat >"$work/applied.patch" <<'END_OF_9DB492B84906'
diff --git a/mm/gup.c b/mm/gup.c
index 72e01b8..a6d2b88 100644
--- a/mm/gup.c
+++ b/mm/gup.c
@@ -1265,16 +1265,11 @@ retry:
 		} else if (PTR_ERR(page) == -EEXIST) {
 			/*
 			 * Proper page table entry exists, but no corresponding
-			 * struct page. If the caller expects **pages to be
-			 * filled in, bail out now, because that can't be done
-			 * for this page.
+			 * struct page. Bail out, whether or not the caller
+			 * expects **pages to be filled in.
 			 */
-			if (pages) {
-				ret = PTR_ERR(page);
-				goto out;
-			}
-
-			goto next_page;
+			ret = -EFAULT;
+			goto out;
 		} else if (IS_ERR(page)) {
 			ret = PTR_ERR(page);
 			goto out;
END_OF_9DB492B84906

# A repository around $work would make git apply pass over files in silence.
patched() { (cd "$1" && GIT_CEILING_DIRECTORIES=$(dirname "$PWD") git apply "$2" --check "$work/applied.patch") 2>/dev/null; }
fetch() {
	mkdir -p "$work/package"
	if [ "$(dpkg-query -W -f '${Version}' linux-source-6.1 2>/dev/null)" = 6.1.192-3 ]; then
		package=
	else
		(cd "$work/package" && apt-get download linux-source-6.1=6.1.192-3) || stop "apt has no "linux-source-6.1=6.1.192-3
		dpkg-deb -x "$work"/package/*.deb "$work/package" || stop "dpkg-deb failed"
		package=$work/package
	fi
	tarball=$(find "$package/usr/src" -name 'linux-source-6.1.tar.*' | head -n 1)
	tar -C "$source" --strip-components=1 -xf "$tarball" || stop "tar failed"
}

kernel() {
	if [ -n "${KERNEL_SRC:-}" ]; then
		source=$(cd "$KERNEL_SRC" && pwd)
	else
		source=$work/source
		if [ ! -e "$work/source.done" ]; then
			rm -rf "$source" && mkdir "$source"
			fetch
			(cd "$source" && GIT_CEILING_DIRECTORIES=$work git apply "$work/applied.patch") ||
				stop "the patch does not apply"
			touch "$work/source.done"
		fi
	fi
	patched "$source" --reverse || stop "$source does not hold the patch: apply $work/applied.patch there"
	mkdir -p "$build"
	# Left alone when it is as it should be: make goes by time stamps.
	cat >"$work/config" <<'END_OF_9DB492B84906'
CONFIG_FS_DAX=y
CONFIG_X86_PMEM_LEGACY=y
END_OF_9DB492B84906
	cmp -s "$work/config" "$build/.config" || cp "$work/config" "$build/.config"
	compiler=$(env KBUILD_BUILD_TIMESTAMP="Tue Jun 16 22:29:02 UTC 2015" KBUILD_BUILD_USER="lab" KBUILD_BUILD_HOST="lab" KBUILD_BUILD_VERSION="1" LOCALVERSION="" LC_ALL="C" gcc --version | head -n 1)
	[ "$compiler" = 'gcc (Debian 12.2.0-14+deb12u1) 12.2.0' ] ||
		say "the compiler was gcc (Debian 12.2.0-14+deb12u1) 12.2.0, here it is $compiler"
	cc=gcc
	hostcc=gcc
	for target in olddefconfig bzImage; do
		env -i PATH="$PATH" HOME="$HOME" KBUILD_BUILD_TIMESTAMP="Tue Jun 16 22:29:02 UTC 2015" KBUILD_BUILD_USER="lab" KBUILD_BUILD_HOST="lab" KBUILD_BUILD_VERSION="1" LOCALVERSION="" LC_ALL="C" \
			make -C "$source" O="$build" CC="$cc" HOSTCC="$hostcc" -j"${JOBS:-$(nproc)}" $target \
			>"$work/make.log" 2>&1 || {
			tail -n 30 "$work/make.log" >&2
			stop "make $target failed: $work/make.log"
		}
	done
	grep '^CONFIG_\|^# CONFIG_' "$build/.config" | grep -v '_VERSION\|_CC_\|_AS_\|_LD_' >"$work/config.now"
	grep '^CONFIG_\|^# CONFIG_' "$work/config" | grep -v '_VERSION\|_CC_\|_AS_\|_LD_' >"$work/config.was"
	cmp -s "$work/config.was" "$work/config.now" || {
		say "the config is not the one recorded:"
		diff "$work/config.was" "$work/config.now" >&2 || :
	}
	BZIMAGE=$build/arch/x86/boot/bzImage
}

[ -n "${BZIMAGE:-}" ] || kernel
if [ "$(sha256sum "$BZIMAGE" | cut -d' ' -f1)" = 0ed2cbf67943de761cdc1195646811605fb7903b8837a139ddb68971ef411a30 ]; then
	say "the kernel is the recorded one, byte for byte"
else
	say "the kernel is not the recorded one byte for byte (another compiler or build path)"
fi

# ---- The programs the guest runs --------------------------------------------------------

rm -rf "$work/guest-tests" "$work/root" && mkdir -p "$work/guest-tests"

cat >"$work/guest-tests"/mlock.c <<'END_OF_9DB492B84906'
int main(void) { return 0; }
END_OF_9DB492B84906
cat >"$work/guest-tests"/populate.c <<'END_OF_9DB492B84906'
int main(void) { return 0; }
END_OF_9DB492B84906

make -s -C "$work/guest-tests" O="$work/guest-tests/build" \
	"$work/guest-tests/build"/dax-proof "$work/guest-tests/build"/mlock "$work/guest-tests/build"/populate >"$work/make.log" 2>&1 ||
	{ cat "$work/make.log" >&2; stop "the guest programs do not compile"; }

# ---- The guest's root -------------------------------------------------------------------

root=$work/root
for folder in bin proc sys dev tmp run mnt lab etc; do mkdir -p "$root/$folder"; done
ln -s bin "$root/sbin"
mkdir "$root/usr" && ln -s ../bin "$root/usr/bin" && ln -s ../bin "$root/usr/sbin"
echo root:x:0:0:root:/root:/bin/sh >"$root/etc/passwd"
for program in dax-proof mlock populate; do cp "$work/guest-tests/build/$program" "$root/lab/"; done
put() { # a program, and what ld.so would load for it, where it would find it
	cp -L "$(command -v "$1")" "$root/bin/$1"
	{ ldd "$root/bin/$1" 2>/dev/null || :; } | grep -o '/[^ ]*' | while read -r library; do
		[ -e "$root$library" ] || { mkdir -p "$root$(dirname "$library")" && cp -L "$library" "$root$library"; }
	done
}
for program in busybox ndctl mkfs.ext4; do put "$program"; done
for applet in $("$root/bin/busybox" --list); do
	[ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
done
# busybox's own makes ext2 only.
[ ! -e "$root/bin/mkfs.ext4" ] || ln -sf mkfs.ext4 "$root/bin/mke2fs"
cat >"$root/etc/mke2fs.conf" <<'END_OF_9DB492B84906'
[defaults]
	base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
	default_mntopts = acl,user_xattr
	enable_periodic_fsck = 0
	blocksize = 4096
	inode_size = 256
	inode_ratio = 16384

[fs_types]
	ext4 = {
		features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
	}
	small = {
		inode_ratio = 4096
	}
END_OF_9DB492B84906

cat >"$root/init" <<'END_OF_9DB492B84906'
#!/bin/sh
# Results go to the second serial port too, where no kernel message is between them.
export PATH=/bin:/lab
mount -t proc proc /proc
mount -t devtmpfs dev /dev
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
exec >/dev/console 2>&1
tell() { echo "$*" | tee -a /dev/ttyS1; }
end() { sync; poweroff -f; }
sh -c 'mode=raw
if [ -e /sys/bus/nd/drivers/nd_pmem ] && ls /sys/bus/nd/devices | grep -q '"'"'^pfn'"'"'; then
  ndctl create-namespace -f -e namespace0.0 --mode=fsdax >/dev/null || exit 9
  mode=fsdax
fi
echo $mode
test -b /dev/pmem0' || { tell "repro: no persistent memory"; tell "repro: done"; end; }
set_up() {
	sh -c "$2" >/tmp/proof 2>/tmp/trouble || { tell "repro: no $1: $(tail -n 1 /tmp/trouble)"; return 1; }
	sed 's/^/# /' /tmp/proof
	wanting=$(sh -c "$3" 2>&1 | head -n 1)
	[ -z "$wanting" ] || { tell "repro: not proved: $1 $wanting"; return 1; }
}
run() {
	tell "# $*"
	{ "$@"; echo $? >/tmp/status; } 2>/tmp/said | tee -a /dev/ttyS1
	sed 's/^/# /' /tmp/said
	tell "repro: status $(cat /tmp/status)"
}
# The kernel hands words of its command line that it does not know to init.
case $guest in
1)
	if set_up ext4-dax 'mkfs.ext4 -q /dev/pmem0
mount -t ext4 -o dax /dev/pmem0 /mnt/ext4-dax' 'for line in dax_option=yes pfn_in_pmem=yes; do
	grep -qx $line /tmp/proof || { echo "is not DAX: no $line"; exit; }
done
# Kernels before 5.10 do not know the attribute.
! grep -qx statx_known=yes /tmp/proof || grep -qx statx_dax=yes /tmp/proof ||
	echo "is not DAX: no statx_dax=yes"
'; then
		run /lab/populate /mnt/ext4-dax
		run /lab/mlock /mnt/ext4-dax
	fi
	;;
esac
tell "repro: done"
end
END_OF_9DB492B84906
chmod 755 "$root/init"
(cd "$root" && find . | ./bin/busybox cpio -o -H newc 2>/dev/null) >"$work/initramfs.cpio"

# ---- The guest --------------------------------------------------------------------------

boot() { # one guest, with a disk of its own
	rm -f "$work/nvdimm"
	truncate -s 536870912 "$work/nvdimm"
	: >"$work/serial"
	status=0
	timeout "${DEADLINE:-360}" qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none -machine q35,nvdimm=on,sata=off,smbus=off -accel tcg,tb-size=128 -cpu max,-erms,-fsrm,-la57 -smp 2 -m size=1024M,slots=1,maxmem=2560M -device virtio-rng-pci -serial stdio -device nvdimm,id=nvdimm0,memdev=nv0 \
	-object "memory-backend-file,id=nv0,share=on,mem-path=$work/nvdimm,size=536870912" -serial "file:$work/serial" \
	-kernel "$BZIMAGE" -initrd "$work/initramfs.cpio" -append 'console=ttyS0,115200 panic=-1 oops=panic tsc=reliable no_timer_check nokaslr'" guest=$guest" </dev/null || status=$?
	rm -f "$work/nvdimm"
	tr -d '\r' <"$work/serial" >>"$results"
	[ $status != 124 ] || { say "the guest still ran after ${DEADLINE:-360} s: console above"; exit 1; }
	[ $status = 0 ] || stop "QEMU ended with status $status"
	grep -q '^repro: done' "$work/serial" || { say "the guest died before its end: console above"; exit 1; }
}

results=$work/results
: >"$results"
for guest in 1; do boot; done

# ---- What came of it --------------------------------------------------------------------

if grep '^repro: no \|^repro: not proved: ' "$results" >&2; then stop "not all could be set up"; fi
failed=$(grep -c '^ *not ok' "$results" || :)
skipped=$(grep -c '^ *\(not \)\{0,1\}ok.*# SKIP' "$results" || :)
excused=$(grep -c '^ *not ok.*# SKIP' "$results" || :)
passed=$(grep '^ *ok' "$results" | grep -vc '# SKIP\|# XFAIL' || :)
statuses=$(grep -c '^repro: status' "$results" || :)
bad=$(grep '^repro: status' "$results" | grep -vc 'status [014]$' || :)
failed=$((failed - excused))
say "$passed passed, $failed failed, $skipped skipped; $results"
[ "$statuses" = 2 ] || stop "$statuses of 2 programs came to an end"
[ "$bad" = 0 ] || { say "$bad programs ended badly"; exit 1; }
[ "$failed" = 0 ] || exit 1
[ $((passed + skipped)) -gt 0 ] || stop "no test ran"
