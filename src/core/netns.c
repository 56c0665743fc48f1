// SPDX-License-Identifier: GPL-2.0-only
/* netns.c: network namespaces by their inode: found by name or by a process in them, and entered for one question. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/netns.h"

static const char own_path[] = "/proc/self/ns/net";

/* a descriptor of the network namespace at path, and its inode; -1 if there is none. Only what lies on the file system
 * of namespaces is opened: another file might keep us waiting.
 */
static int open_at(const char *path, uint32_t *inode)
{
	struct stat info, own;
	int fd;

	if (stat(path, &info) || stat(own_path, &own) || info.st_dev != own.st_dev)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
		close(fd);
		return -1;
	}
	*inode = info.st_ino;
	return fd;
}

uint32_t netns_inode(const char *path)
{
	uint32_t inode = 0;
	int fd = open_at(path ? path : own_path, &inode);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? 0 : inode;
}

/* by one of the names in folder */
static int open_in(const char *folder, const char *tail, uint32_t inode)
{
	DIR *names = opendir(folder);
	struct dirent *name;
	char path[512];
	uint32_t found;
	int fd = -1;

	while (fd < 0 && names && (name = readdir(names))) {
		snprintf(path, sizeof(path), "%s/%s%s", folder, name->d_name, tail);
		fd = open_at(path, &found);
		if (fd >= 0 && found != inode) {
			close(fd);
			fd = -1;
		}
	}
	if (names)
		closedir(names);
	return fd;
}

int netns_open(uint32_t inode)
{
	int fd = open_in("/run/netns", "", inode);

	return fd < 0 ? open_in("/proc", "/ns/net", inode) : fd;
}

int netns_call(uint32_t inode, int (*work)(void *data), void *data)
{
	int home, there, result = -ESRCH;

	if (netns_inode(NULL) == inode)
		return work(data);
	home = open(own_path, O_RDONLY | O_CLOEXEC);
	there = netns_open(inode);
	if (home >= 0 && there >= 0 && !setns(there, CLONE_NEWNET)) {
		result = work(data);
		if (setns(home, CLONE_NEWNET))
			abort(); /* nothing that follows would be about this host */
	}
	if (home >= 0)
		close(home);
	if (there >= 0)
		close(there);
	return result;
}
