// SPDX-License-Identifier: GPL-2.0-only
#include "ktap.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_TESTS = 128, NAME_BYTES = 64, REASON_BYTES = 512 };

struct test {
	char name[NAME_BYTES];
	ktap_body *body;
	const void *argument;
};

struct name {
	int number;
	const char *text;
};

static struct test tests[MAX_TESTS];
static size_t test_count;
static const char *selection;
static bool listing;
static bool in_child;
/* Shared with the child: why it skipped or bailed out. */
static char *reason;

const char *ktap_errno(int error)
{
	/* strerrorname_np() is younger (glibc 2.32) than the oldest toolchain here. */
	static const struct name names[] = {
		{ 0, "0" }, { EPERM, "EPERM" }, { ENOENT, "ENOENT" }, { EINTR, "EINTR" },
		{ EIO, "EIO" }, { EBADF, "EBADF" }, { EAGAIN, "EAGAIN" }, { ENOMEM, "ENOMEM" },
		{ EACCES, "EACCES" }, { EFAULT, "EFAULT" }, { EBUSY, "EBUSY" },
		{ EEXIST, "EEXIST" }, { ENODEV, "ENODEV" }, { ENOTDIR, "ENOTDIR" },
		{ EINVAL, "EINVAL" }, { ENOSPC, "ENOSPC" }, { EROFS, "EROFS" },
		{ ENOSYS, "ENOSYS" }, { EOPNOTSUPP, "EOPNOTSUPP" }, { EHWPOISON, "EHWPOISON" },
	};
	static char other[32];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == error)
			return names[i].text;
	snprintf(other, sizeof(other), "errno %d", error);
	return other;
}

