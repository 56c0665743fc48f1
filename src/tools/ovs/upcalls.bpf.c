// SPDX-License-Identifier: GPL-2.0-only
/*
 * ovs upcalls: from the datapath to ovs-vswitchd and back. A message is known by
 * its skb until a thread has received it; then by that thread, in the order in
 * which it received them: its flow by the key that the thread sends back as it
 * was, its packet by its looks.
 */
#include "sonde.bpf.h"
#include "kernel/netlink.h"
#include "kernel/ovs.h"
#include "kernel/skb.h"
#include "abi/upcall.h"
#include "packet.bpf.h"
#include "filter.bpf.h"
#include "device.bpf.h"
#include "identity.bpf.h"
#include "hist.bpf.h"

#define HELD_MAX 128 /* messages a thread remembers; ovs-vswitchd takes at most 64 at a time */
#define KEY_BYTES 256 /* of a flow's key that are compared */
#define KEY_AT 24 /* of a message: behind nlmsghdr, genlmsghdr, ovs_header */
#define COMMAND_AT 16
#define ATTR_PACKET_KEY 2 /* OVS_PACKET_ATTR_KEY */
#define ATTR_FLOW_KEY 1 /* OVS_FLOW_ATTR_KEY */
#define FAMILY_NETLINK 16 /* AF_NETLINK */

/* see stacks.bpf.c */
__u32 epoch = 0;

struct message {
	__u64 at; /* of its upcall */
	__u64 group; /* of segments; 0: the only one */
	__u64 look, key;
	struct sonde_device_key device;
	__u32 cpu, kind;
};

struct held {
	struct message message;
	__u64 received;
	__u64 answered; /* 0: not yet */
	__u32 put, executed;
};

struct thread {
	__u32 first, next; /* of held, modulo HELD_MAX */
	__u32 batch; /* of held: those from here on are looked at first */
	__u32 ended, unused; /* its socket was empty: what it receives next is likely a new batch */
	__u32 executing; /* one more than the index of the held one whose packet is in the kernel */
	struct held held[HELD_MAX];
};

/* the upcall that a CPU is about to send: bottom halves are off from its begin to its end */
struct current {
	struct message message;
	__u64 last; /* the message's skb */
	__u32 active, gso;
	__u32 messages;
	__u32 socket;
	__u64 words[KEY_BYTES / 8];
};

/* segments of one upcall */
struct group {
	__u64 at;
	__u32 closed, messages, received, answered, executed, unused;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct current);
} currents SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct message);
} messages SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct group);
} groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__type(key, __u32);
	__type(value, struct thread);
} threads SEC(".maps");

/* what a new entry of threads begins with */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct thread);
} thread_new SEC(".maps");

struct key_words {
	__u64 words[KEY_BYTES / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2); /* 0: in an upcall, 1: in a command, which an upcall may interrupt */
	__type(key, __u32);
	__type(value, struct key_words);
} key_scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct upcall_reader);
} readers SEC(".maps");

/* index: kind * UPCALL_PARTS + part; never emptied */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, UPCALL_KINDS * UPCALL_PARTS);
	__type(key, __u32);
	__type(value, struct sonde_hist);
} times SEC(".maps");

/* index: kind * COUNT_MAX + counter */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, UPCALL_KINDS * COUNT_MAX);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__uint(key_size, sizeof(struct upcall_key));
	__uint(value_size, sizeof(struct upcall_row));
} rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__uint(key_size, sizeof(struct upcall_loss_key));
	__uint(value_size, sizeof(__u64));
} lost SEC(".maps");

static __always_inline void count(__u32 kind, enum upcall_counter what, __u64 number)
{
	__u32 index = kind * COUNT_MAX + what;
	__u64 *counter = bpf_map_lookup_elem(&counters, &index);

	if (counter)
		__sync_fetch_and_add(counter, number);
}

static __always_inline void time_add(__u32 kind, enum upcall_part part, __u64 ns)
{
	__u32 index = kind * UPCALL_PARTS + part;
	struct sonde_hist *hist = bpf_map_lookup_elem(&times, &index);

	if (hist)
		hist_add(hist, ns);
}

static __always_inline struct current *current_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&currents, &zero);
}

