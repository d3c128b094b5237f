// SPDX-License-Identifier: GPL-2.0-only
/* commands.c of init as a program, with what it looks at in the working directory. */
#define LOOK "look"
#define LOOKED "looked"
#define KERNEL_LOG "kmsg"
#define main looker_main

#include "settings.c"
#undef main
#include "init/commands.c"

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "commands") == 0)
		return commands_main();
	return looker_main(argc, argv);
}
