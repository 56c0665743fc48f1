// SPDX-License-Identifier: GPL-2.0-only
/* devices.c: the NICs and taps of a run, by name in the namespace that the filter names, or in ours; and whether they are still there. */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/filter.h"
#include "core/netns.h"
#include "core/object.h"
#include "engine.skel.h"
#include "path/engine.h"
#include "path/path.h"

static struct path_device_name *device_new(struct path_run *state)
{
	struct path_device_name *devices = realloc(state->devices, (state->device_count + 1) * sizeof(*devices));

	if (!devices)
		return NULL;
	state->devices = devices;
	memset(&devices[state->device_count], 0, sizeof(*devices));
	return &devices[state->device_count++];
}

static struct path_device_name *device_find(const struct path_run *state, unsigned int ifindex)
{
	for (unsigned int i = 0; i < state->device_count; i++) {
		if (state->devices[i].is.ifindex == ifindex)
			return &state->devices[i];
	}
	return NULL;
}

static int device_add(struct run *run, const char *option, const char *name, __u32 role)
{
	struct engine__rodata *rodata = PATH_RODATA(run);
	struct path_run *state = run->state;
	unsigned int ifindex = if_nametoindex(name);
	struct path_device_name *device = device_find(state, ifindex);
	unsigned int at;

	if (!ifindex) {
		run_error(run, "--%s %s: no such device%s", option, name,
			  state->foreign_netns ? " in that namespace" : "");
		return -EINVAL;
	}
	if (device && device->is.role == role)
		return 0;
	if (device && (device->is.role == ROLE_phy || role == ROLE_phy)) {
		run_error(run, "%s: cannot be --phy-interface and --vm-interface", name);
		return -EINVAL;
	}
	if (device) {
		/* of several pairs of guests, one's sender may be another's receiver */
		device->is.role = ROLE_vm;
	} else {
		device = device_new(state);
		if (!device)
			return -ENOMEM;
		device->is = (struct path_device){ .ifindex = ifindex, .netns = rodata->path_netns, .role = role };
		snprintf(device->name, sizeof(device->name), "%s", name);
	}
	at = device - state->devices;
	if (at < PATH_DEVICES)
		rodata->path_devices[at] = device->is;
	rodata->path_device_count = state->device_count < PATH_DEVICES ? state->device_count : PATH_DEVICES;
	rodata->path_devices_more = state->device_count - rodata->path_device_count;
	return 0;
}

/* a bond's members, else the device itself; /proc/net is of the namespace that we are in, /sys/class/net may not be */
static int phy_add(struct run *run, const char *name)
{
	char path[64], line[128], member[IF_NAMESIZE];
	FILE *members;
	int err = 0, count = 0;

	snprintf(path, sizeof(path), "/proc/net/bonding/%.15s", name);
	members = fopen(path, "re");
	while (members && !err && fgets(line, sizeof(line), members)) {
		if (sscanf(line, "Slave Interface: %15s", member) != 1)
			continue;
		err = device_add(run, "phy-interface", member, ROLE_phy);
		count++;
	}
	if (members)
		fclose(members);
	return count ? err : device_add(run, "phy-interface", name, ROLE_phy);
}

/* kernel_icmp_rtt without --interface: all that have hardware behind them */
static int phy_add_all(struct run *run)
{
	DIR *folder = opendir("/sys/class/net");
	struct dirent *entry;
	char path[300];
	int err = 0;

	while (folder && !err && (entry = readdir(folder))) {
		snprintf(path, sizeof(path), "/sys/class/net/%s/device", entry->d_name);
		if (!access(path, F_OK))
			err = device_add(run, "phy-interface", entry->d_name, ROLE_phy);
	}
	if (folder)
		closedir(folder);
	return err;
}

