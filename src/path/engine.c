// SPDX-License-Identifier: GPL-2.0-only
/* engine.c: a path's table into the rodata of engine.bpf.c, and what that counts out of the maps. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/filter.h"
#include "core/clock.h"
#include "core/object.h"
#include "core/option.h"
#include "engine.skel.h"
#include "path/path.h"

#define RODATA(run) ((struct engine__rodata *)(run)->rodata)
#define MS 1000000ULL
#define DRAIN_MS 200
#define DEFAULT_TIMEOUT_NS (5000 * MS)
#define DEFAULT_IN_FLIGHT 65536

static int text_keep(const char **to, const char *value, char *why, size_t size)
{
	if (!*value) {
		snprintf(why, size, "empty");
		return -EINVAL;
	}
	*to = value;
	return 0;
}

int path_parse(struct run *run, const char *value, char *why, size_t size)
{
	struct path_run *state = run->state;

	state->path = path_find(value);
	if (state->path)
		return 0;
	snprintf(why, size, "no such path (there are host-tx, host-rx, vm-tx, vm-rx, vm-vm, forward)");
	return -EINVAL;
}

int path_direction_parse(struct run *run, const char *value, char *why, size_t size)
{
	struct path_run *state = run->state;

	if (!strcmp(value, "tx") || !strcmp(value, "rx"))
		return text_keep(&state->direction, value, why, size);
	snprintf(why, size, "must be tx or rx: what the host, or the guest, sends or receives");
	return -EINVAL;
}

int path_phy_parse(struct run *run, const char *value, char *why, size_t size)
{
	return text_keep(&((struct path_run *)run->state)->phy, value, why, size);
}

int path_vm_parse(struct run *run, const char *value, char *why, size_t size)
{
	return text_keep(&((struct path_run *)run->state)->vm, value, why, size);
}

int path_socket_parse(struct run *run, const char *value, char *why, size_t size)
{
	(void)value;
	(void)why;
	(void)size;
	((struct path_run *)run->state)->socket = 1;
	return 0;
}

int path_timeout_parse(struct run *run, const char *value, char *why, size_t size)
{
	struct path_run *state = run->state;

	if (option_duration(value, 1000 * MS, &state->timeout_ns) ||
	    state->timeout_ns < 100 * MS || state->timeout_ns > 600 * 1000 * MS) {
		snprintf(why, size, "not a duration from 100ms to 10m");
		return -EINVAL;
	}
	return 0;
}

int path_in_flight_parse(struct run *run, const char *value, char *why, size_t size)
{
	struct path_run *state = run->state;
	char *end;
	unsigned long long number = strtoull(value, &end, 10);

	if (!isdigit((unsigned char)*value) || *end || number < 64 || number > 1 << 20) {
		snprintf(why, size, "must be 64 to 1048576");
		return -EINVAL;
	}
	state->in_flight = number;
	return 0;
}

const struct option_row path_option_rows[] = {
	PATH_OPTIONS,
	{ OPTION_END },
};

/* received packets begin a path, or come out of the backlog */
static bool receive_wanted(const struct run *run, const struct hook_row *hook)
{
	const struct path_run *state = run->state;

	(void)hook;
	return state->stages & (1U << STAGE_receive | 1U << STAGE_tap_in | 1U << STAGE_backlog);
}

static bool stage_wanted(const struct run *run, const struct hook_row *hook)
{
	const struct path_run *state = run->state;

	return state->stages & 1U << hook->tag;
}

static bool depth_wanted(const struct run *run, const struct hook_row *hook)
{
	return RODATA(run)->cfg_metrics && stage_wanted(run, hook);
}

#define OVS_UNSEEN "Open vSwitch's part of the way (is its module loaded?)"

