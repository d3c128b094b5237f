// SPDX-License-Identifier: GPL-2.0-only
/*
 * settings.c and mounts.c of init as a program, which looks into the working directory.  What
 * loses its parent on a host is others': a test in a guest has one left behind.
 */
#define KEPT "kept"
#define PROC "proc"
#define SYS "sys"
#define INIT (-1)
#define MOUNTS "mounts"

#include "init/mounts.c"
#include "init/settings.c"

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "mounts") == 0)
		return mounts_main(argv[2], argv[3], argv[4]);
	return argc > 1 && settings_know(argv[1]) ? settings_main(argc - 1, argv + 1) : 2;
}