/* the taps that a process has open: their names stand in its fdinfo */
static int taps_add(struct run *run, const char *option, const char *word, __u32 role)
{
	char path[320], line[128], tap[IF_NAMESIZE];
	DIR *folder;
	struct dirent *entry;
	int err = 0, count = 0;

	snprintf(path, sizeof(path), "/proc/%.10s/fdinfo", word + strlen("pid:"));
	folder = opendir(path);
	if (!folder) {
		run_error(run, "--%s %s: no such process", option, word);
		return -EINVAL;
	}
	while (!err && (entry = readdir(folder))) {
		FILE *info;

		snprintf(path, sizeof(path), "/proc/%.10s/fdinfo/%.20s", word + strlen("pid:"), entry->d_name);
		info = fopen(path, "re");
		while (info && !err && fgets(line, sizeof(line), info)) {
			if (sscanf(line, "iff: %15s", tap) != 1)
				continue;
			err = device_add(run, option, tap, role);
			count++;
		}
		if (info)
			fclose(info);
	}
	closedir(folder);
	if (!err && !count) {
		run_error(run, "--%s %s: that process has no tap open", option, word);
		return -EINVAL;
	}
	return err;
}

static int tap_add(struct run *run, const char *option, const char *name, __u32 role)
{
	return strncmp(name, "pid:", 4) ? device_add(run, option, name, role) : taps_add(run, option, name, role);
}

static int list_each(struct run *run, const char *option, const char *list, __u32 role)
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
		err = role == ROLE_phy ? phy_add(run, word) : tap_add(run, option, word, role);
		list += length;
		list += *list == ',';
	}
	return err;
}

/* 'FROM,TO=NUMBER;...' of an older script: the numbers only named the pairs in its output */
static int pairs_add(struct run *run, const char *pairs)
{
	char from[IF_NAMESIZE], to[IF_NAMESIZE];
	int err = 0, length;

	while (pairs && *pairs && !err) {
		length = 0;
		if (sscanf(pairs, " %15[^,; ] , %15[^=,; ] %n", from, to, &length) != 2 || !length) {
			run_error(run, "--pairs %s: not FROM,TO=NUMBER with ; between pairs", pairs);
			return -EINVAL;
		}
		err = device_add(run, "pairs", from, ROLE_vm_from) ?: device_add(run, "pairs", to, ROLE_vm_to);
		pairs += length;
		pairs += strcspn(pairs, ";");
		pairs += *pairs == ';';
	}
	return err;
}

/* the path that the words say: --path, or a direction and whose it is, or the name of an older script */
static int path_choose(struct run *run)
{
	struct path_run *state = run->state;
	bool vm = path_called(run, "vm") || (state->vm && !path_called(run, "system"));
	char name[16];

	if (state->path && state->direction) {
		run_error(run, "--direction %s: --path %s says it already", state->direction,
			  state->path->name);
		return -EINVAL;
	}
	if (state->path)
		return 0;
	if (path_called(run, "enqueue_to_iprec")) {
		state->path = path_find("port-rx");
		return 0;
	}
	if (!state->direction && path_called(run, "system_network_rx_internal_port"))
		state->direction = "rx";
	if (!state->direction && path_called(run, "system_network_perf"))
		state->direction = "both";
	if (!state->direction && run->quiet)
		state->direction = "tx";
	if (!state->direction) {
		run_error(run, "needs --path (%s)", path_names());
		return -EINVAL;
	}
	snprintf(name, sizeof(name), "%s-%s", vm ? "vm" : "host", state->direction);
	state->path = path_find(name);
	if (state->path)
		return 0;
	run_error(run, "--direction %s: of a guest one direction at a time can be seen: tx or rx", state->direction);
	return -EINVAL;
}

static int port_check(struct run *run)
{
	struct path_run *state = run->state;

	if (!state->port)
		return 0;
	if (strcmp(state->path->name, "host-tx") && strcmp(state->path->name, "host-rx") &&
	    strcmp(state->path->name, "host-both")) {
		run_error(run, "--internal-interface %s: path %s goes by no such port", state->port, state->path->name);
		return -EINVAL;
	}
	state->internal.is.ifindex = if_nametoindex(state->port);
	snprintf(state->internal.name, sizeof(state->internal.name), "%s", state->port);
	PATH_RODATA(run)->path_port = 1;
	if (state->internal.is.ifindex)
		return 0;
	run_error(run, "--internal-interface %s: no such device", state->port);
	return -EINVAL;
}

