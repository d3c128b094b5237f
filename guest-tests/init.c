// SPDX-License-Identifier: GPL-2.0-only
/*
 * init: PID 1 of a guest.  It mounts, starts SSH servers, reaps orphans, and wakes a guest
 * that was restored from a saved state.  One static program, since each process costs
 * milliseconds under TCG, and tens of them in a restored guest, which has no translated code
 * yet.
 *
 * SSH comes in by the ports of a virtio-serial device, one for each connection that the lab
 * can make: a fraction of the code that TCP takes, and nobody else can connect.
 *
 * It speaks with the lab over the second serial port.  Says "lab: NAME SECONDS-SINCE-BOOT":
 * "init", "ready" when SSH can be had, "no ssh" when no server can be started.  Says
 * "lab: ssh N ended" of port N, which has no end-of-file for the lab.  Hears
 * "rest" before the guest is saved: a server is there, and waits for a seed, and init
 * says "resting".  Hears "wake" when it was restored, with what only somebody awake can
 * know: the time of day, and randomness that no other guest of the same state has.  The
 * server goes on, and init says "awake", without a time.  What a restored guest runs here is
 * translated anew each time: so there is nothing to parse, and no file to open.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "init/commands.h"
#include "init/mounts.h"
#include "init/settings.h"
#include "ssh-waits.h"

enum { SEED_BYTES = 32, PORT_PATIENCE_MS = 5000 };

/* Linux 4.17, d848e5f8e1eb; the headers may be older. */
#ifndef RNDRESEEDCRNG
#define RNDRESEEDCRNG _IO('R', 0x07)
#endif

#define RANDOM "/proc/sys/kernel/random/"
#define SSH_LOG "/run/dropbear.log"
/* lab/image/overlay.py writes it. */
#define LOGIN "/etc/dropbear/login"

/*
 * What is heard; lab/guest/state.py writes it.  Since 5.11 (3b830a9c34d5) the kernel reads a
 * terminal 64 bytes at a time, and would wait for VMIN bytes each time.
 */
struct order {
	char verb[4];
	uint32_t nanoseconds;
	uint64_t seconds;
	unsigned char seed[SEED_BYTES];
	unsigned char server_seed[SSH_SEED_BYTES];
};

_Static_assert(sizeof(struct order) == 64, "lab/guest/state.py, and no more than 64");

static int port = -1;
static int urandom = -1;

/* The file until a server has it, and then that server. */
static struct {
	int fd;
	pid_t pid;
} ssh_ports[SSH_PORTS];

/* The one of the next connection. */
static int next_port;

/* The SSH server of the next connection, until it has that; pid 0 is none. */
static struct server {
	pid_t pid;
	/* Where it gets its seed, with which it goes on. */
	int seed;
	int waits;
	int goes_on;
} server;
static int reports = -1;
static int ssh_ended;

static int failed(const char *what)
{
	dprintf(STDERR_FILENO, "init: %s: %s\n", what, strerror(errno));
	return -1;
}

static void mark(const char *name)
{
	struct timespec up;

	clock_gettime(CLOCK_BOOTTIME, &up);
	dprintf(port, "lab: %s %lld.%02ld\n", name, (long long)up.tv_sec, up.tv_nsec / 10000000);
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t length = (ssize_t)strlen(text);

	if (fd < 0 || write(fd, text, (size_t)length) != length)
		return failed(path);
	return close(fd);
}

static void mount_at(const char *type, const char *path, const char *options)
{
	mkdir(path, 0755);
	if (mount(type, path, type, 0, options))
		failed(path);
}

/*
 * The port is a node of the image (lab/image/base.py), which knows what device it is on this
 * architecture: a machine may be without one, and goes on.
 */