const struct hook_row path_hooks[] = {
	{ "out4", true, stage_wanted, "IPv4 packets that this host sends", STAGE_out },
	{ "out6", true, stage_wanted, "IPv6 packets that this host sends", STAGE_out },
	{ "out6_late", true, stage_wanted, "TCP over IPv6 that this host sends", STAGE_out },
	{ "ovs", true, stage_wanted, OVS_UNSEEN, STAGE_ovs },
	{ "actions", true, stage_wanted, "when Open vSwitch knows the flow", STAGE_actions },
	{ "conntrack", true, stage_wanted, "Open vSwitch's connection tracking", STAGE_conntrack },
	{ "upcall", true, stage_wanted, "packets that go to ovs-vswitchd", STAGE_upcall },
	{ "back", true, stage_wanted, "packets that come back from ovs-vswitchd", STAGE_back,
	  .shared_by_tasks = true },
	{ "upcall_lost", true, stage_wanted,
	  "upcalls that are lost: their packets time out", STAGE_upcall },
	{ "forward4", true, stage_wanted, "IPv4 forwarding", STAGE_forward },
	{ "forward6", true, stage_wanted, "IPv6 forwarding", STAGE_forward },
	{ "ip4", true, stage_wanted, "the IPv4 layer", STAGE_ip },
	{ "ip6", true, stage_wanted, "the IPv6 layer", STAGE_ip },
	{ "l4_4", true, stage_wanted, "what IPv4 hands to TCP, UDP, ICMP", STAGE_l4 },
	{ "l4_6", true, stage_wanted, "what IPv6 hands to TCP, UDP, ICMP", STAGE_l4 },
	{ "socket_udp", true, stage_wanted, "UDP sockets' queues", STAGE_socket },
	{ "socket_tcp", true, stage_wanted, "TCP sockets' queues", STAGE_socket },
	{ "read_udp", true, stage_wanted, "applications that read UDP", STAGE_read },
	{ "read_copy", true, stage_wanted, "applications that read", STAGE_read },
	{ "coalesced", true, stage_wanted,
	  "TCP segments that become a part of the one before: they time out", STAGE_read },
	{ "fragment", true, stage_wanted,
	  "fragments that are put together: they count as dropped or consumed", STAGE_ip },
	{ "depth", true, depth_wanted, "how long the backlog is", STAGE_port_in,
	  "softnet_data" },
	{ "nic", true, stage_wanted, "what the driver hands to GRO", STAGE_nic },
	{ "nic_frags", true, stage_wanted, NULL, STAGE_nic },
	{ "merged", true, stage_wanted, "packets that GRO merges: they time out", STAGE_nic },
	{ "merged_frags", true, stage_wanted, NULL, STAGE_nic },
	{ "port_in", true, stage_wanted, "the internal port's receive queue", STAGE_port_in },
	{ "dequeue", true, stage_wanted, "when a packet leaves the qdisc", STAGE_dequeue },
	{ "kick", true, stage_wanted, "when the guest kicks (needs the types of module vhost)",
	  STAGE_kick, "vhost_poll" },
	{ "worker", true, stage_wanted, "when vhost's thread begins to send", STAGE_worker },
	{ "tun", true, stage_wanted, "when vhost hands a packet to the tap", STAGE_tun },
	{ "irqfd", true, stage_wanted, "when the signal wakes KVM", STAGE_irqfd },
	{ "inject", true, stage_wanted, "when KVM injects the interrupt", STAGE_inject },
	{ "used", true, stage_wanted, "when vhost tells the guest", STAGE_used, .shared_by_tasks = true },
	{ "arrived", true, stage_wanted, "the end of the way to the guest: is vhost_net loaded?",
	  STAGE_used, .shared_by_tasks = true },
	{ "vhost", true, stage_wanted, "when vhost takes a packet out of the tap's ring",
	  STAGE_vhost },
	{ "deferred", true, NULL, NULL },
	{ "move", true, NULL, "packets whose memory the kernel moves: they time out" },
	{ "moved", true, NULL, NULL },
	{ "segmented", true, NULL,
	  "packets that the kernel cuts into segments before the NIC: they count as consumed" },
	{ "queue", false, NULL },
	{ "xmit", false, NULL },
	{ "receive", false, receive_wanted },
	{ "consume", false, NULL },
	{ "drop", false, NULL },
	{ NULL },
};