static bool ip_possible(const struct sonde_filter *filter)
{
	return !(filter->set & FILTER_ARP) &&
	       (!(filter->set & FILTER_TYPE) || filter->eth_type == ETH_P_IP || filter->eth_type == ETH_P_IPV6);
}

/* whether the filter lets an ICMP echo pass, of either version */
static bool echo_possible(const struct sonde_filter *filter)
{
	if (filter->set & FILTER_PORTS || !ip_possible(filter))
		return false;
	return !(filter->set & FILTER_PROTOCOL) || filter->protocol == IPPROTO_ICMP || filter->protocol == IPPROTO_ICMPV6;
}

static int devices_check(struct run *run)
{
	struct path_run *state = run->state;
	const char *vm = state->vm ?: state->vm_from ?: state->vm_to ?: state->pairs;
	bool any_phy = state->phy || path_called(run, "kernel_icmp_rtt");

	if (run->quiet)
		return 0;
	if (run->filter->set & FILTER_DEVICE) {
		run_error(run, "--dev: a path crosses many devices: name its NICs by --phy-interface and its taps by "
			       "--vm-interface");
		return -EINVAL;
	}
	if (run->filter->set & FILTER_VLAN && state->path->begins & 1U << STAGE_out) {
		run_error(run, "--vlan %u: what this host sends gets its tag on the way, after path %s has begun: no packet "
			       "would match", run->filter->vlan, state->path->name);
		return -EINVAL;
	}
	if (state->path->begins == 1U << STAGE_out && !ip_possible(run->filter)) {
		run_error(run, "--%s: path %s begins with what this host's IP layer sends: no packet would match",
			  run->filter->set & FILTER_ARP ? "protocol arp" : "type", state->path->name);
		return -EINVAL;
	}
	if (state->path->reply && !echo_possible(run->filter)) {
		run_error(run, "--protocol, --port, --type: path %s sees ICMP echo and nothing else: no packet would match",
			  state->path->name);
		return -EINVAL;
	}
	if (state->path->needs_phy != any_phy) {
		run_error(run, state->phy ? "--phy-interface %s: no NIC is on path %s"
					  : "needs --phy-interface: %sthe NICs of path %s",
			  state->phy ? state->phy : "", state->path->name);
		return -EINVAL;
	}
	if (state->path->needs_vm != !!vm) {
		run_error(run, vm ? "--vm-interface %s: no guest is on path %s"
				  : "needs --vm-interface: %sthe taps of path %s",
			  vm ? vm : "", state->path->name);
		return -EINVAL;
	}
	if (!state->vm_from != !state->vm_to && !state->vm && !state->pairs) {
		run_error(run, "needs --send-dev and --recv-dev, or both guests' taps in --vm-interface");
		return -EINVAL;
	}
	if (state->socket && !state->path->ends_at_socket) {
		run_error(run, "--socket: path %s ends at no socket", state->path->name);
		return -EINVAL;
	}
	return port_check(run);
}

static int devices_add(struct run *run)
{
	const struct path_run *state = run->state;
	int err = devices_check(run);

	if (!err)
		err = list_each(run, "phy-interface", state->phy, ROLE_phy);
	if (!err)
		err = list_each(run, "phy-iface2", state->phy2, ROLE_phy);
	if (!err && !run->quiet && !state->phy && state->path->needs_phy)
		err = phy_add_all(run);
	if (!err)
		err = list_each(run, "vm-interface", state->vm, ROLE_vm);
	if (!err)
		err = list_each(run, "send-dev", state->vm_from, ROLE_vm_from);
	if (!err)
		err = list_each(run, "recv-dev", state->vm_to, ROLE_vm_to);
	return err ? err : pairs_add(run, state->pairs);
}