static void open_port(void)
{
	struct termios raw;

	port = open("/dev/lab-marks", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (port < 0) {
		port = open("/dev/null", O_RDWR | O_CLOEXEC);
		return;
	}
	/* No echo: each byte that comes would go back, by an interrupt of its own. */
	if (!tcgetattr(port, &raw)) {
		cfmakeraw(&raw);
		raw.c_cc[VMIN] = sizeof(struct order);
		cfsetspeed(&raw, B115200);
		tcsetattr(port, TCSANOW, &raw);
	}
}

static void mount_rest(void)
{
	mount_at("devpts", "/dev/pts", "mode=600");
	mkdir("/dev/shm", 01777);
	mount_at("sysfs", "/sys", NULL);
	mount_at("tmpfs", "/tmp", NULL);
}

/* Programs may talk to each other over it; there is no other network. */
static void bring_up_loopback(void)
{
	struct ifreq request = { .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(request.ifr_name, "lo");
	if (ioctl(fd, SIOCSIFFLAGS, &request))
		failed("lo");
	close(fd);
}

static long number_in(const char *path)
{
	char text[32];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	close(fd);
	if (length < 0)
		return -1;
	text[length] = '\0';
	return strtol(text, NULL, 10);
}

/*
 * Up to 4.7 (e192be9d9a30) getrandom(), and so dropbear, waits for a pool that nothing fills
 * but reads of urandom, and those once a minute: virtio-rng stops at the pool before it.
 * Kernels without the threshold (c95ea0c69ffd, 5.6) are not made to wait for it.
 */
static void fill_pools(void)
{
	char bytes[64];
	long bits;

	if (access(RANDOM "read_wakeup_threshold", F_OK))
		return;
	while ((bits = number_in(RANDOM "entropy_avail")) >= 0 && bits < 256)
		pause_ms(20);
	write_file(RANDOM "urandom_min_reseed_secs", "0");
	if (read(urandom, bytes, sizeof(bytes)) != sizeof(bytes))
		failed("/dev/urandom");
	write_file(RANDOM "urandom_min_reseed_secs", "60");
}

/* A driver that is still probing has PORT_PATIENCE_MS for it. */
static int open_ssh_port(int number)
{
	char path[] = "/dev/vport0p1";
	int fd, waited;

	path[sizeof(path) - 2] = (char)('1' + number);
	for (waited = 0; waited < PORT_PATIENCE_MS; waited += 5) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 || errno != ENOENT)
			break;
		pause_ms(5);
	}
	return fd < 0 ? failed(path) : fd;
}

/* Returns 0 when there is one at least. */
static int open_ssh_ports(void)
{
	int ends[2], number;

	for (number = 0; number < SSH_PORTS; number++)
		ssh_ports[number].fd = -1;
	/* It has a number of its own, which an SSH server finds it by, and no port has before it. */
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) || dup3(ends[1], SSH_REPORTS, O_CLOEXEC) < 0)
		return failed("pipe");
	close(ends[1]);
	reports = ends[0];
	for (number = 0; number < SSH_PORTS; number++)
		if ((ssh_ports[number].fd = open_ssh_port(number)) < 0)
			break;
	if (number)
		return 0;
	dprintf(STDERR_FILENO, "init: no SSH port: is CONFIG_VIRTIO_CONSOLE set?\n");
	return -1;
}

/* One that has a server's number already would be closed, or stay closed on exec. */
static int above_ours(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, SSH_LOGIN + 1);
}

