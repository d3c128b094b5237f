// SPDX-License-Identifier: GPL-2.0-only
/*
 * wake: waits for a line "wake SECONDS.FRACTION HEX KEY" on stdin, and gives a guest
 * that was restored from a saved state what only somebody awake can know: the time of
 * day, randomness that no other guest of the same state has, and who may log in.  Then
 * it says "lab: awake SECONDS-SINCE-BOOT".  It runs all the time: a restored guest has
 * no translated code yet, and each new process costs it 50 ms under TCG.
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

#define KEYS "/root/.ssh/authorized_keys"

static int failed(const char *what)
{
	fprintf(stderr, "wake: %s: %s\n", what, strerror(errno));
	return -1;
}

static int set_clock(const char *text)
{
	struct timespec now = { .tv_sec = 0 };
	char *end;

	now.tv_sec = strtoll(text, &end, 10);
	if (*end == '.')
		now.tv_nsec = (long)(strtod(end, NULL) * 1e9);
	if (clock_settime(CLOCK_REALTIME, &now))
		return failed("clock_settime");
	return 0;
}

static size_t from_hex(const char *text, unsigned char *bytes, size_t most)
{
	size_t count = 0;

	while (count < most && sscanf(text + 2 * count, "%2hhx", &bytes[count]) == 1)
		count++;
	return count;
}

static int seed(const char *text)
{
	struct {
		struct rand_pool_info head;
		unsigned char bytes[SEED_BYTES];
	} pool;
	size_t count = from_hex(text, pool.bytes, SEED_BYTES);
	int fd = open("/dev/urandom", O_RDWR);

	if (fd < 0)
		return failed("/dev/urandom");
	/* Before 4.8 a write reaches the pool that urandom reads from, the ioctl does not. */
	if (write(fd, pool.bytes, count) != (ssize_t)count)
		return failed("write to /dev/urandom");
	pool.head.entropy_count = (int)(8 * count);
	pool.head.buf_size = (int)count;
	if (ioctl(fd, RNDADDENTROPY, &pool))
		return failed("RNDADDENTROPY");
	/* Without it the generator goes on unchanged for up to five minutes. */
	if (ioctl(fd, RNDRESEEDCRNG) && errno != EINVAL && errno != ENOTTY)
		return failed("RNDRESEEDCRNG");
	close(fd);
	return 0;
}

static int let_in(const char *key)
{
	int fd = open(KEYS, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	size_t length = strlen(key);

	if (fd < 0 || write(fd, key, length) != (ssize_t)length)
		return failed(KEYS);
	close(fd);
	return 0;
}

static int wake(char *line)
{
	char *time = strtok(line, " "), *hex = strtok(NULL, " "), *key = strtok(NULL, "");

	if (!key)
		return -1;
	return set_clock(time) || seed(hex) || let_in(key) ? -1 : 0;
}

int main(void)
{
	static const char verb[] = "wake ";
	struct timespec up;
	char line[4096];

	while (fgets(line, sizeof(line), stdin)) {
		if (strncmp(line, verb, sizeof(verb) - 1) || wake(line + sizeof(verb) - 1))
			continue;
		clock_gettime(CLOCK_BOOTTIME, &up);
		printf("lab: awake %lld.%02ld\n", (long long)up.tv_sec, up.tv_nsec / 10000000);
		fflush(stdout);
	}
	return 0;
}
