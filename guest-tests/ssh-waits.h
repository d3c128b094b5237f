/* SPDX-License-Identifier: GPL-2.0-only */
/* What init and an SSH server that waits share: descriptors, and the server's reports. */
#ifndef SSH_WAITS_H
#define SSH_WAITS_H

enum { SSH_PORT = 10, SSH_REPORTS = 11, SSH_SEED = 12, SSH_LOGIN = 13 };
/* lab/guest/qemu.py has as many. */
enum { SSH_PORTS = 4 };
enum { SSH_SEED_BYTES = 16, SSH_LOGIN_DIGITS = 32 };

#define SSH_WAITS 'w'
#define SSH_SERVES 's'

#endif
