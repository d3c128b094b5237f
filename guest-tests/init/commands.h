// SPDX-License-Identifier: GPL-2.0-only
#ifndef COMMANDS_H
#define COMMANDS_H

/*
 * Runs one shell command after the other for whoever has the other end of stdin and stdout:
 * lab/guest/command_channel.py has that.  Returns an exit status when that end
 * is closed.
 */
int commands_main(void);

#endif
