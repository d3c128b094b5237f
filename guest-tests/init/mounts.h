// SPDX-License-Identifier: GPL-2.0-only
#ifndef MOUNTS_H
#define MOUNTS_H

#include <stdio.h>

/*
 * Say in a line "lab: mounted now: " what is mounted of a device, and on, above or
 * below a folder, if that is not what was: the lines of the kernel's table, each with "; "
 * after it, as lab/filesystems/mounts.py has them.
 */
void mounts_check(FILE *out, const char *device, const char *folder, const char *was);

/* The same for who asks nothing else; returns an exit status. */
int mounts_main(const char *device, const char *folder, const char *was);

#endif