static int device_add(struct run *run, const char *option, const char *name, __u32 role)
{
	struct engine__rodata *rodata = RODATA(run);
	struct stat netns;
	unsigned int ifindex = if_nametoindex(name);

	if (!ifindex) {
		run_error(run, "--%s %s: no such device", option, name);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < rodata->path_device_count; i++) {
		if (rodata->path_devices[i].ifindex != ifindex)
			continue;
		if (rodata->path_devices[i].role == role)
			return 0;
		run_error(run, "%s: cannot be --phy-interface and --vm-interface", name);
		return -EINVAL;
	}
	if (rodata->path_device_count == PATH_DEVICES) {
		run_error(run, "--%s: at most %d devices", option, PATH_DEVICES);
		return -EINVAL;
	}
	if (stat("/proc/self/ns/net", &netns))
		return -errno;
	if (!rodata->path_netns)
		rodata->path_netns = run->filter->set & FILTER_NETNS ? run->filter->netns : netns.st_ino;
	rodata->path_devices[rodata->path_device_count++] = (struct path_device){
		.ifindex = ifindex, .netns = netns.st_ino, .role = role
	};
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

/* which part of path rtt an edge belongs to */
static const char *part_of(const struct path *path, const struct path_edge *edge, bool reply)
{
	if (!path->reply)
		return NULL;
	if (!reply)
		return "request";
	return edge->from == STAGE_driver ? "away" : "reply";
}

static void edges_add(struct run *run, const struct path_edge *edge, bool reply)
{
	struct path_run *state = run->state;
	struct engine__rodata *rodata = RODATA(run);
	const uint32_t socket = 1U << STAGE_socket | 1U << STAGE_read;

	for (; edge->from; edge++) {
		if (!state->socket && 1U << edge->to & socket)
			continue;
		state->edges[state->edge_count++] = (struct path_edge_used){
			edge->from, edge->to, state->cells, part_of(state->path, edge, reply)
		};
		if (reply)
			rodata->path_reply_edges[edge->to][edge->from] = state->cells++;
		else
			rodata->path_edges[edge->to][edge->from] = state->cells++;
		state->stages |= 1U << edge->from | 1U << edge->to;
	}
}

static void edges_set(struct run *run)
{
	struct path_run *state = run->state;
	struct engine__rodata *rodata = RODATA(run);
	const struct path *path = state->path;

	for (uint32_t i = 0; i < PATH_FINE; i++)
		rodata->path_buckets_fine[i] = hist_index(i);
	for (uint32_t i = 0; i < PATH_COARSE; i++)
		rodata->path_buckets_coarse[i] = hist_index(i * PATH_COARSE_STEP);
	rodata->path_begins = path->begins;
	rodata->path_ends = state->socket ? path->ends_at_socket : path->ends;
	state->cells = CELL_EDGES;
	state->stages = path->begins;
	edges_add(run, path->edges, false);
	if (path->reply) {
		rodata->path_reply_begins = path->reply->begins;
		rodata->path_reply_ends = path->reply->ends;
		state->stages |= path->reply->begins;
		edges_add(run, path->reply->edges, true);
	}
	rodata->path_cells = state->cells;
	for (uint32_t stage = 1; stage < STAGE_MAX; stage++) {
		if (!path->reply && !rodata->cfg_metrics && !rodata->cfg_gaps)
			rodata->path_flags[stage] |= FLAG_fast;
		if (rodata->path_ends & 1U << stage)
			rodata->path_flags[stage] |= FLAG_ends;
		if (rodata->cfg_details)
			rodata->path_flags[stage] |= FLAG_details;
	}
	state->cpu_size = sizeof(struct path_counts) + state->cells * sizeof(struct sonde_hist);
}

static void sizes_set(struct run *run)
{
	struct path_run *state = run->state;
	struct engine__rodata *rodata = RODATA(run);
	uint32_t wanted = state->in_flight ? state->in_flight : DEFAULT_IN_FLIGHT;

	state->bucket_count = 16;
	while (PATH_WAYS * state->bucket_count < wanted)
		state->bucket_count *= 2;
	rodata->path_set_mask = state->bucket_count - 1;
	state->cpu_count = libbpf_num_possible_cpus();
	bpf_map__set_max_entries(bpf_object__find_map_by_name(run->object, "buckets"),
				 state->bucket_count);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(run->object, "traces"),
				 rodata->cfg_details ? state->bucket_count * PATH_WAYS : 1);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(run->object, "flight_flows"),
				 rodata->cfg_flows ? state->bucket_count * PATH_WAYS : 1);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(run->object, "cpus"),
				 state->cpu_count);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(run->object, "meters"),
				 rodata->cfg_metrics ? state->cpu_count : 1);
	bpf_map__set_value_size(bpf_object__find_map_by_name(run->object, "cpus"),
				state->cpu_size);
}

int path_configure(struct run *run)
{
	struct path_run *state = run->state;
	int err = path_choose(run);

	if (!state->timeout_ns)
		state->timeout_ns = DEFAULT_TIMEOUT_NS;
	if (!err)
		err = devices_check(run);
	if (!err)
		err = list_each(run, "phy-interface", state->phy, phy_add);
	if (!err)
		err = list_each(run, "vm-interface", state->vm, vm_add);
	if (err)
		return err;
	edges_set(run);
	sizes_set(run);
	state->total = calloc(state->cells, sizeof(*state->total));
	state->interval = calloc(state->cells, sizeof(*state->interval));
	state->swept = calloc(1, state->cpu_size);
	return state->total && state->interval && state->swept ? 0 : -ENOMEM;
}

