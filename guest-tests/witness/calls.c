// SPDX-License-Identifier: GPL-2.0-only
#include "witness/calls.h"

#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "residency.h"

enum { RING_PAGES = 8 };

/* What a sample of PERF_SAMPLE_IP is. */
struct sample {
	struct perf_event_header header;
	uint64_t address;
};

static uint64_t find_symbol(const char *name)
{
	FILE *symbols = fopen("/proc/kallsyms", "re");
	char line[512], found[256];
	unsigned long long address, result = 0;

	while (symbols && result == 0 && fgets(line, sizeof(line), symbols)) {
		if (sscanf(line, "%llx %*c %255s", &address, found) == 2 && strcmp(found, name) == 0)
			result = address;
	}
	if (symbols)
		fclose(symbols);
	return result;
}

/* A breakpoint before the function's first instruction, in this process; -1 and errno. */
static int break_at(uint64_t address)
{
	struct perf_event_attr event = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(event),
		.bp_type = HW_BREAKPOINT_X,
		.bp_addr = address,
		.bp_len = sizeof(long),
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_IP,
		.disabled = 1,
	};

	return (int)syscall(SYS_perf_event_open, &event, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

enum ktap_status calls_open(struct calls *calls)
{
	*calls = (struct calls){ .populate_address = find_symbol("__mm_populate"),
				 .get_address = find_symbol("__get_user_pages") };
	if (calls->populate_address == 0 || calls->get_address == 0)
		return ktap_skip("/proc/kallsyms has no %s",
				 calls->get_address ? "__mm_populate" : "__get_user_pages");
	calls->populate = break_at(calls->populate_address);
	/* After 4.2, without kprobes: within_kprobe_blacklist() is true of all then. */
	if (calls->populate < 0 && errno == EINVAL && !find_symbol("register_kprobe"))
		return ktap_skip("no breakpoint in a kernel without CONFIG_KPROBES");
	if (calls->populate < 0)
		return ktap_skip("perf_event_open of a breakpoint: %s", ktap_errno(errno));
	calls->get = break_at(calls->get_address);
	if (calls->get < 0)
		return ktap_skip("perf_event_open of a second breakpoint: %s", ktap_errno(errno));
	calls->ring = mmap(NULL, (1 + RING_PAGES) * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			   calls->populate, 0);
	if (calls->ring == MAP_FAILED)
		ktap_bail("mmap of the events: %s", ktap_errno(errno));
	if (ioctl(calls->get, PERF_EVENT_IOC_SET_OUTPUT, calls->populate) < 0)
		ktap_bail("PERF_EVENT_IOC_SET_OUTPUT: %s", ktap_errno(errno));
	return KTAP_OK;
}

static void tell_both(const struct calls *calls, unsigned long request)
{
	if (ioctl(calls->populate, request, 0) < 0 || ioctl(calls->get, request, 0) < 0)
		ktap_bail("ioctl of the events: %s", ktap_errno(errno));
}

void calls_begin(struct calls *calls)
{
	tell_both(calls, PERF_EVENT_IOC_ENABLE);
}

static void see(struct calls *calls, uint64_t address)
{
	if (address == calls->populate_address)
		calls->populates++;
	if (address != calls->get_address)
		return;
	if (calls->gets == 0)
		calls->nested = calls->populates > 0;
	calls->gets++;
}

void calls_end(struct calls *calls)
{
	const struct perf_event_mmap_page *about = calls->ring;
	const char *data = (const char *)calls->ring + PAGE_BYTES;
	uint64_t end;

	tell_both(calls, PERF_EVENT_IOC_DISABLE);
	end = __atomic_load_n(&about->data_head, __ATOMIC_ACQUIRE);
	if (end > RING_PAGES * PAGE_BYTES)
		ktap_bail("more calls than there is room for");
	for (uint64_t at = 0; at < end;) {
		const struct sample *sample = (const void *)(data + at);

		/* LOST or THROTTLE: not all was seen. */
		if (sample->header.type != PERF_RECORD_SAMPLE || sample->header.size == 0)
			ktap_bail("a record of type %u among the samples", sample->header.type);
		see(calls, sample->address);
		at += sample->header.size;
	}
}
