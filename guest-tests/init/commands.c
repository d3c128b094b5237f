// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shell commands, one after the other, over one SSH channel: to open one for each costs a
 * guest under TCG as much as a small program does, and the lab's host as well.
 *
 * What "init check" says a shell may have from here, since to start a program costs more than
 * the look: it writes a line each for the check's words to LOOK, with this process's number
 * after it, and reads "looked" from LOOKED when all has been said on its stderr.
 *
 * Each has a shell, a session and pipes of its own, as it had of the SSH server: what it
 * leaves behind can write nothing into what the next one says.
 *
 * In: "LENGTH" as 4 bytes, the lowest first, and as much of a command.  Out: a letter, such
 * a length and so much of it: "b" that it begins, "o" what came on stdout, "e" on stderr, "x"
 * how the shell ended, as waitpid() says it.
 */
#include "init/commands.h"
#include "init/mounts.h"
#include "init/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef LOOK
#define LOOK "/run/look"
#define LOOKED "/run/looked"
#endif

enum { HEAD_BYTES = 5, PIECE_BYTES = 32768, MOST_BYTES = 64 << 20, WORDS = 3 };
enum { MOST_FDS = 32 };

/* What a shell asks and is told through, -1 where it has to look itself. */
static int look = -1, looked = -1;

/* What it has asked so far. */
static char asked[8192];
static size_t asked_bytes;

/* Where a command's output comes from, and what it goes out as; fd -1 is at its end. */
struct stream {
	int fd;
	char name;
};

static void on_child(int number)
{
	(void)number;
}

static bool read_all(void *into, size_t bytes)
{
	char *at = into;

	while (bytes) {
		ssize_t got = read(STDIN_FILENO, at, bytes);

		if (got <= 0 && !(got < 0 && errno == EINTR))
			return false;
		if (got > 0) {
			at += got;
			bytes -= (size_t)got;
		}
	}
	return true;
}

/*
 * Who cannot be told anything more needs nobody who tells it.  But dropbear does not always
 * survive that its child ends when the lab has closed the channel: so this one never does.
 */
static _Noreturn void leave(void)
{
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	for (int fd = STDERR_FILENO; fd < MOST_FDS; fd++)
		close(fd);
	/* Without it, it would be one that a program left behind. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() != 1)
		pause();
	_exit(0);
}

static void write_all(const char *what, size_t bytes)
{
	while (bytes) {
		ssize_t put = write(STDOUT_FILENO, what, bytes);

		if (put < 0 && errno != EINTR)
			leave();
		if (put > 0) {
			what += put;
			bytes -= (size_t)put;
		}
	}
}

/* What is to be said lies HEAD_BYTES behind the begin of the frame. */
static void tell(char name, char *frame, size_t bytes)
{
	frame[0] = name;
	for (int i = 0; i < 4; i++)
		frame[1 + i] = (char)(bytes >> 8 * i);
	write_all(frame, HEAD_BYTES + bytes);
}

/* Returns whether more may come, now or later. */
static bool pass_on(struct stream *stream)
{
	static char frame[HEAD_BYTES + PIECE_BYTES];
	ssize_t got = read(stream->fd, frame + HEAD_BYTES, PIECE_BYTES);

	if (got > 0)
		tell(stream->name, frame, (size_t)got);
	else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
		close(stream->fd);
		stream->fd = -1;
	}
	return got > 0;
}

/* A command that the lab has, to be freed; NULL when it wants no more. */
static char *next_command(void)
{
	unsigned char head[4];
	uint32_t bytes = 0;
	char *command;

	if (!read_all(head, sizeof(head)))
		return NULL;
	for (int i = 0; i < 4; i++)
		bytes |= (uint32_t)head[i] << 8 * i;
	command = bytes > MOST_BYTES ? NULL : malloc(bytes + 1);
	if (!command || !read_all(command, bytes)) {
		free(command);
		return NULL;
	}
	command[bytes] = '\0';
	return command;
}

static void exec_shell(const char *command, int out, int err)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(err, STDERR_FILENO) < 0)
		_exit(126);
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(127);
}