static const char *signal_name(int number)
{
	static const struct name names[] = {
		{ SIGSEGV, "SIGSEGV" }, { SIGBUS, "SIGBUS" }, { SIGKILL, "SIGKILL" },
		{ SIGILL, "SIGILL" }, { SIGABRT, "SIGABRT" }, { SIGFPE, "SIGFPE" },
		{ SIGTERM, "SIGTERM" }, { SIGSYS, "SIGSYS" }, { SIGTRAP, "SIGTRAP" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == number)
			return names[i].text;
	return "another signal";
}

void ktap_note(const char *format, ...)
{
	va_list arguments;

	fputs("# ", stdout);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

enum ktap_status ktap_skip(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, REASON_BYTES, format, arguments);
	va_end(arguments);
	return KTAP_SKIP;
}

void ktap_bail(const char *format, ...)
{
	char text[REASON_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (in_child) {
		strcpy(reason, text);
		fflush(stdout);
		_exit(KTAP_BAIL);
	}
	printf("Bail out! %s\n", text);
	exit(1);
}

/* A pattern with no glob character matches as a substring; a name matches itself. */
static bool selected(const char *name)
{
	if (!selection || strcmp(selection, name) == 0)
		return true;
	if (strpbrk(selection, "*?["))
		return fnmatch(selection, name, 0) == 0;
	return strstr(name, selection) != NULL;
}

/* What would not come back from a line of KTAP as it went in. */
static bool is_unfit(const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < length; i++)
		if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
			return true;
	return length == 0 || name[0] == ' ' || name[length - 1] == ' ';
}

void ktap_add(ktap_body *body, const void *argument, const char *name, ...)
{
	struct test *test = &tests[test_count];
	va_list arguments;
	int length;

	if (test_count == MAX_TESTS)
		ktap_bail("more than %d tests", MAX_TESTS);
	va_start(arguments, name);
	length = vsnprintf(test->name, sizeof(test->name), name, arguments);
	va_end(arguments);
	if (length < 0 || length >= NAME_BYTES)
		ktap_bail("test name too long: %s", test->name);
	if (is_unfit(test->name))
		ktap_bail("a test's name is empty, has a control character or a blank at an end");
	test->body = body;
	test->argument = argument;
	if (selected(test->name))
		test_count++;
}

static _Noreturn void child(const struct test *test)
{
	enum ktap_status status;

	in_child = true;
	/* Whoever kills the program means its test, too. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	status = test->body(test->argument);
	fflush(stdout);
	_exit(status);
}

static enum ktap_status judge(int wait_status)
{
	if (WIFSIGNALED(wait_status)) {
		ktap_note("the test died of %s (signal %d)", signal_name(WTERMSIG(wait_status)),
			  WTERMSIG(wait_status));
		return KTAP_NOT_OK;
	}
	if (WEXITSTATUS(wait_status) > KTAP_BAIL) {
		ktap_note("the test exited with status %d", WEXITSTATUS(wait_status));
		return KTAP_NOT_OK;
	}
	return WEXITSTATUS(wait_status);
}

/*
 * Says in the kernel's own log which test runs, where whoever runs this asks for it.
 * Opened anew each time: since 4.8 (750afe7babd1) each opened /dev/kmsg may write only
 * ten lines in five seconds.  Not with dprintf(): it seeks first, which /dev/kmsg
 * refuses with an error that glibc takes for one (seen on 6.1).
 */
static void mark(const char *name)
{
	const char *path = getenv("LAB_MARKS");
	char text[NAME_BYTES + 32];
	int fd;

	if (!path)
		return;
	snprintf(text, sizeof(text), "<5>lab: test %.*s begins\n", NAME_BYTES, name);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	/* A test whose mark is lost is judged all the same. */
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		ktap_note("no mark in %s: %s", path, ktap_errno(errno));
	if (fd >= 0)
		close(fd);
}

static enum ktap_status run(const struct test *test)
{
	int wait_status;
	pid_t pid;

	reason[0] = '\0';
	mark(test->name);
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		ktap_bail("fork: %s", ktap_errno(errno));
	if (pid == 0)
		child(test);
	while (waitpid(pid, &wait_status, 0) < 0)
		if (errno != EINTR)
			ktap_bail("waitpid: %s", ktap_errno(errno));
	return judge(wait_status);
}

/* A "#" would begin a directive, a "-" is no part of a name: TAP 14 escapes the first. */
static void print_name(const char *name)
{
	if (name[0] == '-')
		fputs("- ", stdout);
	for (; *name; name++) {
		if (*name == '#' || *name == '\\')
			putchar('\\');
		putchar(*name);
	}
}

static void report(size_t number, const char *name, enum ktap_status status)
{
	if (status == KTAP_BAIL)
		ktap_bail("%s: %s", name, reason);
	printf("%sok %zu ", status == KTAP_NOT_OK ? "not " : "", number);
	print_name(name);
	if (status == KTAP_SKIP)
		printf(" # SKIP %s", reason);
	putchar('\n');
}

static _Noreturn void usage(const char *program)
{
	puts("KTAP version 1");
	ktap_bail("usage: %s DIR [-k GLOB] [-l]", program);
}

static const char *parse(int argc, char **argv)
{
	int option;

	opterr = 0;
	while ((option = getopt(argc, argv, "k:l")) != -1) {
		if (option == 'k')
			selection = optarg;
		else if (option == 'l')
			listing = true;
		else
			usage(argv[0]);
	}
	if (optind != argc - 1)
		usage(argv[0]);
	return argv[optind];
}

static int list(void (*add_tests)(void))
{
	add_tests();
	for (size_t i = 0; i < test_count; i++)
		puts(tests[i].name);
	return 0;
}

int ktap_main(int argc, char **argv, void (*add_tests)(void))
{
	const char *directory;

	/* A program that is killed leaves what it had. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	directory = parse(argc, argv);
	if (listing)
		return list(add_tests);
	puts("KTAP version 1");
	if (chdir(directory) < 0)
		ktap_bail("%s: %s", directory, ktap_errno(errno));
	reason = mmap(NULL, REASON_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (reason == MAP_FAILED)
		ktap_bail("mmap: %s", ktap_errno(errno));
	add_tests();
	if (test_count == 0) {
		puts("1..0 # SKIP no test matches");
		return 0;
	}
	printf("1..%zu\n", test_count);
	for (size_t i = 0; i < test_count; i++)
		report(i + 1, tests[i].name, run(&tests[i]));
	return 0;
}