static void exec_ssh_server(int seed)
{
	static char *const arguments[] = {
		/* Who knows the user name needs no password: "-B", and no "-s" to forbid it. */
		"dropbear", "-i", "-B", "-r", "/etc/dropbear/host_key", NULL,
	};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* What it says of each connection is no word of the kernel's, and the console is slow. */
	int log = open(SSH_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int login = above_ours(open(LOGIN, O_RDONLY | O_CLOEXEC));
	int connection = above_ours(ssh_ports[next_port].fd);
	sigset_t none;

	seed = above_ours(seed);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (null < 0 || log < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(log, 2) < 0)
		_exit(failed(SSH_LOG));
	fcntl(SSH_REPORTS, F_SETFD, 0);
	if (dup2(connection, SSH_PORT) < 0)
		_exit(failed("the port"));
	if (dup2(login, SSH_LOGIN) < 0)
		_exit(failed(LOGIN));
	if (dup2(seed, SSH_SEED) < 0)
		_exit(failed("the seed"));
	setenv("LD_PRELOAD", "/lab/ssh-waits.so", 1);
	setsid();
	execv("/bin/dropbear", arguments);
	_exit(failed(arguments[0]));
}

static void forget_server(void)
{
	close(server.seed);
	server = (struct server){ .pid = 0 };
}

static int ports_left(void)
{
	return next_port < SSH_PORTS && ssh_ports[next_port].fd >= 0;
}

/* Start the server of the next connection, unless it was started. */
static void start_ssh_server(void)
{
	int ends[2] = { -1, -1 };
	pid_t child;

	if (server.pid || !ports_left())
		return;
	child = pipe2(ends, O_CLOEXEC) ? -1 : fork();
	if (!child)
		exec_ssh_server(ends[0]);
	close(ends[0]);
	if (child > 0) {
		server = (struct server){ .pid = child, .seed = ends[1] };
		return;
	}
	failed("a new SSH server");
	close(ends[1]);
	/* Whoever wants one comes back at once. */
	pause_ms(100);
}

static void let_server_go_on(const unsigned char *seed)
{
	if (!server.pid)
		return;
	if (write(server.seed, seed, SSH_SEED_BYTES) != SSH_SEED_BYTES)
		failed("the SSH server");
	server.goes_on = 1;
}

/* Without it, connections wait for ever: a new server would come to the same end. */
static void give_up_ssh(void)
{
	char said[512];
	int log = open(SSH_LOG, O_RDONLY | O_CLOEXEC);
	ssize_t length = log < 0 ? 0 : read(log, said, sizeof(said));

	if (length > 0 && write(STDERR_FILENO, said, (size_t)length) < 0)
		failed("the console");
	close(log);
	ssh_ended = 1;
	mark("no ssh");
}

static void hear_server(void)
{
	char report;

	while (read(reports, &report, 1) == 1) {
		if (report == SSH_WAITS) {
			server.waits = 1;
			continue;
		}
		ssh_ports[next_port].pid = server.pid;
		/* It ends for the lab with the server. */
		close(ssh_ports[next_port].fd);
		next_port++;
		forget_server();
	}
}

static void tell_end_of(pid_t child)
{
	int number;

	for (number = 0; number < next_port; number++)
		if (ssh_ports[number].pid == child)
			dprintf(port, "lab: ssh %d ended\n", number + 1);
}

/* Reap what has ended; a server that ended itself before it came to wait is the last. */
static void reap(void)
{
	pid_t child;
	int how;

	while ((child = waitpid(-1, &how, WNOHANG)) > 0) {
		/* It may have said that it serves since they were last heard. */
		hear_server();
		tell_end_of(child);
		if (child != server.pid)
			continue;
		if (!server.waits && !(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL))
			give_up_ssh();
		forget_server();
	}
}

/* Start a server and wait until it waits; returns whether it does. */
static int await_ssh_server(void)
{
	struct pollfd heard = { .fd = reports, .events = POLLIN };
	sigset_t none;

	sigemptyset(&none);
	if (!ports_left())
		give_up_ssh();
	while (!ssh_ended && !server.waits) {
		start_ssh_server();
		/* SIGCHLD is blocked but here: none is missed. */
		ppoll(&heard, 1, &(struct timespec){ .tv_sec = 1 }, &none);
		hear_server();
		reap();
	}
	return server.waits;
}

/*
 * Run what each command runs first, beside the SSH server: under TCG its code, and the
 * kernel's for it, is translated by then.
 */
static void warm_shell(void)
{
	static char *const arguments[] = { "sh", "-c", "exit", NULL };

	if (!fork()) {
		execv("/bin/sh", arguments);
		_exit(127);
	}
}

static int set_clock(const struct order *order)
{
	struct timespec now = {
		.tv_sec = (time_t)order->seconds,
		.tv_nsec = (long)order->nanoseconds,
	};

	return clock_settime(CLOCK_REALTIME, &now) ? failed("clock_settime") : 0;
}

static int seed(const unsigned char *bytes)
{
	struct {
		struct rand_pool_info head;
		unsigned char bytes[SEED_BYTES];
	} pool = { .head = { .entropy_count = 8 * SEED_BYTES, .buf_size = SEED_BYTES } };

	memcpy(pool.bytes, bytes, SEED_BYTES);
	if (ioctl(urandom, RNDADDENTROPY, &pool))
		return failed("RNDADDENTROPY");
	/* Without it the generator goes on unchanged for up to five minutes. */
	if (!ioctl(urandom, RNDRESEEDCRNG))
		return 0;
	if (errno != EINVAL && errno != ENOTTY)
		return failed("RNDRESEEDCRNG");
	/* Before 4.8 a write reaches the pool that urandom reads from, the first does not. */
	if (write(urandom, pool.bytes, SEED_BYTES) != SEED_BYTES)
		return failed("write to /dev/urandom");
	return 0;
}

static void wake(const struct order *order)
{
	static const char awake[] = "lab: awake\n";

	/* On another CPU, beside all this. */
	let_server_go_on(order->server_seed);
	if (set_clock(order) || seed(order->seed))
		return;
	if (write(port, awake, sizeof(awake) - 1) < 0)
		failed("the port");
	warm_shell();
}

static void hear(void);

/* Who comes until the guest is awake waits: the server's randomness is to be fresh. */
static void rest(void)
{
	hear_server();
	if (server.goes_on) {
		kill(server.pid, SIGKILL);
		waitpid(server.pid, NULL, 0);
		/* If it came to serve, its port is used up. */
		hear_server();
		if (server.pid)
			forget_server();
	}
	await_ssh_server();
	mark("resting");
	/* Here it is saved. */
	hear();
}

static void hear(void)
{
	struct order order;

	if (read(port, &order, sizeof(order)) != (ssize_t)sizeof(order))
		/* A port that is gone stays readable. */
		pause_ms(100);
	else if (!memcmp(order.verb, "wake", sizeof(order.verb)))
		wake(&order);
	else if (!memcmp(order.verb, "rest", sizeof(order.verb)))
		rest();
}

static void on_child(int number)
{
	(void)number;
}

/* Once it waits it may go on: the kernel's randomness is this guest's alone. */
static void let_waiting_server_go_on(void)
{
	unsigned char seed[SSH_SEED_BYTES];

	if (!server.waits || server.goes_on)
		return;
	if (read(urandom, seed, sizeof(seed)) != (ssize_t)sizeof(seed))
		failed("/dev/urandom");
	else
		let_server_go_on(seed);
}

static void serve(void)
{
	enum { PORT, REPORTS, CONNECTIONS };
	struct pollfd heard[] = {
		[PORT] = { .fd = port, .events = POLLIN },
		[REPORTS] = { .fd = reports, .events = POLLIN },
		[CONNECTIONS] = { .events = POLLIN },
	};
	sigset_t none;

	sigemptyset(&none);
	for (;;) {
		reap();
		let_waiting_server_go_on();
		/* A server that waits takes the next connection itself. */
		heard[CONNECTIONS].fd = server.pid || ssh_ended || !ports_left() ?
			-1 : ssh_ports[next_port].fd;
		/* SIGCHLD is blocked but here: none is missed. */
		if (ppoll(heard, 3, NULL, &none) <= 0)
			continue;
		hear_server();
		if (heard[CONNECTIONS].revents)
			start_ssh_server();
		if (heard[PORT].revents)
			hear();
	}
}

static void prepare_process(void)
{
	sigset_t children;

	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, NULL);
	sigaction(SIGCHLD, &(struct sigaction){
		.sa_handler = on_child,
		.sa_flags = SA_NOCLDSTOP,
	}, NULL);
	setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin:/lab", 1);
	setenv("HOME", "/root", 1);
}

