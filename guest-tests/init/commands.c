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
 * In: "LENGTH" as 4 bytes, the lowest first, and as much of a command, which begins with 8
 * bytes that it is known by.  Out: a letter, such a length and so much of it: "b" and these 8
 * bytes that it begins, "o" what came on stdout, "e" on stderr, "x" how the shell ended, as
 * waitpid() says it, and the microseconds it took.
 *
 * The highest bit of LENGTH says that a command is to run after the one that runs, and without
 * the lab's word to it: the way there and back costs as much as a small program.  It does if all
 * is as it was: the shell had its guest looked at, nothing was found, and the kernel has said
 * nothing.  Else "s" and its 8 bytes: it did not begin.
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
#include <time.h>
#include <unistd.h>

#ifndef LOOK
#define LOOK "/run/look"
#define LOOKED "/run/looked"
#define KERNEL_LOG "/dev/kmsg"
#endif

enum { HEAD_BYTES = 5, PIECE_BYTES = 32768, MOST_BYTES = 64 << 20, WORDS = 3, NAME_BYTES = 8 };
#define NEXT 0x80000000u
enum { MOST_FDS = 32, GO_FD = 9 };

/*
 * Of what is said here: before all else, with the letter "v".  A lab that was replaced while it
 * ran, or beside another's guest-tests/, is to know that no kernel is at fault.
 */
enum { VERSION = 2 };

/*
 * That a command begins, and what it prints, is passed on so much later, and all at once: each
 * piece costs the SSH server a packet, as long as many a test takes under TCG.  At once, though,
 * in a report of several tests, and from when the kernel has said something, or the program
 * which test it begins: what came before is to be known if the guest dies.
 */
#ifndef HOLD_US
#define HOLD_US 15000
#endif

/* What a shell asks and is told through, -1 where it has to look itself. */
static int look = -1, looked = -1;

/* What it has asked so far. */
static char asked[8192];
static size_t asked_bytes;

/* A shell had its guest looked at, and nothing was otherwise than it is to be. */
static bool is_as_it_was;

/* What has been said there, by the kernel or by the lab's marks; -1 where it cannot be read. */
static int kernel_log = -1;

/* Where a command's output comes from, and what it goes out as; fd -1 is at its end. */
struct stream {
	int fd;
	char name;
};

/*
 * Shell code, and what it is known by.  The shell of one that is next is there before its turn:
 * it waits for a line from .go, which is -1 where there is no such shell.
 */
struct command {
	char *text;
	char name[NAME_BYTES];
	bool is_next;
	pid_t shell;
	int go;
	struct stream streams[2];
};

/* What is to run next, .text NULL where that was not said. */
static struct command queued = { .go = -1 };

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

/* What has been told, and is not on its way yet. */
static char unsent[4 * PIECE_BYTES];
static size_t unsent_bytes;

static void send_all(void)
{
	const char *what = unsent;

	while (unsent_bytes) {
		ssize_t put = write(STDOUT_FILENO, what, unsent_bytes);

		if (put < 0 && errno != EINTR)
			leave();
		if (put > 0) {
			what += put;
			unsent_bytes -= (size_t)put;
		}
	}
}

/* What is to be said lies HEAD_BYTES behind the begin of the frame. */
static void tell(char name, char *frame, size_t bytes)
{
	frame[0] = name;
	for (int i = 0; i < 4; i++)
		frame[1 + i] = (char)(bytes >> 8 * i);
	if (HEAD_BYTES + bytes > sizeof(unsent) - unsent_bytes)
		send_all();
	memcpy(unsent + unsent_bytes, frame, HEAD_BYTES + bytes);
	unsent_bytes += HEAD_BYTES + bytes;
}

/* Whether what a command prints is not held any more; and nothing has come of it on stdout. */
static bool is_hurried, is_first;