/* headers tell IP packets apart; of others the first bytes do */
static __always_inline __u64 look_of(const struct packet_place *place)
{
	const bool ip = place->type == PACKET_IP4 || place->type == PACKET_IP6;
	struct identity identity;

	identity_of(place, ip ? 0 : IDENTITY_PAYLOAD, &identity);
	return identity.headers ^ identity.payload;
}

static __always_inline __u64 skb_look(enum sonde_access access, struct sk_buff *skb)
{
	struct packet_place place;
	struct packet_tags tags;

	packet_locate(access, skb, &place, &tags);
	return look_of(&place);
}

static __noinline int skb_look_direct(struct sk_buff *skb, __u64 *look)
{
	if (look)
		*look = skb_look(SONDE_DIRECT, skb);
	return 0;
}

static __noinline int skb_look_probe(struct sk_buff *skb, __u64 *look)
{
	if (look)
		*look = skb_look(SONDE_PROBE, skb);
	return 0;
}

/* a number that stands for the key in a netlink attribute; 0: there is none */
static __always_inline __u64 key_hash(__u32 scratch_index, const unsigned char *attr, __u16 wanted)
{
	struct key_words *scratch = bpf_map_lookup_elem(&key_scratches, &scratch_index);
	struct nlattr head = {};
	__u64 hash, length;

	if (!scratch || bpf_probe_read_kernel(&head, sizeof(head), attr) ||
	    (head.nla_type & NLA_TYPE_MASK) != wanted || head.nla_len <= NLA_HDRLEN)
		return 0;
	length = head.nla_len - NLA_HDRLEN;
	hash = length;
	if (length > KEY_BYTES)
		length = KEY_BYTES;
	__builtin_memset(scratch, 0, sizeof(*scratch));
	/* the verifier must see the bound on the register that is the helper's argument */
	asm volatile("" : "+r"(length));
	if (length > KEY_BYTES)
		return 0;
	if (bpf_probe_read_kernel(scratch->words, length, attr + NLA_HDRLEN))
		return 0;
	for (__u32 i = 0; i < KEY_BYTES / 8; i++) {
		if (i * 8 >= length)
			break;
		hash = identity_mix(hash, scratch->words[i]);
	}
	return hash | 1;
}

/* ovs_dp_upcall(dp, skb, key, upcall_info, cutlen) */
static __always_inline int upcall_begins(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[1];
	struct dp_upcall_info *info = (struct dp_upcall_info *)args[3];
	struct current *current = current_here();
	struct net_device *dev;

	if (!current)
		return 0;
	current->active = 0;
	if (!filter_pass(access, skb))
		return 0;
	current->message.at = bpf_ktime_get_ns();
	current->message.group = 0;
	current->message.cpu = bpf_get_smp_processor_id();
	current->message.kind = UPCALL_OTHER;
	if (bpf_core_type_exists(struct dp_upcall_info))
		current->message.kind = (BPF_CORE_READ(info, cmd) - 1) & 1;
	current->message.device.ifindex = 0;
	current->message.device.netns = 0;
	dev = sonde_dev(access, skb);
	if (dev) {
		current->message.device.ifindex = SONDE_READ(access, dev, ifindex);
		current->message.device.netns = sonde_netns(access, skb, dev);
		device_remember(dev, &current->message.device);
	}
	current->messages = 0;
	current->gso = 0;
	current->socket = 0;
	current->last = 0;
	current->active = 1;
	return 0;
}

/* queue_gso_packets(dp, skb, key, upcall_info, cutlen): the upcall becomes one of many messages */
static __always_inline int segments_begin(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct current *current = current_here();
	struct group group = {};

	if (!current || !current->active)
		return 0;
	current->gso = 1;
	/* one CPU does one at a time */
	current->message.group = current->message.at << 10 | (current->message.cpu & 1023);
	group.at = current->message.at;
	bpf_map_update_elem(&groups, &current->message.group, &group, BPF_ANY);
	return 0;
}

/* queue_userspace_packet(dp, skb, key, upcall_info, cutlen): once a segment */
static __always_inline int segment_begins(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct current *current = current_here();
	struct sk_buff *skb = (struct sk_buff *)args[1];
	__u64 look = 0;

	if (!current || !current->active)
		return 0;
	if (access == SONDE_DIRECT)
		skb_look_direct(skb, &look);
	else
		skb_look_probe(skb, &look);
	current->message.look = look;
	return 0;
}

