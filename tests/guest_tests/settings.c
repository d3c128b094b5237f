// SPDX-License-Identifier: GPL-2.0-only
/* settings.c of init as a program of its own, which looks into the working directory. */
#define KEPT "kept"
#define PROC "proc"
#define SYS "sys"

#include "init/settings.c"

int main(int argc, char **argv)
{
	return argc == 2 ? settings_main(argv[1]) : 2;
}
