// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints on the guest's console for ever, past its kernel's log: the console grows faster than
 * anybody reads it, since each line is as short as can be.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/io.h>
#include <unistd.h>

#define COM1 0x3f8

static char junk[1 << 16];

/* One instruction fills the port again and again, where the kernel lets a program do that. */
static void fill_port(void)
{
	const char *from = junk;
	size_t count = sizeof(junk);

	__asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(COM1) : "memory");
}

int main(void)
{
	size_t turn = 0;
	int allowed = ioperm(COM1, 8, 1) == 0;
	/* tiny.config of 6.12 has no CONFIG_DEVPORT. */
	int port = open("/dev/port", O_WRONLY);
	int tty = port < 0 ? open("/dev/ttyS0", O_WRONLY) : -1;

	puts("KTAP version 1\n1..1\nok 1 floods");
	fflush(stdout);
	for (size_t i = 0; i < sizeof(junk); i++)
		junk[i] = i % 2 ? '\n' : 'x';
	for (;;) {
		if (allowed)
			fill_port();
		else if (tty >= 0 && write(tty, junk, sizeof(junk)) <= 0)
			return 1;
		else if (tty < 0 && pwrite(port, &junk[turn++ % 2], 1, COM1) <= 0)
			return 1;
	}
}
