// SPDX-License-Identifier: GPL-2.0-only
/* Bodies that end in every way there is, to see what ktap.c makes of them. */
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ktap.h"
#include "residency.h"

static enum ktap_status passes(const void *argument)
{
	(void)argument;
	return KTAP_OK;
}

static enum ktap_status fails(const void *argument)
{
	(void)argument;
	ktap_note("seen before the result");
	return KTAP_NOT_OK;
}

static enum ktap_status skips(const void *argument)
{
	(void)argument;
	return ktap_skip("since %d", 2015);
}

static enum ktap_status dies(const void *argument)
{
	ktap_note("seen before the signal");
	signal(*(const int *)argument, SIG_DFL);
	raise(*(const int *)argument);
	return KTAP_OK;
}

static enum ktap_status exits(const void *argument)
{
	(void)argument;
	_exit(77);
}

static char *anonymous(size_t pages)
{
	char *address = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (address == MAP_FAILED)
		ktap_bail("mmap");
	return address;
}

static void write_patterns(char *address, size_t pages)
{
	for (size_t i = 0; i < pages * PAGE_BYTES / sizeof(uint64_t); i++)
		((uint64_t *)(void *)address)[i] =
			page_pattern(i * sizeof(uint64_t) / PAGE_BYTES);
}

static enum ktap_status resident(const void *argument)
{
	char *address = anonymous(600);

	(void)argument;
	write_patterns(address, 600);
	return ktap_verdict(residency_all(address, 600, 0));
}

/* One page of 600 is missing, then comes back with zeros in it. */
static enum ktap_status one_missing(const void *argument)
{
	char *address = anonymous(600);

	(void)argument;
	write_patterns(address, 600);
	madvise(address + 555 * PAGE_BYTES, PAGE_BYTES, MADV_DONTNEED);
	return ktap_verdict(residency_all(address, 600, 0));
}

static enum ktap_status wrong_data(const void *argument)
{
	char *address = anonymous(600);

	(void)argument;
	write_patterns(address, 600);
	return ktap_verdict(residency_all(address, 599, 1));
}

static enum ktap_status bails(const void *argument)
{
	(void)argument;
	ktap_bail("no room");
}

static void add_tests(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS };

	ktap_add(passes, NULL, "passes");
	ktap_add(fails, NULL, "fails");
	ktap_add(skips, NULL, "skips");
	ktap_add(dies, &signals[0], "dies.segv");
	ktap_add(dies, &signals[1], "dies.bus");
	ktap_add(exits, NULL, "exits");
	ktap_add(resident, NULL, "resident");
	ktap_add(one_missing, NULL, "one-missing");
	ktap_add(wrong_data, NULL, "wrong-data");
	ktap_add(bails, NULL, "bails");
	ktap_add(passes, NULL, "never-reached");
}

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, add_tests);
}
