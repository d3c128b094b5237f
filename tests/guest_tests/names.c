// SPDX-License-Identifier: GPL-2.0-only
/* Tests of every kind of name; "fails # skip" fails. */
#include <stddef.h>

#include "ktap.h"

static enum ktap_status ends(const void *argument)
{
	return ktap_verdict(argument == NULL);
}

static void add_tests(void)
{
	ktap_add(ends, NULL, "mmap[4k]");
	ktap_add(ends, NULL, "memory is locked");
	ktap_add(ends, "", "fails # skip");
	ktap_add(ends, NULL, "back\\slash \\#");
	ktap_add(ends, NULL, "-k");
	ktap_add(ends, NULL, "größe: 日本");
	ktap_add(ends, NULL, "mmap4");
}

int main(int argc, char **argv)
{
	return ktap_main(argc, argv, add_tests);
}