/* netlink_unicast(socket, skb, port, nonblock) */
static __always_inline int message_leaves(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct current *current = current_here();
	struct sk_buff *skb = (struct sk_buff *)args[1];
	const unsigned char *data;
	__u8 command = 0;
	__u64 key = args[1];

	if (!current || !current->active)
		return 0;
	data = SONDE_READ(access, skb, data);
	bpf_probe_read_kernel(&command, sizeof(command), data + COMMAND_AT);
	current->message.kind = (command - 1) & 1;
	current->message.key = key_hash(0, data + KEY_AT, ATTR_PACKET_KEY);
	current->socket = args[2];
	current->last = key;
	current->messages++;
	if (bpf_map_update_elem(&messages, &key, &current->message, BPF_ANY))
		loss_add(LOSS_rows);
	return 0;
}


static __always_inline int upcall_ends(void *ctx, __s32 result)
{
	struct current *current = current_here();
	struct group *group;
	__u32 kind;

	if (!current || !current->active)
		return 0;
	current->active = 0;
	kind = current->message.kind;
	if (kind >= UPCALL_KINDS)
		return 0;
	count(kind, COUNT_UPCALLS, 1);
	if (current->gso) {
		count(kind, COUNT_GSO, 1);
		group = bpf_map_lookup_elem(&groups, &current->message.group);
		if (group) {
			group->messages = current->messages - (result ? 1 : 0);
			group->closed = 1;
		}
	}
	if (result) {
		struct upcall_loss_key key = {
			.epoch = epoch,
			.kind = kind,
			.error = -result,
			.cpu = current->message.cpu,
			.socket = current->socket,
			.device = current->message.device,
		};
		__u64 one = 1, *sum = bpf_map_lookup_elem(&lost, &key);

		if (sum)
			*sum += 1;
		else if (bpf_map_update_elem(&lost, &key, &one, BPF_NOEXIST))
			loss_add(LOSS_rows);
		count(kind, COUNT_LOST, 1);
		/* the last message is the one that failed */
		if (current->last) {
			bpf_map_delete_elem(&messages, &current->last);
			current->messages--;
		}
	}
	count(kind, COUNT_MESSAGES, current->messages);
	return 0;
}

static __always_inline struct thread *thread_of(__u32 id, bool make)
{
	struct thread *thread = bpf_map_lookup_elem(&threads, &id);
	__u32 zero = 0;
	void *new;

	if (thread || !make)
		return thread;
	new = bpf_map_lookup_elem(&thread_new, &zero);
	if (!new || bpf_map_update_elem(&threads, &id, new, BPF_NOEXIST)) {
		loss_add(LOSS_rows);
		return NULL;
	}
	return bpf_map_lookup_elem(&threads, &id);
}

/* skb_copy_datagram_iovec(skb, length): a thread reads what a socket holds */
static __always_inline int message_received(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[0];
	struct sock *sk = SONDE_READ(access, skb, sk);
	struct message *message;
	struct upcall_reader reader;
	struct thread *thread;
	struct held *held;
	__u64 key = args[0], now;
	__u32 id, socket;

	if (!sk || SONDE_READ(access, sk, __sk_common.skc_family) != FAMILY_NETLINK)
		return 0;
	message = bpf_map_lookup_elem(&messages, &key);
	if (!message)
		return 0;
	now = bpf_ktime_get_ns();
	id = bpf_get_current_pid_tgid();
	thread = thread_of(id, true);
	if (!thread)
		return 0;
	if (thread->ended) {
		thread->batch = thread->next;
		thread->ended = 0;
	}
	if (thread->next - thread->first >= HELD_MAX)
		thread->first = thread->next - HELD_MAX + 1;
	if (thread->next - thread->batch >= HELD_MAX)
		thread->batch = thread->first;
	held = &thread->held[thread->next % HELD_MAX];
	held->message = *message;
	held->received = now;
	held->answered = 0;
	held->put = held->executed = 0;
	thread->next++;
	bpf_map_delete_elem(&messages, &key);
	socket = BPF_CORE_READ((struct netlink_sock *)sk, portid);
	if (!bpf_map_lookup_elem(&readers, &socket)) {
		reader.thread = id;
		reader.process = bpf_get_current_pid_tgid() >> 32;
		bpf_get_current_comm(reader.comm, sizeof(reader.comm));
		bpf_map_update_elem(&readers, &socket, &reader, BPF_ANY);
	}
	if (held->message.kind >= UPCALL_KINDS)
		return 0;
	count(held->message.kind, COUNT_RECEIVED, 1);
	if (held->message.group) {
		struct group *group = bpf_map_lookup_elem(&groups, &held->message.group);

		if (!group)
			return 0;
		__sync_fetch_and_add(&group->received, 1);
		if (!group->closed || group->received != group->messages)
			return 0;
	}
	time_add(held->message.kind, UPCALL_QUEUED, now - held->message.at);
	return 0;
}

