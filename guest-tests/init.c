// SPDX-License-Identifier: GPL-2.0-only
/*
 * init: PID 1 of a guest.  It mounts, brings up the network, starts the SSH server, reaps
 * orphans, and wakes a guest that was restored from a saved state.  One static program,
 * since each process costs milliseconds under TCG, and tens of them in a restored guest,
 * which has no translated code yet.
 *
 * It speaks with the lab over the second serial port.  Says "lab: NAME SECONDS-SINCE-BOOT":
 * "init", "ready" when SSH can be had, "no ssh" when its server has ended.  Hears "rest"
 * before the guest is saved: the SSH server stops, and it says "resting".  Hears "wake
 * SECONDS NANOSECONDS HEX" when it was restored: what only somebody awake can know, the
 * time of day and randomness that no other guest of the same state has.  It says "awake",
 * without a time, and the server goes on.  What a restored guest runs here is translated
 * anew each time, so this part does without stdio and strtod().
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <signal.h>
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

enum { SEED_BYTES = 64, NIC_PATIENCE_MS = 5000 };

/* Linux 4.17, d848e5f8e1eb; the headers may be older. */
#ifndef RNDRESEEDCRNG
#define RNDRESEEDCRNG _IO('R', 0x07)
#endif

#define RANDOM "/proc/sys/kernel/random/"
#define SSH_LOG "/run/dropbear.log"
#define SSH_PID "/run/dropbear.pid"

/* QEMU's user network: "-netdev user" gives a guest this address, and this router. */
#define ADDRESS "10.0.2.15"
#define NETMASK "255.255.255.0"
#define ROUTER "10.0.2.2"

static int port = -1;
/* 0 when there is none. */
static pid_t ssh_server;

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

/* The port is a node of the image: a machine may be without one, and goes on. */
static void open_port(void)
{
	struct termios raw;

	port = open("/dev/ttyS1", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (port < 0) {
		port = open("/dev/null", O_RDWR | O_CLOEXEC);
		return;
	}
	/* No echo: each byte that comes would go back, by an interrupt of its own. */
	if (!tcgetattr(port, &raw)) {
		cfmakeraw(&raw);
		raw.c_lflag |= ICANON;
		raw.c_iflag |= ICRNL;
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

static void set_address(struct sockaddr *to, const char *text)
{
	*(struct sockaddr_in *)to = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = inet_addr(text),
	};
}

static int up(int fd, const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_UP | IFF_RUNNING };

	strcpy(request.ifr_name, name);
	return ioctl(fd, SIOCSIFFLAGS, &request) ? failed(name) : 0;
}

/* A driver that is still probing has NIC_PATIENCE_MS for it. */
static void await_interface(int fd, const char *name)
{
	struct ifreq request;
	int waited;

	strcpy(request.ifr_name, name);
	for (waited = 0; waited < NIC_PATIENCE_MS; waited += 5) {
		if (!ioctl(fd, SIOCGIFFLAGS, &request))
			return;
		pause_ms(5);
	}
}

static int give_address(int fd, const char *name)
{
	struct ifreq request = { .ifr_flags = 0 };

	await_interface(fd, name);
	strcpy(request.ifr_name, name);
	set_address(&request.ifr_addr, ADDRESS);
	if (ioctl(fd, SIOCSIFADDR, &request))
		return failed(name);
	set_address(&request.ifr_netmask, NETMASK);
	return ioctl(fd, SIOCSIFNETMASK, &request) ? failed(name) : 0;
}

static void bring_up_network(void)
{
	struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	up(fd, "lo");
	if (!give_address(fd, "eth0") && !up(fd, "eth0")) {
		set_address(&route.rt_dst, "0.0.0.0");
		set_address(&route.rt_genmask, "0.0.0.0");
		set_address(&route.rt_gateway, ROUTER);
		if (ioctl(fd, SIOCADDRT, &route))
			failed("the route");
	}
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
	int fd;

	if (access(RANDOM "read_wakeup_threshold", F_OK))
		return;
	while ((bits = number_in(RANDOM "entropy_avail")) >= 0 && bits < 256)
		pause_ms(20);
	write_file(RANDOM "urandom_min_reseed_secs", "0");
	fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, bytes, sizeof(bytes)) != sizeof(bytes))
		failed("/dev/urandom");
	close(fd);
	write_file(RANDOM "urandom_min_reseed_secs", "60");
}