/* an array map as memory */
static void *map_share(const struct run *run, const char *name, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, object_map(run, name), 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int path_loaded(struct run *run)
{
	struct path_run *state = run->state;

	state->cpus = map_share(run, "cpus", state->cpu_count * state->cpu_size);
	state->buckets = map_share(run, "buckets", state->bucket_count * sizeof(struct path_bucket));
	state->traces = map_share(run, "traces",
				  (RODATA(run)->cfg_details ? state->bucket_count * PATH_WAYS : 1) *
					  sizeof(struct path_trace));
	state->meters = map_share(run, "meters", (RODATA(run)->cfg_metrics ? state->cpu_count : 1) *
							 sizeof(struct path_meters));
	if (state->flows)
		state->flight_flows = map_share(run, "flight_flows", state->bucket_count * PATH_WAYS * sizeof(struct sonde_flow));
	state->active = object_variable(run, "path_active");
	state->open = object_variable(run, "path_open");
	if (state->cpus && state->buckets && state->traces && state->meters && (state->flight_flows || !state->flows) &&
	    state->active && state->open)
		return 0;
	run_error(run, "cannot map the tables of packets in flight: %s", strerror(errno));
	return -EIO;
}

void path_attached(struct run *run)
{
	*((struct path_run *)run->state)->open = 1;
}

static bool stage_seen(const struct run *run, uint32_t stages)
{
	for (unsigned int i = 0; i < run->probe_count; i++) {
		if (run->probes[i].hook->tag && 1U << run->probes[i].hook->tag & stages)
			return true;
	}
	return false;
}

int path_chosen(struct run *run)
{
	const struct path_run *state = run->state;
	/* seen by tracepoints that belong to no single stage and that every kernel has */
	const uint32_t always = 1U << STAGE_receive | 1U << STAGE_tap_in | 1U << STAGE_driver;
	uint32_t ends = state->socket ? state->path->ends_at_socket : state->path->ends;

	if (state->path->reply)
		ends = state->path->reply->ends;
	if (!(state->path->begins & always) && !stage_seen(run, state->path->begins)) {
		run_error(run, "this kernel shows no stage at which path %s begins", state->path->name);
		return -ENOSYS;
	}
	/* a path without such a stage ends when vhost has told the guest */
	if (!(ends & always) && !stage_seen(run, ends ? ends : 1U << STAGE_used)) {
		run_error(run, "this kernel shows no stage at which path %s ends%s", state->path->name,
			  ends ? "" : ": module vhost_net is not loaded");
		return -ENOSYS;
	}
	return 0;
}

static struct path_cpu *cpu_counts(const struct path_run *state, int cpu)
{
	return (struct path_cpu *)(state->cpus + cpu * state->cpu_size);
}

static uint64_t begun_now(const struct path_run *state)
{
	uint64_t begun = 0;

	for (int cpu = 0; cpu < state->cpu_count; cpu++)
		begun += cpu_counts(state, cpu)->counts.begun;
	return begun;
}

uint64_t path_in_flight(const struct run *run)
{
	const struct path_run *state = run->state;
	uint64_t count = 0;

	for (uint32_t set = 0; set < state->bucket_count; set++) {
		for (int way = 0; way < PATH_WAYS; way++)
			count += state->buckets[set].key[way] != 0;
	}
	return count;
}

/* what a flight has gone through that ends here and not in a program, as flight_flush() does it */
static void flight_add(struct path_run *state, const struct path_flight *flight)
{
	uint32_t hops = flight->hops < PATH_HOPS ? flight->hops : PATH_HOPS;

	for (uint32_t i = 1; i < hops; i++) {
		uint64_t took = flight->at[i] - flight->at[i - 1];
		struct sonde_hist *hist;

		/* a program may write just now */
		if (flight->mark[i].cell >= state->cells || flight->at[i] < flight->at[i - 1])
			continue;
		hist = &state->swept->cells[flight->mark[i].cell];
		hist->sum += took;
		hist->max = took > hist->max ? took : hist->max;
		hist->buckets[hist_index(took)]++;
	}
}

/* gives up what has been on its way for too long; returns how many are left */
static uint64_t sweep(struct run *run, uint64_t now)
{
	struct path_run *state = run->state;
	uint64_t left = 0;

	for (uint32_t set = 0; set < state->bucket_count; set++) {
		struct path_bucket *bucket = &state->buckets[set];

		for (int way = 0; way < PATH_WAYS; way++) {
			struct path_flight *flight = &bucket->flight[way];
			uint64_t key = bucket->key[way];

			if (!key || key == PATH_ENDING)
				continue;
			left++;
			if (now - flight->first < state->timeout_ns || now < flight->first)
				continue;
			/* it may end just now */
			if (!__atomic_compare_exchange_n(&bucket->key[way], &key, PATH_ENDING, false,
							 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
				continue;
			left--;
			state->timed_out_total++;
			flight_add(state, flight);
			if (state->flows)
				flows_timed_out(run, set * PATH_WAYS + way);
			if (state->lost)
				state->lost(run, flight, set * PATH_WAYS + way);
			__atomic_store_n(&bucket->key[way], 0, __ATOMIC_SEQ_CST);
		}
	}
	return left;
}

void path_tick(struct run *run)
{
	struct path_run *state = run->state;
	uint64_t begun = begun_now(state), left;

	if (!*state->active)
		return;
	left = sweep(run, clock_now());
	/* nothing in flight and nothing begun for a second: stages need not look until the next packet */
	if (!left && begun == state->begun_before)
		*state->active = 0;
	if (!*state->active && begun_now(state) != begun)
		*state->active = 1;
	state->begun_before = begun;
}

void path_ending(struct run *run)
{
	struct path_run *state = run->state;

	/* what is on its way may arrive, but not for ever */
	*state->open = 0;
	for (int i = 0; i < DRAIN_MS && path_in_flight(run); i++)
		usleep(1000);
	/* the stages that the others have passed */
	for (uint32_t set = 0; set < state->bucket_count; set++) {
		for (int way = 0; way < PATH_WAYS; way++) {
			if (state->buckets[set].key[way] > PATH_ENDING)
				flight_add(state, &state->buckets[set].flight[way]);
		}
	}
}

static void hist_subtract(struct sonde_hist *from, const struct sonde_hist *before)
{
	from->count -= before->count;
	from->sum -= before->sum;
	for (int i = 0; i < HIST_BUCKETS; i++)
		from->buckets[i] -= before->buckets[i];
}

static void counts_add(struct path_counts *sum, const struct path_counts *more, int sign)
{
	sum->begun += sign * more->begun;
	sum->ended += sign * more->ended;
	sum->copies += sign * more->copies;
	for (int i = 0; i < FATE_MAX; i++)
		sum->fates[i] += sign * more->fates[i];
}

static void cell_take(struct path_run *state, uint32_t cell)
{
	struct sonde_hist *interval = &state->interval[cell], *total = &state->total[cell];
	uint64_t max = 0, whole_max = total->max;

	memset(interval, 0, sizeof(*interval));
	for (int cpu = 0; cpu <= state->cpu_count; cpu++) {
		struct path_cpu *counts = cpu < state->cpu_count ? cpu_counts(state, cpu) : state->swept;
		struct sonde_hist *hist = &counts->cells[cell];
		uint64_t cpu_max = __atomic_exchange_n(&hist->max, 0, __ATOMIC_SEQ_CST);

		interval->sum += hist->sum;
		for (int i = 0; i < HIST_BUCKETS; i++)
			interval->buckets[i] += hist->buckets[i];
		max = cpu_max > max ? cpu_max : max;
	}
	for (int i = 0; i < HIST_BUCKETS; i++)
		interval->count += interval->buckets[i];
	/* the programs only ever add: the difference is the interval */
	hist_subtract(interval, total);
	total->count += interval->count;
	total->sum += interval->sum;
	for (int i = 0; i < HIST_BUCKETS; i++)
		total->buckets[i] += interval->buckets[i];
	interval->max = max;
	total->max = max > whole_max ? max : whole_max;
}

int path_take(struct run *run)
{
	struct path_run *state = run->state;
	struct path_counts now = {};

	for (uint32_t cell = CELL_total; cell < state->cells; cell++)
		cell_take(state, cell);
	for (int cpu = 0; cpu < state->cpu_count; cpu++)
		counts_add(&now, &cpu_counts(state, cpu)->counts, 1);
	now.fates[FATE_timed_out] = state->timed_out_total;
	state->counts_interval = now;
	counts_add(&state->counts_interval, &state->counts_total, -1);
	state->counts_total = now;
	return 0;
}

void path_finish(struct run *run)
{
	struct path_run *state = run->state;

	free(state->total);
	free(state->interval);
	free(state->swept);
	flows_finish(run);
}