/* Who reports several tests, in KTAP or TAP, may die in one: what came before is to be known. */
static bool is_report(const char *said, size_t bytes)
{
	static const char *const begins[] = { "KTAP version", "TAP version", "1.." };

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		if (bytes >= strlen(begins[i]) && memcmp(said, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

/* Returns how much it was. */
static size_t pass_on(struct stream *stream)
{
	static char frame[HEAD_BYTES + PIECE_BYTES];
	ssize_t got = read(stream->fd, frame + HEAD_BYTES, PIECE_BYTES);

	if (got > 0 && is_first && stream->name == 'o') {
		is_hurried = is_hurried || is_report(frame + HEAD_BYTES, (size_t)got);
		is_first = false;
	}
	if (got > 0)
		tell(stream->name, frame, (size_t)got);
	else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
		close(stream->fd);
		stream->fd = -1;
	}
	return got > 0 ? (size_t)got : 0;
}

/* A command that the lab has, its .text to be freed; NULL when it wants no more. */
static struct command hear_command(void)
{
	struct command command = { .go = -1 };
	unsigned char head[4];
	uint32_t bytes = 0;

	if (!read_all(head, sizeof(head)))
		return command;
	for (int i = 0; i < 4; i++)
		bytes |= (uint32_t)head[i] << 8 * i;
	command.is_next = bytes & NEXT;
	bytes &= ~NEXT;
	if (bytes < NAME_BYTES || bytes > MOST_BYTES || !read_all(command.name, NAME_BYTES))
		return command;
	bytes -= NAME_BYTES;
	command.text = malloc(bytes + 1);
	if (!command.text || !read_all(command.text, bytes)) {
		free(command.text);
		command.text = NULL;
		return command;
	}
	command.text[bytes] = '\0';
	return command;
}

static void exec_shell(const char *command, int out, int err, int go)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(err, STDERR_FILENO) < 0 || (go >= 0 && dup2(go, GO_FD) < 0))
		_exit(126);
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(127);
}

/* Start it and have what it prints in streams; returns its process, or -1.  -1 for no go. */
static pid_t start(const char *command, struct stream *streams, int go)
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
		exec_shell(command, out[1], err[1], go);
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
	is_as_it_was = is_said && !bytes;
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

static uint64_t microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/*
 * Have a shell ready for it, while another CPU runs the command before: it starts in the time
 * that a small program takes.  What it inherits is looked at before it may go on.
 */
static void make_ready(struct command *next)
{
	static const char waits[] = "read -r _ <&9 || exit 126\nexec 9<&-\n";
	char *text = malloc(sizeof(waits) + strlen(next->text));
	int go[2];

	if (!text || pipe2(go, O_CLOEXEC)) {
		free(text);
		return;
	}
	strcpy(stpcpy(text, waits), next->text);
	next->shell = start(text, next->streams, go[0]);
	free(text);
	close(go[0]);
	if (next->shell > 0)
		next->go = go[1];
	else
		close(go[1]);
}

/* A shell that was ready, and is not to go on; what it has to say is nothing. */
static void forget(struct command *command)
{
	int how;

	if (command->go >= 0) {
		close(command->go);
		/* A program may have stopped it: such a one would be waited for without an end. */
		kill(command->shell, SIGKILL);
		waitpid(command->shell, &how, 0);
		close(command->streams[0].fd);
		close(command->streams[1].fd);
	}
	free(command->text);
	*command = (struct command){ .go = -1 };
}

/* What is to run after the command that runs; leaves when the lab does. */
static void hear_next(void)
{
	struct command next = { .go = -1 };

	if (!queued.text)
		next = hear_command();
	if (!next.text || !next.is_next)
		leave();
	make_ready(&next);
	queued = next;
}

/* Whether the kernel has said nothing. */
static bool is_silent;

/* A program that begins or ends is no news; a test may be the last, and so may a complaint. */
static void note(const char *record)
{
	const char *text = strchr(record, ';');
	bool is_mark = text && strncmp(text, ";lab: ", 6) == 0;

	is_silent = is_silent && is_mark;
	is_hurried = is_hurried || !is_mark || strncmp(text, ";lab: test ", 11) == 0;
}

/* What the kernel's log has got since this was done last. */
static void read_log(void)
{
	static char said[PIECE_BYTES];
	ssize_t got;

	/* A record each; -EPIPE is for those that were lost. */
	while ((got = read(kernel_log, said, sizeof(said) - 1)) > 0 || (got < 0 && errno == EPIPE)) {
		char *at = said, *line;

		said[got > 0 ? got : 0] = '\0';
		if (got < 0)
			note("");
		/* What belongs to a line, and to what device it is, begins with a blank. */
		while ((line = strsep(&at, "\n")))
			if (*line && *line != ' ')
				note(line);
	}
}

static bool was_kernel_silent(void)
{
	if (kernel_log >= 0)
		read_log();
	return kernel_log >= 0 && is_silent;
}

/* Returns whether it was much, and more is to be expected. */
static bool pass_some_on(struct stream *streams)
{
	size_t most = 0;

	for (int i = 0; i < 2; i++) {
		size_t bytes = streams[i].fd < 0 ? 0 : pass_on(&streams[i]);

		most = bytes > most ? bytes : most;
	}
	send_all();
	return most == PIECE_BYTES;
}

