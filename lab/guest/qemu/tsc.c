// SPDX-License-Identifier: GPL-2.0-only
/* Prints the frequency of the time stamp counter in kHz, the median of a few measurements. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <x86intrin.h>

enum { TIMES = 7, PAUSE_NS = 10000000 };

/* The counter and the nanoseconds of CLOCK_MONOTONIC, read together. */
struct moment {
	unsigned long long ticks;
	double ns;
};

static struct moment now(void)
{
	struct timespec time;
	struct moment moment;

	clock_gettime(CLOCK_MONOTONIC, &time);
	moment.ticks = __rdtsc();
	moment.ns = (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
	return moment;
}

static double measure(void)
{
	struct moment start = now(), end;

	nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
	end = now();
	return (double)(end.ticks - start.ticks) / (end.ns - start.ns) * 1e6;
}

static int compare(const void *one, const void *other)
{
	double difference = *(const double *)one - *(const double *)other;

	return (difference > 0) - (difference < 0);
}

int main(void)
{
	double khz[TIMES];

	for (int i = 0; i < TIMES; i++)
		khz[i] = measure();
	qsort(khz, TIMES, sizeof(*khz), compare);
	printf("%.0f\n", khz[TIMES / 2]);
	return 0;
}
