// SPDX-License-Identifier: GPL-2.0-only
/*
 * in-image FOLDER TMP COMMAND...: runs it in the image's root, where FOLDER, /proc, /sys, /dev,
 * /run and /lab are the guest's, and /tmp is its TMP.
 *
 * In a mount namespace of its own, private: what it mounts goes with it, and nothing it does
 * to a mount is seen outside, where a filesystem under test was proved.  Exit status 126 is
 * "could not be run", and says why on its output.
 *
 * No script: of one with unshare(1), dd(1), mount(8) and the like, a restored guest under TCG
 * translates each program anew, and its first answer took three times what it takes without.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	NOT_RUN = 126,
	/* s_volume_name of ext2's superblock (fs/ext2/ext2.h): 16 bytes, 120 after its start. */
	LABEL_PLACE = 1024 + 120,
	LABEL_BYTES = 16,
};

static const char label[LABEL_BYTES] = "lab-image";
static const char *const image = "/image";

static _Noreturn void fail(const char *what, const char *why)
{
	printf("in-image: %s: %s\n", what, why);
	fflush(stdout);
	_exit(NOT_RUN);
}

static bool is_image(const char *device)
{
	char found[LABEL_BYTES];
	int fd = open(device, O_RDONLY | O_CLOEXEC);
	bool same;

	if (fd < 0)
		return false;
	same = pread(fd, found, sizeof(found), LABEL_PLACE) == sizeof(found) &&
	       !memcmp(found, label, sizeof(found));
	close(fd);
	return same;
}

/* The device whose filesystem bears the label; which number it has is the kernel's affair. */
static const char *device_of_image(void)
{
	static char device[PATH_MAX];
	glob_t devices;

	if (glob("/sys/block/pmem*", 0, NULL, &devices))
		fail("no device of this guest is the image's", "there is no /sys/block/pmem*");
	for (size_t i = 0; i < devices.gl_pathc; i++) {
		snprintf(device, sizeof(device), "/dev/%s", strrchr(devices.gl_pathv[i], '/') + 1);
		if (is_image(device)) {
			globfree(&devices);
			return device;
		}
	}
	fail("no device of this guest is the image's", "none is labelled lab-image");
}

/* As mkdir -p makes it. */
static void make_folder(char *path)
{
	for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	if (mkdir(path, 0755) && errno != EEXIST)
		fail(path, strerror(errno));
}

/* Show a folder of the guest, and all that is mounted in it, at a place in the image. */
static void show(const char *folder, const char *place)
{
	char there[PATH_MAX];

	if (snprintf(there, sizeof(there), "%s%s", image, place) >= (int)sizeof(there))
		fail(place, strerror(ENAMETOOLONG));
	make_folder(there);
	if (mount(folder, there, NULL, MS_BIND | MS_REC, NULL))
		fail(place, strerror(errno));
}

static void show_if_there(const char *folder)
{
	struct stat found;

	if (!stat(folder, &found) && S_ISDIR(found.st_mode))
		show(folder, folder);
}

static void mount_image(void)
{
	const char *device = device_of_image();

	if (mkdir(image, 0755) && errno != EEXIST)
		fail(image, strerror(errno));
	if (mount(device, image, "ext4", 0, NULL) && mount(device, image, "ext2", 0, NULL))
		fail(device, strerror(errno));
}

int main(int argc, char **argv)
{
	static const char *const places[] = { "/proc", "/sys", "/dev", "/run", "/lab" };

	if (argc < 4)
		fail("usage", "in-image FOLDER TMP COMMAND...");
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		fail("no namespace of its own", strerror(errno));
	mount_image();
	show(argv[2], "/tmp");
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		show_if_there(places[i]);
	show_if_there(argv[1]);
	if (chroot(image) || chdir("/"))
		fail(image, strerror(errno));
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/lab", 1);
	setenv("HOME", "/root", 1);
	execvp(argv[3], &argv[3]);
	fail(argv[3], strerror(errno));
}