/* Start it and have what it prints in streams; returns its process, or -1. */
static pid_t start(const char *command, struct stream *streams)
{
	int out[2], err[2];
	pid_t child;

	if (pipe2(out, O_CLOEXEC))
		return -1;
	if (pipe2(err, O_CLOEXEC)) {
		close(out[0]);
		close(out[1]);
		return -1;
	}
	child = fork();
	if (!child)
		exec_shell(command, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	/* Others may have the other ends of them still: nobody waits for those. */
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	streams[0] = (struct stream){ .fd = out[0], .name = 'o' };
	streams[1] = (struct stream){ .fd = err[0], .name = 'e' };
	return child;
}

static void pass_all_on(struct stream *streams)
{
	for (int i = 0; i < 2; i++)
		while (streams[i].fd >= 0 && pass_on(&streams[i]))
			;
}

static void tell_all(char name, const char *text, size_t bytes)
{
	static char frame[HEAD_BYTES + PIECE_BYTES];

	while (bytes) {
		size_t piece = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;

		memcpy(frame + HEAD_BYTES, text, piece);
		tell(name, frame, piece);
		text += piece;
		bytes -= piece;
	}
}

/* Words are three lines, or three empty ones for none. */
static bool look_for(pid_t shell, char *words)
{
	char *word[WORDS], *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	bool is_said;

	for (int i = 0; i < WORDS; i++)
		word[i] = strsep(&words, "\n");
	if (!out)
		return false;
	settings_check(out, shell);
	if (*word[0])
		mounts_check(out, word[0], word[1], word[2]);
	is_said = !fclose(out);
	if (is_said)
		tell_all('e', text, bytes);
	free(text);
	return is_said;
}

static bool is_whole(const char *words, size_t bytes)
{
	int lines = 0;

	for (size_t i = 0; i < bytes; i++)
		lines += words[i] == '\n';
	return lines == WORDS;
}

/* Hear what the shell asks, and answer once it has asked it all. */
static void hear(pid_t shell, struct stream *streams)
{
	ssize_t got = read(look, asked + asked_bytes, sizeof(asked) - 1 - asked_bytes);

	if (got > 0)
		asked_bytes += (size_t)got;
	asked[asked_bytes] = '\0';
	if (!is_whole(asked, asked_bytes) && asked_bytes < sizeof(asked) - 1)
		return;
	/* What the program said last comes first. */
	pass_all_on(streams);
	if (!is_whole(asked, asked_bytes) || !look_for(shell, asked))
		dprintf(looked, "not looked\n");
	else
		dprintf(looked, "looked\n");
	asked_bytes = 0;
}

/* Pass on what comes until the shell has ended; leaves when the lab does. */
static int await(pid_t child, struct stream *streams)
{
	struct pollfd heard[] = {
		{ .events = POLLIN }, { .events = POLLIN },
		{ .fd = STDIN_FILENO }, { .fd = look, .events = POLLIN },
	};
	sigset_t none;
	int how;

	sigemptyset(&none);
	while (waitpid(child, &how, WNOHANG) != child) {
		for (int i = 0; i < 2; i++)
			heard[i].fd = streams[i].fd;
		/* SIGCHLD is blocked but here: none is missed. */
		if (ppoll(heard, 4, NULL, &none) <= 0)
			continue;
		if (heard[2].revents)
			leave();
		for (int i = 0; i < 2; i++)
			if (heard[i].revents)
				pass_on(&streams[i]);
		if (heard[3].revents)
			hear(child, streams);
	}
	return how;
}

/* What the shell before asked, or was told, is none of the next one's. */
static void forget_asked(void)
{
	while (look >= 0 && read(look, asked, sizeof(asked)) > 0)
		;
	while (looked >= 0 && read(looked, asked, sizeof(asked)) > 0)
		;
	asked_bytes = 0;
}

static void run(const char *command)
{
	char frame[HEAD_BYTES + sizeof(int)];
	struct stream streams[2];
	pid_t child;
	int how;

	forget_asked();
	/* Who says nothing to its deadline is the command now, and no guest that hung before. */
	tell('b', frame, 0);
	child = start(command, streams);
	if (child < 0)
		exit(1);
	how = await(child, streams);
	pass_all_on(streams);
	for (int i = 0; i < 2; i++)
		if (streams[i].fd >= 0)
			close(streams[i].fd);
	memcpy(frame + HEAD_BYTES, &how, sizeof(how));
	tell('x', frame, sizeof(how));
}

static int open_fifo(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%s-%ld", name, (long)getpid());
	unlink(path);
	/* Open for both: it has no end for either side. */
	return mkfifo(path, 0600) ? -1 : open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

int commands_main(void)
{
	sigset_t children;
	char *command;

	looked = open_fifo(LOOKED);
	look = looked < 0 ? -1 : open_fifo(LOOK);

	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = on_child }, NULL);
	while ((command = next_command())) {
		run(command);
		free(command);
	}
	leave();
}