/* netlink_recvmsg() has nothing more */
static __always_inline int nothing_received(void *ctx, __s32 result)
{
	struct thread *thread;

	if (result >= 0)
		return 0;
	thread = thread_of(bpf_get_current_pid_tgid(), false);
	if (thread)
		thread->ended = 1;
	return 0;
}

/*
 * The first one held that waits for this answer, HELD_MAX: none. Of an older batch only if the last one has none: a
 * thread with a socket a port finds one of them empty and goes on to the next before it answers.
 */
static __always_inline __u32 held_find(const struct thread *thread, __u64 number, bool put)
{
	__u32 at = thread->batch, found = HELD_MAX;
	bool older = false;

	for (__u32 i = 0; i < HELD_MAX; i++) {
		const struct held *held;

		if (!older && at == thread->next) {
			older = true;
			at = thread->first;
		}
		if (older && at == thread->batch)
			break;
		held = &thread->held[at % HELD_MAX];
		if (put ? held->message.key == number && !held->put :
			  held->message.look == number && !held->executed) {
			found = at % HELD_MAX;
			break;
		}
		at++;
	}
	return found;
}

static __always_inline void held_answered(struct held *held, __u64 now)
{
	if (held->answered || held->message.kind >= UPCALL_KINDS)
		return;
	held->answered = now;
	count(held->message.kind, COUNT_ANSWERED, 1);
	if (held->message.group) {
		struct group *group = bpf_map_lookup_elem(&groups, &held->message.group);

		if (!group)
			return;
		__sync_fetch_and_add(&group->answered, 1);
		if (!group->closed || group->answered != group->messages)
			return;
	}
	time_add(held->message.kind, UPCALL_USER, now - held->received);
}

/* ovs_flow_cmd_new(skb, info) */
static __always_inline int flow_put(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct genl_info *info = (struct genl_info *)args[1];
	struct thread *thread = thread_of(bpf_get_current_pid_tgid(), false);
	struct nlattr **attrs, *attr = NULL;
	__u32 index;
	__u64 key;

	if (!thread)
		return 0;
	attrs = BPF_CORE_READ(info, attrs);
	bpf_probe_read_kernel(&attr, sizeof(attr), &attrs[ATTR_FLOW_KEY]);
	key = key_hash(1, (unsigned char *)attr, ATTR_FLOW_KEY);
	if (!key)
		return 0;
	index = held_find(thread, key, true);
	if (index >= HELD_MAX)
		return 0;
	thread->held[index].put = 1;
	held_answered(&thread->held[index], bpf_ktime_get_ns());
	return 0;
}

static __always_inline __u64 frame_look(enum sonde_access access, struct sk_buff *skb)
{
	struct packet_frame frame = {};
	struct wire_eth eth;

	packet_ask(access, skb, &frame.place);
	frame.data = sonde_address_of(SONDE_READ(access, skb, data)) - frame.place.cursor.head;
	frame.place.mac = frame.data;
	frame.device = PACKET_ETHER;
	return packet_read_frame(&frame, &eth) ? look_of(&frame.place) : 0;
}

static __noinline int frame_look_direct(struct sk_buff *skb, __u64 *look)
{
	if (look)
		*look = frame_look(SONDE_DIRECT, skb);
	return 0;
}

static __noinline int frame_look_probe(struct sk_buff *skb, __u64 *look)
{
	if (look)
		*look = frame_look(SONDE_PROBE, skb);
	return 0;
}

