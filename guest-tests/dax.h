// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether a file is mapped straight from persistent memory: what its mount was asked for,
 * what statx() says, and where a page of it is.
 */
#ifndef DAX_H
#define DAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DAX_LINE_BYTES = 4096 };
enum dax { DAX_NO, DAX_YES, DAX_UNKNOWN };

/*
 * Whether "dax" or "dax=always" is among the options of the innermost mount over a path
 * that realpath() gave.  mount has room for two lines, and becomes type and options, or
 * "unknown" as the answer is.
 */
enum dax dax_by_mount(const char *path, char *mount);

/* STATX_ATTR_DAX of an open file; DAX_UNKNOWN from a kernel that does not have it (5.10). */
enum dax dax_by_statx(int fd);

/* The physical address of a touched page; 0 when pagemap does not tell. */
uint64_t dax_physical(const void *page);

/*
 * Whether /proc/iomem shows an address as persistent memory; DAX_UNKNOWN for 0, and for
 * who may not see addresses.  The names of the ranges that do go to stdout as lines
 * "iomem=NAME", if say is set.
 */
enum dax dax_by_address(uint64_t address, bool say);

/*
 * Whether a file of the working directory is none of DAX's and was not to be: its mount
 * has no such option, and statx says no, or else where a touched page of it is.
 */
bool dax_is_none(int fd, const void *page);

#endif
