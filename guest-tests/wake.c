// SPDX-License-Identifier: GPL-2.0-only
/*
 * wake SECONDS.FRACTION HEX: what a guest that was restored from a saved state has
 * to be given by somebody who was awake: the time of day, and randomness that no
 * other guest of the same state has.  Exit status 1, and why on stderr, otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { SEED_BYTES = 64 };

/* Linux 4.17, d848e5f8e1eb; the headers may be older. */
#ifndef RNDRESEEDCRNG
#define RNDRESEEDCRNG _IO('R', 0x07)
#endif

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "wake: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void set_clock(const char *text)
{
	struct timespec now = { .tv_sec = 0 };
	char *end;

	now.tv_sec = strtoll(text, &end, 10);
	if (*end == '.')
		now.tv_nsec = (long)(strtod(end, NULL) * 1e9);
	if (clock_settime(CLOCK_REALTIME, &now))
		die("clock_settime");
}

static size_t from_hex(const char *text, unsigned char *bytes, size_t most)
{
	size_t count = 0;

	while (count < most && sscanf(text + 2 * count, "%2hhx", &bytes[count]) == 1)
		count++;
	return count;
}

static void seed(const char *text)
{
	struct {
		struct rand_pool_info head;
		unsigned char bytes[SEED_BYTES];
	} pool;
	size_t count = from_hex(text, pool.bytes, SEED_BYTES);
	int fd = open("/dev/urandom", O_RDWR);

	if (fd < 0)
		die("/dev/urandom");
	/* Before 4.8 a write reaches the pool that urandom reads from, the ioctl does not. */
	if (write(fd, pool.bytes, count) != (ssize_t)count)
		die("write to /dev/urandom");
	pool.head.entropy_count = (int)(8 * count);
	pool.head.buf_size = (int)count;
	if (ioctl(fd, RNDADDENTROPY, &pool))
		die("RNDADDENTROPY");
	/* Without it the generator goes on unchanged for up to five minutes. */
	if (ioctl(fd, RNDRESEEDCRNG) && errno != EINVAL && errno != ENOTTY)
		die("RNDRESEEDCRNG");
	close(fd);
}

int main(int count, char **arguments)
{
	if (count != 3) {
		fprintf(stderr, "usage: wake SECONDS.FRACTION HEX\n");
		return 1;
	}
	set_clock(arguments[1]);
	seed(arguments[2]);
	return 0;
}