int main(int argc, char **argv)
{
	/* The lab asks a guest: settings.py and command_channel.py of lab/guest, and
	 * lab/filesystems/mounts.py. */
	if (getpid() != 1 && argc > 1 && settings_know(argv[1]))
		return settings_main(argc - 1, argv + 1);
	if (getpid() != 1 && argc == 5 && !strcmp(argv[1], "mounts"))
		return mounts_main(argv[2], argv[3], argv[4]);
	if (getpid() != 1 && argc == 2 && !strcmp(argv[1], "commands"))
		return commands_main();
	/* Whoever tries it on a host as root would have /proc, /run and /tmp mounted over. */
	if (getpid() != 1) {
		fputs("init: only a guest's kernel starts this, as PID 1\n", stderr);
		return 1;
	}
	prepare_process();
	mount_at("proc", "/proc", NULL);
	open_port();
	mark("init");
	mount_at("devtmpfs", "/dev", NULL);
	mount_at("tmpfs", "/run", NULL);
	urandom = open("/dev/urandom", O_RDWR | O_CLOEXEC);
	fill_pools();
	/* Its start is the longest part: the rest is done beside it, on another CPU. */
	if (!open_ssh_ports())
		start_ssh_server();
	mount_rest();
	if (sethostname("lab", 3))
		failed("sethostname");
	bring_up_loopback();
	warm_shell();
	if (await_ssh_server()) {
		let_waiting_server_go_on();
		mark("ready");
	}
	serve();
}
