// SPDX-License-Identifier: GPL-2.0-only
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>

/*
 * "keep" notes what a guest is set to, "check" says on stdout in a line "lab: changed now: "
 * what differs from that, and which processes have been left; nothing where nothing did.
 * Returns an exit status.
 */
int settings_main(const char *verb);

/* Whether it is one of these. */
bool settings_know(const char *verb);

#endif