static void exec_ssh_server(void)
{
	static char *const arguments[] = {
		"dropbear", "-F", "-E", "-s", "-r", "/etc/dropbear/host_key",
		"-p", "22", "-P", SSH_PID, NULL,
	};
	int null = open("/dev/null", O_RDONLY), log;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* What it says of each connection is no word of the kernel's, and the console is slow. */
	log = open(SSH_LOG, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (null < 0 || log < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		_exit(failed(SSH_LOG));
	close(null);
	close(log);
	setsid();
	execv("/bin/dropbear", arguments);
	_exit(failed(arguments[0]));
}

static void start_ssh_server(void)
{
	pid_t child = fork();

	if (!child)
		exec_ssh_server();
	else if (child < 0)
		failed("fork");
	else
		ssh_server = child;
}

/* Reap what has ended; returns whether the SSH server is among it. */
static int reap(void)
{
	int found = 0;
	pid_t child;

	while ((child = waitpid(-1, NULL, WNOHANG)) > 0) {
		if (child == ssh_server) {
			ssh_server = 0;
			found = 1;
		}
	}
	return found;
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

static int set_clock(const char *seconds, const char *nanoseconds)
{
	struct timespec now = {
		.tv_sec = strtoll(seconds, NULL, 10),
		.tv_nsec = strtol(nanoseconds, NULL, 10),
	};

	return clock_settime(CLOCK_REALTIME, &now) ? failed("clock_settime") : 0;
}

/* Lower-case digits, as Python writes them; their end or any other byte ends the number. */
static size_t from_hex(const char *text, unsigned char *bytes, size_t most)
{
	static const char digits[] = "0123456789abcdef";
	const char *high, *low;
	size_t count;

	for (count = 0; count < most && text[2 * count] && text[2 * count + 1]; count++) {
		high = strchr(digits, text[2 * count]);
		low = strchr(digits, text[2 * count + 1]);
		if (!high || !low)
			break;
		bytes[count] = (unsigned char)((high - digits) << 4 | (low - digits));
	}
	return count;
}

static int seed(const char *text)
{
	struct {
		struct rand_pool_info head;
		unsigned char bytes[SEED_BYTES];
	} pool;
	size_t count = from_hex(text, pool.bytes, SEED_BYTES);
	int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return failed("/dev/urandom");
	pool.head.entropy_count = (int)(8 * count);
	pool.head.buf_size = (int)count;
	if (ioctl(fd, RNDADDENTROPY, &pool))
		return failed("RNDADDENTROPY");
	/* Without it the generator goes on unchanged for up to five minutes. */
	if (ioctl(fd, RNDRESEEDCRNG)) {
		if (errno != EINVAL && errno != ENOTTY)
			return failed("RNDRESEEDCRNG");
		/* Before 4.8 a write reaches the pool that urandom reads from, the first does not. */
		if (write(fd, pool.bytes, count) != (ssize_t)count)
			return failed("write to /dev/urandom");
	}
	return close(fd);
}

static void signal_ssh_server(int number)
{
	if (ssh_server && kill(ssh_server, number))
		failed("the SSH server");
}

static void wake(char *line)
{
	static const char awake[] = "lab: awake\n";
	char *seconds = strtok(line, " "), *nanoseconds = strtok(NULL, " "), *hex = strtok(NULL, " ");

	if (!hex || set_clock(seconds, nanoseconds) || seed(hex))
		return;
	signal_ssh_server(SIGCONT);
	if (write(port, awake, sizeof(awake) - 1) < 0)
		failed("the port");
	warm_shell();
}

/* What comes in until the guest is awake waits: the server's randomness is to be fresh. */
static void rest(void)
{
	signal_ssh_server(SIGSTOP);
	mark("resting");
}

static void hear(void)
{
	static const char verb[] = "wake ";
	char line[4096];
	ssize_t length = read(port, line, sizeof(line) - 1);

	if (length <= 0) {
		/* A port that is gone stays readable. */
		pause_ms(100);
		return;
	}
	line[length] = '\0';
	if (!strncmp(line, verb, sizeof(verb) - 1))
		wake(line + sizeof(verb) - 1);
	else if (!strcmp(line, "rest\n"))
		rest();
}

static void on_child(int number)
{
	(void)number;
}

/* Until the SSH server listens or has ended; returns whether it has ended. */
static int await_ssh_server(void)
{
	/* It writes the file when it listens (dropbear's svr-main.c). */
	while (access(SSH_PID, F_OK)) {
		if (!ssh_server || reap())
			return 1;
		pause_ms(2);
	}
	mark("ready");
	return 0;
}

static void serve(void)
{
	struct pollfd heard = { .fd = port, .events = POLLIN };
	sigset_t none;
	int ended = await_ssh_server();

	sigemptyset(&none);
	if (ended)
		mark("no ssh");
	for (;;) {
		if (reap() && !ended) {
			mark("no ssh");
			ended = 1;
		}
		/* SIGCHLD is blocked but here: none is missed. */
		if (ppoll(&heard, 1, NULL, &none) > 0)
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

int main(void)
{
	prepare_process();
	mount_at("proc", "/proc", NULL);
	open_port();
	mark("init");
	mount_at("devtmpfs", "/dev", NULL);
	mount_at("tmpfs", "/run", NULL);
	fill_pools();
	/* Its start is the longest part: the rest is done beside it, on another CPU. */
	start_ssh_server();
	mount_rest();
	if (sethostname("lab", 3))
		failed("sethostname");
	bring_up_network();
	warm_shell();
	serve();
}
