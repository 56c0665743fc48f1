// SPDX-License-Identifier: GPL-2.0-only
/* devices.c: the NICs and taps of a run, and the path that its words choose. */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "abi/filter.h"
#include "core/object.h"
#include "engine.skel.h"
#include "path/engine.h"
#include "path/path.h"

/* one more than programs compare one by one */
static int more_add(struct path_run *state, const struct path_device *device)
{
	struct path_device *more = realloc(state->more_devices, (state->more_device_count + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	more[state->more_device_count++] = *device;
	state->more_devices = more;
	return 0;
}

static const struct path_device *device_find(const struct run *run, unsigned int ifindex)
{
	const struct path_run *state = run->state;
	const struct engine__rodata *rodata = PATH_RODATA(run);

	for (unsigned int i = 0; i < rodata->path_device_count; i++) {
		if (rodata->path_devices[i].ifindex == ifindex)
			return &rodata->path_devices[i];
	}
	for (unsigned int i = 0; i < state->more_device_count; i++) {
		if (state->more_devices[i].ifindex == ifindex)
			return &state->more_devices[i];
	}
	return NULL;
}

static int device_add(struct run *run, const char *option, const char *name, __u32 role)
{
	struct engine__rodata *rodata = PATH_RODATA(run);
	struct stat netns;
	unsigned int ifindex = if_nametoindex(name);
	const struct path_device *found = device_find(run, ifindex);
	struct path_device device;

	if (!ifindex) {
		run_error(run, "--%s %s: no such device", option, name);
		return -EINVAL;
	}
	if (found && found->role == role)
		return 0;
	if (found) {
		run_error(run, "%s: cannot be --phy-interface and --vm-interface", name);
		return -EINVAL;
	}
	if (stat("/proc/self/ns/net", &netns))
		return -errno;
	if (!rodata->path_netns)
		rodata->path_netns = run->filter->set & FILTER_NETNS ? run->filter->netns : netns.st_ino;
	device = (struct path_device){ .ifindex = ifindex, .netns = netns.st_ino, .role = role };
	if (rodata->path_device_count == PATH_DEVICES)
		return more_add(run->state, &device);
	rodata->path_devices[rodata->path_device_count++] = device;
	return 0;
}

/* a bond's members, else the device itself */
static int phy_add(struct run *run, const char *name)
{
	char path[128], member[IF_NAMESIZE];
	FILE *members;
	int err = 0, count = 0;

	snprintf(path, sizeof(path), "/sys/class/net/%.15s/bonding/slaves", name);
	members = fopen(path, "re");
	while (members && !err && fscanf(members, "%15s", member) == 1) {
		err = device_add(run, "phy-interface", member, ROLE_phy);
		count++;
	}
	if (members)
		fclose(members);
	return count ? err : device_add(run, "phy-interface", name, ROLE_phy);
}

/* the taps that a process has open: their names stand in its fdinfo */
static int taps_add(struct run *run, const char *word)
{
	char path[320], line[128], tap[IF_NAMESIZE];
	DIR *folder;
	struct dirent *entry;
	int err = 0, count = 0;

	snprintf(path, sizeof(path), "/proc/%.10s/fdinfo", word + strlen("pid:"));
	folder = opendir(path);
	if (!folder) {
		run_error(run, "--vm-interface %s: no such process", word);
		return -EINVAL;
	}
	while (!err && (entry = readdir(folder))) {
		FILE *info;

		snprintf(path, sizeof(path), "/proc/%.10s/fdinfo/%.20s", word + strlen("pid:"), entry->d_name);
		info = fopen(path, "re");
		while (info && !err && fgets(line, sizeof(line), info)) {
			if (sscanf(line, "iff: %15s", tap) != 1)
				continue;
			err = device_add(run, "vm-interface", tap, ROLE_vm);
			count++;
		}
		if (info)
			fclose(info);
	}
	closedir(folder);
	if (!err && !count) {
		run_error(run, "--vm-interface %s: that process has no tap open", word);
		return -EINVAL;
	}
	return err;
}

static int vm_add(struct run *run, const char *name)
{
	return strncmp(name, "pid:", 4) ? device_add(run, "vm-interface", name, ROLE_vm)
					: taps_add(run, name);
}

static int list_each(struct run *run, const char *option, const char *list,
		     int (*add)(struct run *run, const char *name))
{
	char word[64];
	int err = 0;

	while (list && *list && !err) {
		size_t length = strcspn(list, ",");

		if (!length || length >= sizeof(word)) {
			run_error(run, "--%s: not a device name in the list: %.*s", option,
				  (int)length, list);
			return -EINVAL;
		}
		snprintf(word, sizeof(word), "%.*s", (int)length, list);
		err = add(run, word);
		list += length;
		list += *list == ',';
	}
	return err;
}

/* the path that the words say: --path, or a direction and whose it is */
static int path_choose(struct run *run)
{
	struct path_run *state = run->state;
	bool vm = !strncmp(run->called, "vm", 2) || (state->vm && strncmp(run->called, "system", 6));
	char name[16];

	if (state->path && state->direction) {
		run_error(run, "--direction %s: --path %s says it already", state->direction,
			  state->path->name);
		return -EINVAL;
	}
	if (state->path)
		return 0;
	if (!state->direction && run->quiet)
		state->direction = "tx";
	if (!state->direction) {
		run_error(run, "needs --path (host-tx, host-rx, vm-tx, vm-rx, vm-vm, forward)");
		return -EINVAL;
	}
	snprintf(name, sizeof(name), "%s-%s", vm ? "vm" : "host", state->direction);
	state->path = path_find(name);
	return 0;
}

static int devices_check(struct run *run)
{
	struct path_run *state = run->state;

	if (run->quiet)
		return 0;
	if (run->filter->set & FILTER_DEVICE) {
		run_error(run, "--dev: a path crosses many devices: name its NICs by --phy-interface and its taps by "
			       "--vm-interface");
		return -EINVAL;
	}
	if (state->path->needs_phy != !!state->phy) {
		run_error(run, state->phy ? "--phy-interface %s: no NIC is on path %s"
					  : "needs --phy-interface: %sthe NICs of path %s",
			  state->phy ? state->phy : "", state->path->name);
		return -EINVAL;
	}
	if (state->path->needs_vm != !!state->vm) {
		run_error(run, state->vm ? "--vm-interface %s: no guest is on path %s"
					 : "needs --vm-interface: %sthe taps of path %s",
			  state->vm ? state->vm : "", state->path->name);
		return -EINVAL;
	}
	if (state->socket && !state->path->ends_at_socket) {
		run_error(run, "--socket: path %s ends at no socket", state->path->name);
		return -EINVAL;
	}
	return 0;
}

int devices_loaded(struct run *run)
{
	const struct path_run *state = run->state;
	int map = object_map(run, "more_devices");

	for (unsigned int i = 0; i < state->more_device_count; i++) {
		int err = bpf_map_update_elem(map, &state->more_devices[i].ifindex, &state->more_devices[i], BPF_ANY);

		if (err)
			return err;
	}
	return 0;
}

int devices_configure(struct run *run)
{
	const struct path_run *state = run->state;
	int err = path_choose(run);

	if (!err)
		err = devices_check(run);
	if (!err)
		err = list_each(run, "phy-interface", state->phy, phy_add);
	if (!err)
		err = list_each(run, "vm-interface", state->vm, vm_add);
	PATH_RODATA(run)->path_devices_more = state->more_device_count;
	return err;
}