/* names mean something in one namespace only */
static int netns_settle(struct run *run)
{
	struct path_run *state = run->state;
	const uint32_t own = netns_inode(NULL);

	if (!own)
		return -ENOENT;
	PATH_RODATA(run)->path_netns = run->filter->set & FILTER_NETNS ? run->filter->netns : own;
	state->foreign_netns = PATH_RODATA(run)->path_netns != own ? PATH_RODATA(run)->path_netns : 0;
	return 0;
}

/* a device to the programs: the first ones they compare one by one, the others they look up */
static int device_share(const struct run *run, uint32_t at)
{
	const struct path_run *state = run->state;
	const struct path_device *device = &state->devices[at].is;

	if (at >= PATH_DEVICES)
		return bpf_map_update_elem(object_map(run, "more_devices"), &device->ifindex, device, BPF_ANY);
	state->ifindexes[at] = device->ifindex;
	return 0;
}

int devices_loaded(struct run *run)
{
	struct path_run *state = run->state;
	int err = 0;

	state->ifindexes = object_variable(run, "path_ifindexes");
	state->internal_ifindex = object_variable(run, "path_port_ifindex");
	*state->internal_ifindex = state->internal.is.ifindex;
	for (uint32_t i = 0; i < state->device_count && !err; i++)
		err = device_share(run, i);
	return err;
}

static int devices_add_there(void *run)
{
	return devices_add(run);
}

int devices_configure(struct run *run)
{
	struct path_run *state = run->state;
	int err = path_choose(run);

	if (!err)
		err = netns_settle(run);
	if (err || !state->foreign_netns)
		return err ? err : devices_add(run);
	err = netns_call(state->foreign_netns, devices_add_there, run);
	if (err == -ESRCH) {
		run_error(run, "--netns: no name and no process has that namespace, or we may not enter it");
		return -EINVAL;
	}
	return err;
}

/*
 * A device may be renamed, which nobody has to know; be deleted; or be there again under its name, as another one: then
 * its new number is returned, else 0.
 */
static uint32_t device_anew(struct run *run, struct path_device_name *device)
{
	char name[IF_NAMESIZE];
	uint32_t ifindex;

	if (!device->gone && if_indextoname(device->is.ifindex, name)) {
		memcpy(device->name, name, sizeof(device->name));
		return 0;
	}
	ifindex = if_nametoindex(device->name);
	if (!ifindex && !device->gone)
		run_error(run, "%s is gone: its packets are no longer seen, until a device of that name is there again",
			  device->name);
	device->gone = !ifindex;
	return ifindex;
}

static void device_say(struct run *run, const struct path_device_name *device)
{
	run_error(run, "%s was made anew: its packets are seen again", device->name);
}

static void device_look(struct run *run, uint32_t at)
{
	struct path_run *state = run->state;
	struct path_device_name *device = &state->devices[at];
	uint32_t ifindex = device_anew(run, device);

	if (!ifindex)
		return;
	if (at >= PATH_DEVICES)
		bpf_map_delete_elem(object_map(run, "more_devices"), &device->is.ifindex);
	device->is.ifindex = ifindex;
	if (!device_share(run, at))
		device_say(run, device);
}

static void internal_look(struct run *run)
{
	struct path_run *state = run->state;
	uint32_t ifindex = state->port ? device_anew(run, &state->internal) : 0;

	if (!ifindex)
		return;
	*state->internal_ifindex = state->internal.is.ifindex = ifindex;
	device_say(run, &state->internal);
}

static int devices_look(void *data)
{
	struct run *run = data;
	const struct path_run *state = run->state;

	for (uint32_t i = 0; i < state->device_count; i++)
		device_look(run, i);
	internal_look(run);
	return 0;
}

void devices_tick(struct run *run)
{
	const struct path_run *state = run->state;

	/* a namespace that is gone has taken its devices with it, which the kernel tells nobody by name */
	if (state->foreign_netns)
		netns_call(state->foreign_netns, devices_look, run);
	else
		devices_look(run);
}
