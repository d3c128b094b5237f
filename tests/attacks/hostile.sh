#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What a patch's Makefile may run: says on stdout what it was able to do.
#   hostile.sh SRCTREE SECRET PORT PID BUILDS TREE
src=$1 secret=$2 port=$3 pid=$4 builds=$5 tree=$6

exec 2>/dev/null
(echo '/* poison */' >> "$src/fs/dax.c") && echo 'wrote into a file of the source'
(echo x > "$src/fs/new.c") && echo 'made a file in the source'
rm -f "$src/mm/mlock.c" && echo 'removed a file of the source'
mv "$src/mm" "$src/nn" && echo 'moved a folder of the source'
mount -o remount,bind,rw "$src" && echo 'mounted the source anew'
grep -q secret "$secret" && echo 'read a file of the user'
test -e "$secret" && (echo x >> "$secret") && echo 'wrote into a file of the user'
perl -MIO::Socket::INET -e \
	'exit !IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ARGV[0]", Timeout => 5)' "$port" &&
	echo 'reached the network'
kill -0 "$pid" && echo 'found a process of the user'
ls "$builds" | grep -q . && echo 'found the builds of others'
(echo '/* poison */' >> "$tree/fs/dax.c") && echo 'wrote into the tree'
cat /proc/[0-9]*/environ | grep -q PASSWORD= && echo 'found what the lab was started with'
test -e /etc/shadow && echo 'found the passwords'
echo 'ran'
