// SPDX-License-Identifier: GPL-2.0-only
/*
 * KTAP version 1 on stdout (Documentation/dev-tools/ktap.rst), each test in a
 * child process, so that neither its locks nor its death reach the next one.
 */
#ifndef KTAP_H
#define KTAP_H

#include <stdbool.h>

#define KTAP_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))

/* What a test body returns; also the exit status of its child. */
enum ktap_status { KTAP_OK, KTAP_NOT_OK, KTAP_SKIP, KTAP_BAIL };

typedef enum ktap_status ktap_body(const void *argument);

/*
 * Adds a test; the name is at most 63 bytes, without control characters and blanks at
 * its ends. argument must outlive ktap_main().
 */
void ktap_add(ktap_body *body, const void *argument, const char *name, ...) KTAP_PRINTF(3, 4);

/* A diagnostic line, "# ...": comes before the result line it belongs to. */
void ktap_note(const char *format, ...) KTAP_PRINTF(1, 2);

/* KTAP_SKIP with its reason, to return from a test body. */
enum ktap_status ktap_skip(const char *reason, ...) KTAP_PRINTF(1, 2);

/* The test's own setup failed: "Bail out! reason", and the program exits 1. */
_Noreturn void ktap_bail(const char *reason, ...) KTAP_PRINTF(1, 2);

static inline enum ktap_status ktap_verdict(bool passed)
{
	return passed ? KTAP_OK : KTAP_NOT_OK;
}

/* "ENOMEM"; "0" for 0 ("errno 123" for those no test here can meet). */
const char *ktap_errno(int error);

/*
 * PROGRAM DIR [-k GLOB] [-l]: runs the tests that add_tests() adds, in DIR; with -l
 * it only prints their names.
 * Returns the exit status: 0 when it ran to the end, whatever failed.
 */
int ktap_main(int argc, char **argv, void (*add_tests)(void));

#endif
