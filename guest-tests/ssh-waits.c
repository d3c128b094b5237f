// SPDX-License-Identifier: GPL-2.0-only
/*
 * ssh-waits.so, preloaded into "dropbear -i": an SSH server that has started, and waits for
 * its connection where it is about to ask for randomness.
 *
 * Dropbear executes itself for each connection (2022.83), or forks: in a guest that was
 * restored from a saved state, whose code is all translated anew under TCG, that is a sixth
 * of what the first answer takes.  This one was started before the state was saved, and goes
 * on with randomness of its own: it need not wait until the kernel has that, too.
 *
 * init (guest-tests/init.c) gives it the port, a pipe for its reports, one from which its
 * randomness comes, and the file with the user name that may log in.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <shadow.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

#include "ssh-waits.h"

enum { LAB_PATIENCE_MS = 5000 };

static int connected;
static unsigned char seed[SSH_SEED_BYTES];
static char login[SSH_LOGIN_DIGITS + 1];

static void report(char what)
{
	if (write(SSH_REPORTS, &what, 1) != 1)
		_exit(1);
}

static void read_login(void)
{
	static const char complaint[] = "ssh-waits: there is no user name to log in with\n";

	if (read(SSH_LOGIN, login, sizeof(login)) == SSH_LOGIN_DIGITS) {
		close(SSH_LOGIN);
		return;
	}
	if (write(STDERR_FILENO, complaint, sizeof(complaint) - 1) < 0)
		_exit(2);
	_exit(1);
}

/*
 * To read sooner would be to find the end of the file.  A lab that has given this connection
 * up does not come, and the next one has to wait for the end of this.
 */
static void await_lab(void)
{
	struct pollfd port = { .fd = SSH_PORT, .events = POLLIN };
	int waited;

	for (waited = 0; waited < LAB_PATIENCE_MS; waited++) {
		if (poll(&port, 1, 0) <= 0 || !(port.revents & POLLHUP))
			break;
		usleep(1000);
	}
}

/* Make the next connection standard input and output, as inetd does. */
static void await_connection(void)
{
	if (connected)
		return;
	connected = 1;
	/* Not for its children. */
	unsetenv("LD_PRELOAD");
	read_login();
	report(SSH_WAITS);
	if (read(SSH_SEED, seed, sizeof(seed)) != (ssize_t)sizeof(seed))
		_exit(1);
	await_lab();
	report(SSH_SERVES);
	if (dup2(SSH_PORT, STDIN_FILENO) < 0 || dup2(SSH_PORT, STDOUT_FILENO) < 0)
		_exit(1);
	close(SSH_PORT);
	close(SSH_REPORTS);
	close(SSH_SEED);
}

/*
 * Asked first by dropbear 2020.79 and later (89e98a2f there).  What the kernel gives may be
 * that of all guests of a saved state: the seed makes it new.
 */
ssize_t getrandom(void *buffer, size_t length, unsigned int flags)
{
	unsigned char *bytes = buffer;
	ssize_t got, at;

	await_connection();
	got = syscall(SYS_getrandom, buffer, length, flags);
	for (at = 0; at < got; at++)
		bytes[at] ^= seed[at % SSH_SEED_BYTES];
	return got;
}

/*
 * What it wants of /proc is more randomness (dbrandom.c), of which the kernel's is enough:
 * nine files, twice, whose code nothing else runs.
 */
int open(const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode;

	if (!strncmp(path, "/proc/", 6)) {
		errno = ENOENT;
		return -1;
	}
	va_start(rest, flags);
	mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
	va_end(rest);
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static void note(int priority, const char *format, va_list rest)
{
	char line[1024];
	int length;

	/* Who comes and goes is of no interest, and takes a restored guest 5 ms to write. */
	if (priority > LOG_WARNING)
		return;
	length = vsnprintf(line, sizeof(line) - 1, format, rest);
	if (length < 0)
		return;
	if (length > (int)sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length] = '\n';
	if (write(STDERR_FILENO, line, (size_t)length + 1) < 0)
		return;
}

/* With "-i" it knows but syslog, which nobody hears here: init gave it a file. */
void syslog(int priority, const char *format, ...)
{
	va_list rest;

	va_start(rest, format);
	note(priority, format, rest);
	va_end(rest);
}

/* The same with _FORTIFY_SOURCE. */
void __syslog_chk(int priority, int flag, const char *format, ...);

void __syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list rest;

	(void)flag;
	va_start(rest, format);
	note(priority, format, rest);
	va_end(rest);
}

/*
 * It gives some of its randomness back to the kernel (write_urandom() there), which has
 * enough, and goes on without when it cannot.
 */
FILE *fopen(const char *restrict path, const char *restrict mode)
{
	FILE *(*real)(const char *, const char *);

	if (!strcmp(path, "/dev/urandom")) {
		errno = EACCES;
		return NULL;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "fopen");
	return real(path, mode);
}

/* Takes as long wherever they differ. */
static int is_login(const char *name)
{
	int differs = 0, at;

	if (strlen(name) != SSH_LOGIN_DIGITS)
		return 0;
	for (at = 0; at < SSH_LOGIN_DIGITS; at++)
		differs |= name[at] ^ login[at];
	return !differs;
}

/*
 * Who knows the name that may log in is root, without a password, and what is known of root
 * is known here (lab/image/base.py): the C library would ask nscd twice, then five files, and
 * the kernel how many groups there may be.
 */
struct passwd *getpwnam(const char *name)
{
	/* A terminal's owner is asked for by the name that follows, once he has logged in. */
	static int known;
	static char user[] = "root", home[] = "/root", shell[] = "/bin/sh", none[] = "";
	static struct passwd root = {
		.pw_name = user, .pw_passwd = none, .pw_gecos = none, .pw_dir = home, .pw_shell = shell,
	};

	if (is_login(name))
		known = 1;
	else if (!known || strcmp(name, user))
		return NULL;
	return &root;
}

struct spwd *getspnam(const char *name)
{
	(void)name;
	errno = ENOENT;
	return NULL;
}

static int shells_told;

void setusershell(void)
{
	shells_told = 0;
}

char *getusershell(void)
{
	static char shell[] = "/bin/sh";

	return shells_told++ ? NULL : shell;
}

void endusershell(void)
{
}

int initgroups(const char *user, gid_t group)
{
	(void)user;
	return setgroups(1, &group);
}

/* It is no socket, and dropbear ends without an address (get_socket_address() there). */
static int no_address(struct sockaddr *address, socklen_t *length)
{
	static const struct sockaddr_in none = { .sin_family = AF_INET };

	memcpy(address, &none, *length < sizeof(none) ? *length : sizeof(none));
	*length = sizeof(none);
	return 0;
}

int getsockname(int fd, struct sockaddr *restrict address, socklen_t *restrict length)
{
	(void)fd;
	return no_address(address, length);
}

/* The first thing it asks of a connection: who has one by then has its randomness, too. */
int getpeername(int fd, struct sockaddr *restrict address, socklen_t *restrict length)
{
	static const char complaint[] = "ssh-waits: dropbear took no randomness before this\n";

	(void)fd;
	if (!connected) {
		if (write(STDERR_FILENO, complaint, sizeof(complaint) - 1) < 0)
			_exit(2);
		_exit(1);
	}
	return no_address(address, length);
}