/* In nanoseconds; at once for who is in a hurry. */
static long left_until(uint64_t due)
{
	uint64_t now = microseconds();

	return is_hurried || now >= due ? 0 : (long)(due - now) * 1000;
}

/* Pass on what comes until the shell has ended; leaves when the lab does. */
static int await(pid_t child, struct stream *streams)
{
	struct pollfd heard[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN }, { .fd = look, .events = POLLIN },
		{ .fd = kernel_log, .events = POLLIN }, { .events = POLLIN }, { .events = POLLIN },
	};
	/* Not before this is anything passed on, unless in a hurry; and what has come, then. */
	uint64_t due = 0, began = microseconds();
	bool is_due = false;
	sigset_t none;
	int how;

	sigemptyset(&none);
	while (waitpid(child, &how, WNOHANG) != child) {
		struct timespec wait = { .tv_nsec = left_until(is_due ? due : began + HOLD_US) };

		for (int i = 0; i < 2; i++)
			heard[3 + i].fd = streams[i].fd;
		heard[2].fd = is_hurried ? -1 : kernel_log;
		/* SIGCHLD is blocked but here: none is missed.  What has come is not asked for. */
		if (ppoll(heard, is_due ? 3 : 5, is_due || unsent_bytes ? &wait : NULL, &none) < 0)
			continue;
		if (heard[0].revents)
			hear_next();
		if (heard[1].revents)
			hear(child, streams);
		/* Who waits for the log is woken by the next tick of the clock: too late for some. */
		if (!is_hurried && kernel_log >= 0)
			read_log();
		if (!is_due && unsent_bytes && microseconds() >= began + HOLD_US)
			send_all();
		is_due = is_due || heard[3].revents || heard[4].revents;
		if (is_due && (is_hurried || microseconds() >= due)) {
			is_due = pass_some_on(streams);
			due = microseconds() + (is_due ? 0 : HOLD_US);
		}
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

static void tell_name(char letter, const struct command *command)
{
	char frame[HEAD_BYTES + NAME_BYTES];

	memcpy(frame + HEAD_BYTES, command->name, NAME_BYTES);
	tell(letter, frame, NAME_BYTES);
}

static void tell_end(int how, uint64_t took)
{
	char frame[HEAD_BYTES + sizeof(how) + sizeof(took)];

	memcpy(frame + HEAD_BYTES, &how, sizeof(how));
	memcpy(frame + HEAD_BYTES + sizeof(how), &took, sizeof(took));
	tell('x', frame, sizeof(how) + sizeof(took));
	send_all();
}

/* Returns whether what follows finds what this one found. */
static bool run(struct command *command)
{
	struct stream *streams = command->streams;
	uint64_t begun;
	int how;

	forget_asked();
	is_as_it_was = false;
	was_kernel_silent();
	is_silent = true;
	is_hurried = false;
	is_first = true;
	/* Who says nothing to its deadline is the command now, and no guest that hung before. */
	tell_name('b', command);
	if (!command->is_next)
		send_all();
	begun = microseconds();
	if (command->go < 0)
		command->shell = start(command->text, streams, -1);
	else if (write(command->go, "\n", 1) != 1)
		exit(1);
	if (command->shell < 0)
		exit(1);
	how = await(command->shell, streams);
	pass_all_on(streams);
	for (int i = 0; i < 2; i++)
		if (streams[i].fd >= 0)
			close(streams[i].fd);
	if (command->go >= 0)
		close(command->go);
	tell_end(how, microseconds() - begun);
	return WIFEXITED(how) && is_as_it_was;
}

/* What runs now: what was to be next, if it still is, or what the lab says then. */
static struct command next_command(bool is_sound)
{
	struct command command = queued.text ? queued : hear_command();

	queued = (struct command){ .go = -1 };
	while (command.text && command.is_next && !(is_sound && was_kernel_silent())) {
		tell_name('s', &command);
		send_all();
		forget(&command);
		command = hear_command();
	}
	return command;
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
	char frame[HEAD_BYTES + 1];
	struct command command;
	bool is_sound = false;

	kernel_log = open(KERNEL_LOG, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kernel_log >= 0)
		lseek(kernel_log, 0, SEEK_END);
	frame[HEAD_BYTES] = VERSION;
	tell('v', frame, 1);
	looked = open_fifo(LOOKED);
	look = looked < 0 ? -1 : open_fifo(LOOK);

	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = on_child }, NULL);
	while ((command = next_command(is_sound)).text) {
		is_sound = run(&command);
		free(command.text);
	}
	leave();
}
