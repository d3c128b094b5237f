// SPDX-License-Identifier: GPL-2.0-only
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/*
 * "keep" notes what a guest is set to, "check" says on stdout in a line "lab: changed now: "
 * what differs from that, and which processes have been left; nothing where nothing did.
 * "check DEVICE FOLDER WAS" does mounts_check() with these besides.  The verb is argv[0];
 * returns an exit status.
 */
int settings_main(int argc, char **argv);

/* What "check" says; shell is the process that ran what it is to look at. */
void settings_check(FILE *out, pid_t shell);

/* Whether it is one of these. */
bool settings_know(const char *verb);

#endif