/* ovs_flow_key_extract_userspace(net, attr, skb, key, log): the packet is a new skb with what was sent back */
static __always_inline int packet_returns(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct thread *thread = thread_of(bpf_get_current_pid_tgid(), false);
	struct sk_buff *skb = (struct sk_buff *)args[2];
	__u64 look = 0, now = bpf_ktime_get_ns();
	__u32 index;

	if (!thread)
		return 0;
	thread->executing = 0;
	if (access == SONDE_DIRECT)
		frame_look_direct(skb, &look);
	else
		frame_look_probe(skb, &look);
	if (!look)
		return 0;
	index = held_find(thread, look, false);
	if (index >= HELD_MAX)
		return 0;
	thread->held[index].executed = 1;
	held_answered(&thread->held[index], now);
	thread->executing = index + 1;
	return 0;
}

static __always_inline void row_add(const struct held *held, __u64 now)
{
	struct upcall_key key = {
		.epoch = epoch,
		.kind = held->message.kind,
		.thread = bpf_get_current_pid_tgid(),
		.cpu = held->message.cpu,
		.device = held->message.device,
	};
	const struct upcall_row add = {
		.count = 1,
		.queued = held->received - held->message.at,
		.user = held->answered - held->received,
		.again = now - held->answered,
		.whole = now - held->message.at,
	};
	struct upcall_row *row = bpf_map_lookup_elem(&rows, &key);

	if (!row) {
		if (bpf_map_update_elem(&rows, &key, &add, BPF_NOEXIST))
			loss_add(LOSS_rows);
		return;
	}
	row->count++;
	row->queued += add.queued;
	row->user += add.user;
	row->again += add.again;
	row->whole += add.whole;
}

/* ovs_packet_cmd_execute() returns */
static __always_inline int packet_returned(void *ctx, __s32 result)
{
	struct thread *thread = thread_of(bpf_get_current_pid_tgid(), false);
	__u64 now = bpf_ktime_get_ns();
	struct held *held;
	__u32 index, kind;

	if (!thread || !thread->executing)
		return 0;
	index = thread->executing - 1;
	thread->executing = 0;
	if (index >= HELD_MAX)
		return 0;
	held = &thread->held[index];
	kind = held->message.kind;
	if (kind >= UPCALL_KINDS)
		return 0;
	count(kind, result ? COUNT_FAILED : COUNT_EXECUTED, 1);
	if (result)
		return 0;
	row_add(held, now);
	if (held->message.group) {
		struct group *group = bpf_map_lookup_elem(&groups, &held->message.group);

		if (!group)
			return 0;
		__sync_fetch_and_add(&group->executed, 1);
		if (!group->closed || group->executed != group->messages)
			return 0;
		bpf_map_delete_elem(&groups, &held->message.group);
	}
	time_add(kind, UPCALL_AGAIN, now - held->answered);
	time_add(kind, UPCALL_WHOLE, now - held->message.at);
	return 0;
}

#define HOOK_RETURN(hook, function, body, result)                                        \
	SEC("fexit/" #function) int hook##__fx__##function(__u64 *ctx)                  \
	{                                                                               \
		return body(ctx, ctx[result]);                                          \
	}                                                                               \
	SEC("kretprobe/" #function) int hook##__kr__##function(struct pt_regs *ctx)     \
	{                                                                               \
		return body(ctx, PT_REGS_RC(ctx));                                      \
	}

HOOK_FUNCTION(upcall, ovs_dp_upcall, upcall_begins)
HOOK_RETURN(upcall_done, ovs_dp_upcall, upcall_ends, 5)
HOOK_FUNCTION(segments, queue_gso_packets, segments_begin)
HOOK_FUNCTION(segment, queue_userspace_packet, segment_begins)
HOOK_FUNCTION(message, netlink_unicast, message_leaves)
HOOK_TRACEPOINT(receive, skb_copy_datagram_iovec, message_received)
HOOK_RETURN(receive_done, netlink_recvmsg, nothing_received, 4)
HOOK_FUNCTION(put, ovs_flow_cmd_new, flow_put)
HOOK_FUNCTION(execute, ovs_flow_key_extract_userspace, packet_returns)
HOOK_RETURN(execute_done, ovs_packet_cmd_execute, packet_returned, 2)
