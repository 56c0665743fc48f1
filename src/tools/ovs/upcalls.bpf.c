// SPDX-License-Identifier: GPL-2.0-only
/*
 * ovs upcalls: from the datapath to ovs-vswitchd and back. A message is known by
 * its skb until a thread has received it; then by that thread, in the order in
 * which it received them: its flow by the key that the thread sends back as it
 * was, its packet by its looks. Tables that each upcall passes are arrays with a
 * few places for each hash: a hash map costs more than all the rest.
 */
#include "sonde.bpf.h"
#include "kernel/netlink.h"
#include "kernel/ovs.h"
#include "kernel/skb.h"
#include "kernel/task.h"
#include "abi/upcall.h"
#include "packet.bpf.h"
#include "filter.bpf.h"
#include "device.bpf.h"
#include "look.bpf.h"
#include "hist.bpf.h"

/* set by the choice of programs: the key is read in the kernel's own form, by both who ask and who answer */
const volatile __u32 cfg_direct_keys = 0;

#define HELD_MAX 128 /* messages a thread remembers; ovs-vswitchd takes at most 64 at a time */
#define WAYS 4 /* places for each hash */
#define BUCKET_BITS 14
#define THREADS_MAX 512
#define SOCKETS 16 /* of a thread that are remembered as known */
#define DEVICES 64 /* likewise, of a CPU */
#define KEY_TAIL 64 /* of a flow's key that is compared: addresses and ports are its last attributes */
#define GENERIC_AT 16 /* of a message: behind nlmsghdr */
#define KEY_AT 24 /* behind genlmsghdr and ovs_header too */
#define ATTR_PACKET_PACKET 1 /* OVS_PACKET_ATTR_PACKET */
#define ATTR_PACKET_KEY 2 /* OVS_PACKET_ATTR_KEY */
#define ATTR_FLOW_KEY 1 /* OVS_FLOW_ATTR_KEY */
#define FAMILY_NETLINK 16 /* AF_NETLINK */
#define HIDDEN UPCALL_KINDS /* kind of a message that the filter refuses: counted nowhere */

/* see stacks.bpf.c */
__u32 epoch = 0;

struct message {
	__u64 skb; /* 0: none */
	__u64 at; /* of its upcall */
	__u64 group; /* of segments; 0: the only one */
	__u64 look, key;
	struct sonde_device_key device;
	__u32 cpu, kind;
	__u32 socket, unused;
};

struct bucket {
	struct message messages[WAYS];
};

struct held {
	struct message message;
	__u64 received;
	__u64 answered; /* 0: not yet */
	__u32 put, executed;
};

struct thread {
	__u64 last; /* when it received one */
	__u64 switches; /* how often it had slept then */
	__u32 id; /* 0: none */
	__u32 first, next; /* of held, modulo HELD_MAX */
	__u32 batch; /* of held: the first that it received since it last slept or answered */
	__u32 cursor; /* of held: answers come in the order of messages, so the next one is from here on */
	__u32 answering; /* it has answered since: what it receives next is another batch */
	__u32 slept; /* it had only slept before its batch: that may be the rest of one, after a lock it waited for */
	__u32 executing; /* one more than the index of the held one whose packet is in the kernel */
	__u32 shown; /* of held: one more than the last that is not hidden; 0: there was none */
	__u32 sockets[SOCKETS];
	struct held held[HELD_MAX];
};

/* what is known of a CPU's upcall */
enum progress {
	BEGUN_NOT, /* no message was begun */
	REFUSED, /* by the filter */
	BEGUN,
};

/* the upcall that a CPU is about to send: bottom halves are off from its begin to its end */
struct current {
	struct message message;
	enum progress progress;
	__u32 gso;
	__u32 messages;
	__u32 unused;
	struct sonde_device_key devices[DEVICES];
};

/* segments of one upcall */
struct group {
	__u64 at;
	__u32 closed, messages, received, answered, executed, unused;
};

/* of each CPU, as times are: these look-ups are inlined, those of per-CPU arrays not before 6.10 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set before the load */
	__type(key, __u32);
	__type(value, struct current);
} currents SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << BUCKET_BITS);
	__type(key, __u32);
	__type(value, struct bucket);
} buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct group);
} groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, THREADS_MAX);
	__type(key, __u32);
	__type(value, struct thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct upcall_reader);
} readers SEC(".maps");

/* index: (CPU * UPCALL_KINDS + kind) * UPCALL_PARTS + part; never emptied */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set before the load */
	__type(key, __u32);
	__type(value, struct sonde_hist);
} times SEC(".maps");

/* index: kind; never emptied */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, UPCALL_KINDS);
	__type(key, __u32);
	__type(value, struct upcall_counts);
} counts SEC(".maps");

/* by hash of the key, with WAYS places for each; never emptied */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, UPCALL_ROWS);
	__type(key, __u32);
	__type(value, struct upcall_row);
} rows SEC(".maps");

/* places of rows that a thread has taken: two may want the same one at a time */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, UPCALL_ROWS);
	__type(key, __u32);
	__type(value, __u32);
} rows_taken SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__uint(key_size, sizeof(struct upcall_loss_key));
	__uint(value_size, sizeof(__u64));
} lost SEC(".maps");

static __always_inline void count(__u32 kind, enum upcall_counter what)
{
	struct upcall_counts *here = bpf_map_lookup_elem(&counts, &kind);

	if (here)
		__sync_fetch_and_add(&here->counters[what], 1);
}

static __always_inline void time_add(__u32 kind, enum upcall_part part, __u64 ns)
{
	__u32 index = (bpf_get_smp_processor_id() * UPCALL_KINDS + kind) * UPCALL_PARTS + part;
	struct sonde_hist *hist = bpf_map_lookup_elem(&times, &index);

	if (hist)
		hist_add(hist, ns);
}

static __always_inline struct current *current_here(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&currents, &cpu);
}

/* ---- messages that no thread has received ---- */

static __always_inline struct bucket *bucket_of(__u64 skb)
{
	__u32 index = skb * 0x9e3779b97f4a7c15ULL >> (64 - BUCKET_BITS);

	return bpf_map_lookup_elem(&buckets, &index);
}

static __always_inline struct message *message_find(struct bucket *bucket, __u64 skb)
{
	for (__u32 i = 0; i < WAYS; i++) {
		if (bucket->messages[i].skb == skb)
			return &bucket->messages[i];
	}
	return NULL;
}

/*
 * Forgets the oldest one where all places are taken. Two CPUs may take the same free place within some ten
 * instructions, if their skbs have the same hash: one of the two messages then stays "not received".
 */
static __always_inline struct message *message_place(struct bucket *bucket, __u64 skb)
{
	struct message *oldest = &bucket->messages[0];

	for (__u32 i = 0; i < WAYS; i++) {
		struct message *message = &bucket->messages[i];

		/* an skb that is sent again was received unseen */
		if (!message->skb || message->skb == skb)
			return message;
		if (message->at < oldest->at)
			oldest = message;
	}
	if (oldest->kind != HIDDEN)
		loss_add(LOSS_messages);
	return oldest;
}

/* the thread that receives it has one more to answer */
static __always_inline void message_hide(struct bucket *bucket, __u64 skb, __u32 socket)
{
	struct message *place = message_place(bucket, skb);

	place->skb = skb;
	place->at = place->group = place->look = place->key = 0;
	place->kind = HIDDEN;
	place->socket = socket;
}

/* ---- numbers that stand for a flow's key ---- */

struct attribute {
	__u16 length, type;
};

/* of the netlink attribute at data; 0: it is no key */
static __always_inline __u64 key_hash(struct attribute attribute, const unsigned char *data, __u16 wanted)
{
	__u64 words[KEY_TAIL / 8], length = attribute.length, hash = length;

	if ((attribute.type & NLA_TYPE_MASK) != wanted || length <= NLA_HDRLEN)
		return 0;
	if (length >= NLA_HDRLEN + KEY_TAIL) {
		if (bpf_probe_read_kernel(words, sizeof(words), data + length - KEY_TAIL))
			return 0;
	} else {
		__builtin_memset(words, 0, sizeof(words));
		length -= NLA_HDRLEN;
		/* the verifier must see the mask on the register that is the helper's argument */
		asm volatile("" : "+r"(length));
		length &= KEY_TAIL - 1;
		if (bpf_probe_read_kernel(words, length, data + NLA_HDRLEN))
			return 0;
	}
#pragma GCC unroll 8
	for (__u32 i = 0; i < KEY_TAIL / 8; i++)
		hash = identity_mix(hash, words[i]);
	return hash | 1;
}

/*
 * Of the key as the datapath has it, for programs that may read it directly: what an upcall's key and that of the
 * flow that answers it have in common. Without probe reads as a rule, so that it costs a
 * quarter of key_hash(); of IPv6 addresses the verifier sees those of IPv4 in the same place.
 */
static __always_inline __u64 key_number(const struct sw_flow_key *key)
{
	const __u16 type = key->eth.type;
	const __u32 protocol = key->ip.proto;
	__u64 addresses[4];
	__u64 hash = identity_mix(key->recirc_id, (__u64)type << 32 | key->phy.in_port), ports = 0;

	if (type == bpf_htons(PACKET_IP4) || type == bpf_htons(PACKET_ARP)) {
		hash = identity_mix(hash, (__u64)key->ipv4.addr.src << 32 | key->ipv4.addr.dst);
	} else if (type == bpf_htons(PACKET_IP6)) {
		if (bpf_probe_read_kernel(addresses, sizeof(addresses), &key->ipv6.addr))
			return 0;
#pragma GCC unroll 4
		for (__u32 i = 0; i < 4; i++)
			hash = identity_mix(hash, addresses[i]);
	} else {
		hash = identity_mix(hash, *(const __u32 *)&key->eth.src[2]);
		return identity_mix(hash, *(const __u32 *)&key->eth.dst[2]) | 1;
	}
	if (type != bpf_htons(PACKET_ARP) &&
	    (packet_has_ports(protocol) || protocol == PACKET_ICMP || protocol == PACKET_ICMP6))
		ports = (__u64)key->tp.src << 16 | key->tp.dst;
	return identity_mix(hash, ports << 8 | protocol) | 1;
}

/* ---- an upcall, from its begin to its end on one CPU ---- */

static __always_inline __u32 kind_of(const struct dp_upcall_info *info, enum sonde_access access)
{
	if (!bpf_core_type_exists(struct dp_upcall_info))
		return UPCALL_OTHER;
	return (SONDE_READ(access, info, cmd) - 1) & 1;
}

static __always_inline __u32 socket_of(const struct dp_upcall_info *info, enum sonde_access access)
{
	return bpf_core_type_exists(struct dp_upcall_info) ? SONDE_READ(access, info, portid) : 0;
}

/* each device's name is wanted once: the place is given up where two share it */
static __always_inline void device_know(struct current *current, struct net_device *dev)
{
	const struct sonde_device_key device = current->message.device;
	struct sonde_device_key *known = &current->devices[device.ifindex % DEVICES];

	if (known->ifindex == device.ifindex && known->netns == device.netns)
		return;
	*known = device;
	device_remember(dev, &current->message.device);
}

/* args as of queue_userspace_packet() and ovs_dp_upcall() */
static __always_inline void upcall_begin(struct current *current, const __u64 *args, enum sonde_access access,
					 const struct look_head *head)
{
	struct sk_buff *skb = (struct sk_buff *)args[1];
	struct message *message = &current->message;
	struct net_device *dev;
	enum filter_verdict verdict = FILTER_ASK;

	message->socket = socket_of((struct dp_upcall_info *)args[3], access);
	if (head && head->at_hand)
		verdict = filter_plain((const void *)head->words, head->at_hand);
	if (verdict == FILTER_ASK)
		verdict = filter_pass(access, skb) ? FILTER_PASSES : FILTER_REFUSES;
	if (verdict == FILTER_REFUSES) {
		current->progress = REFUSED;
		return;
	}
	message->at = bpf_ktime_get_ns();
	message->skb = 0;
	message->group = 0;
	message->cpu = bpf_get_smp_processor_id();
	message->kind = kind_of((struct dp_upcall_info *)args[3], access);
	message->device = (struct sonde_device_key){};
	dev = sonde_dev(access, skb);
	if (dev) {
		message->device.ifindex = SONDE_READ(access, dev, ifindex);
		message->device.netns = sonde_netns(access, skb, dev);
		device_know(current, dev);
	}
	current->messages = 0;
	current->progress = BEGUN;
}

/* queue_gso_packets(dp, skb, key, upcall_info, cutlen): the upcall becomes one of many messages */
static __always_inline int segments_begin(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct current *current = current_here();
	struct group group = {};

	if (!current)
		return 0;
	upcall_begin(current, args, access, NULL);
	current->gso = 1;
	if (current->progress != BEGUN)
		return 0;
	/* one CPU does one at a time */
	current->message.group = current->message.at << 10 | (current->message.cpu & 1023);
	group.at = current->message.at;
	bpf_map_update_elem(&groups, &current->message.group, &group, BPF_ANY);
	return 0;
}

/* queue_userspace_packet(dp, skb, key, upcall_info, cutlen): once a segment */
static __always_inline int segment_begins(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sk_buff *skb = (struct sk_buff *)args[1];
	struct current *current = current_here();
	struct look_head head;

	if (!current)
		return 0;
	look_head(access, skb, &head);
	if (!current->gso)
		upcall_begin(current, args, access, &head);
	/* not sent yet */
	current->message.skb = 0;
	if (current->progress == BEGUN)
		current->message.look = look_of_head(access, skb, &head);
	return 0;
}

/* ovs_nla_put_key(key, output, attribute, is_mask, skb): the message is being written, in a new skb */
static __always_inline int message_made(void *ctx, const __u64 *args, enum sonde_access access)
{
	const __u64 skb = sonde_address_of((void *)args[4]);
	struct current *current = current_here();
	struct message *place;
	struct bucket *bucket;

	if (!current || current->progress == BEGUN_NOT)
		return 0;
	bucket = bucket_of(skb);
	if (!bucket)
		return 0;
	current->message.skb = skb;
	if (current->progress == REFUSED) {
		message_hide(bucket, skb, current->message.socket);
		return 0;
	}
	current->message.key = 0;
	if (access == SONDE_DIRECT && cfg_direct_keys)
		current->message.key = key_number((struct sw_flow_key *)args[0]);
	current->messages++;
	place = message_place(bucket, skb);
	*place = current->message;
	return 0;
}

/* netlink_unicast(socket, skb, port, nonblock), where the kernel's types do not tell what an upcall is */
static __always_inline int message_leaves(void *ctx, const __u64 *args, enum sonde_access access)
{
	const __u64 number = sonde_address_of((void *)args[1]);
	struct current *current = current_here();
	struct message *place;
	struct bucket *bucket;
	__u8 command = 0;

	if (!current || current->progress == BEGUN_NOT || current->message.skb != number)
		return 0;
	bucket = bucket_of(number);
	place = bucket ? message_find(bucket, number) : NULL;
	if (place && current->progress == REFUSED)
		place->socket = args[2];
	if (!place || current->progress == REFUSED)
		return 0;
	bpf_probe_read_kernel(&command, sizeof(command),
			      SONDE_READ(access, (struct sk_buff *)args[1], data) + GENERIC_AT);
	current->message.kind = (command - 1) & 1;
	current->message.socket = args[2];
	*place = current->message;
	return 0;
}

/* it was not handed over */
static __always_inline void message_lost(const struct message *message)
{
	struct bucket *bucket = bucket_of(message->skb);
	struct message *place = bucket ? message_find(bucket, message->skb) : NULL;

	if (place)
		place->skb = 0;
}

static __always_inline void upcall_lost(struct current *current, __u32 error)
{
	struct message *message = &current->message;
	struct upcall_loss_key key = {
		.epoch = epoch,
		.kind = message->kind,
		.error = error,
		.cpu = message->cpu,
		.socket = message->socket,
		.device = message->device,
	};
	__u64 one = 1, *sum = bpf_map_lookup_elem(&lost, &key);

	if (sum)
		*sum += 1;
	else if (bpf_map_update_elem(&lost, &key, &one, BPF_NOEXIST))
		loss_add(LOSS_rows);
	/* the last message is the one that failed */
	if (!message->skb)
		return;
	current->messages--;
	message_lost(message);
}

/* an upcall for which no message was begun; args may be NULL */
static __always_inline void upcall_stillborn(struct current *current, const __u64 *args)
{
	if (args) {
		upcall_begin(current, args, SONDE_DIRECT, NULL);
		return;
	}
	/* whether it would have passed cannot be told */
	if (flt.set)
		return;
	current->message = (struct message){
		.at = bpf_ktime_get_ns(), .cpu = bpf_get_smp_processor_id(), .kind = UPCALL_OTHER,
	};
	current->messages = 0;
	current->progress = BEGUN;
}

/* ovs_dp_upcall() returns; args: its arguments, or NULL */
static __always_inline int upcall_ends(void *ctx, const __u64 *args, __s32 result)
{
	struct current *current = current_here();
	struct upcall_counts *here;
	struct group *group;
	__u32 kind, begun, gso;

	if (!current)
		return 0;
	if (result && current->progress == BEGUN_NOT)
		upcall_stillborn(current, args);
	begun = current->progress == BEGUN;
	if (result && current->progress == REFUSED && current->message.skb)
		message_lost(&current->message);
	gso = current->gso;
	current->progress = BEGUN_NOT;
	current->gso = 0;
	kind = current->message.kind;
	if (!begun || kind >= UPCALL_KINDS)
		return 0;
	if (result)
		upcall_lost(current, -result);
	here = bpf_map_lookup_elem(&counts, &kind);
	if (!here)
		return 0;
	__sync_fetch_and_add(&here->counters[COUNT_UPCALLS], 1);
	__sync_fetch_and_add(&here->counters[COUNT_MESSAGES], current->messages);
	if (result)
		__sync_fetch_and_add(&here->counters[COUNT_LOST], 1);
	if (!gso)
		return 0;
	__sync_fetch_and_add(&here->counters[COUNT_GSO], 1);
	group = bpf_map_lookup_elem(&groups, &current->message.group);
	if (group) {
		group->messages = current->messages;
		group->closed = 1;
	}
	return 0;
}

/* ---- threads ---- */

static __always_inline __u32 thread_id(void)
{
	return bpf_get_current_pid_tgid();
}

static __always_inline struct thread *thread_at(__u32 id, __u32 way)
{
	__u32 index = (id + way * (THREADS_MAX / WAYS)) % THREADS_MAX;

	return bpf_map_lookup_elem(&threads, &index);
}

static __always_inline struct thread *thread_find(__u32 id)
{
#pragma GCC unroll 4
	for (__u32 way = 0; way < WAYS; way++) {
		struct thread *thread = thread_at(id, way);

		if (thread && thread->id == id)
			return thread;
	}
	return NULL;
}

/* gives the thread a place; where there is none, that of the one that has received nothing for longest */
static __noinline int thread_enter(__u32 id)
{
	__u32 oldest = 0;
	__u64 at = -1ULL;
	struct thread *thread;

	for (__u32 way = 0; way < WAYS; way++) {
		thread = thread_at(id, way);
		if (thread && thread->last < at) {
			at = thread->last;
			oldest = way;
		}
	}
	thread = thread_at(id, oldest);
	if (!thread)
		return 0;
	/* one that has ended is no loss, as a rule it had answered */
	if (thread->id && !thread->held[(thread->next - 1) % HELD_MAX].answered)
		loss_add(LOSS_threads);
	thread->first = thread->next = thread->batch = thread->cursor = 0;
	thread->answering = thread->slept = thread->executing = thread->shown = 0;
	for (__u32 i = 0; i < SOCKETS; i++)
		thread->sockets[i] = 0;
	thread->id = id;
	return 0;
}

/* how often this thread has slept */
static __always_inline __u64 switches_here(void)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf))
		return ((struct task_struct *)bpf_get_current_task_btf())->nvcsw;
	return BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), nvcsw);
}

/* once for each socket and thread */
static __noinline int reader_enter(__u32 socket)
{
	const struct upcall_reader *known = bpf_map_lookup_elem(&readers, &socket);
	struct upcall_reader reader = {};
	const __u64 task = bpf_get_current_pid_tgid();

	reader.thread = task;
	reader.process = task >> 32;
	/* before 5.15 each port has a socket, which all handlers read */
	reader.shared = known && known->process == reader.process && (known->shared || known->thread != reader.thread);
	bpf_get_current_comm(reader.comm, sizeof(reader.comm));
	if (bpf_map_update_elem(&readers, &socket, &reader, BPF_ANY))
		loss_add(LOSS_readers);
	return 0;
}

/*
 * A thread that has answered is at its next batch, and one that has slept as a rule: what it has not answered before it
 * never will.
 */
static __always_inline void thread_receives(struct thread *thread, __u64 now)
{
	const __u64 switches = switches_here();

	if (thread->answering || thread->switches != switches) {
		thread->batch = thread->cursor = thread->next;
		thread->slept = !thread->answering;
		thread->answering = 0;
		thread->switches = switches;
	}
	thread->last = now;
}

/* true if it is the last of the packet's segments */
static __always_inline bool group_is_complete(__u64 id, enum upcall_part part)
{
	struct group *group = bpf_map_lookup_elem(&groups, &id);
	__u32 *number;

	if (!group) {
		loss_add(LOSS_groups);
		return false;
	}
	number = part == UPCALL_QUEUED ? &group->received :
		 part == UPCALL_USER ? &group->answered : &group->executed;
	__sync_fetch_and_add(number, 1);
	return group->closed && *number == group->messages;
}

/* of a message that is an upcall */
static __always_inline __u64 message_key(struct sk_buff *skb, enum sonde_access access)
{
	const unsigned char *data = SONDE_READ(access, skb, data) + KEY_AT;
	struct attribute head;

	if (bpf_probe_read_kernel(&head, sizeof(head), data))
		return 0;
	return key_hash(head, data, ATTR_PACKET_KEY);
}

/* each message is counted, or stands in the histogram: the last one of its packet */
static __always_inline void message_done(const struct message *message, enum upcall_counter what,
					 enum upcall_part part, __u64 ns)
{
	if (message->group && !group_is_complete(message->group, part))
		count(message->kind, what);
	else
		time_add(message->kind, part, ns);
}

/*
 * A message that was never received (its socket was closed, or the program was skipped) stays in its place, and its
 * skb's address is soon that of another message: to another socket, whoever reads that. Socket 0: it is not known.
 */
static __always_inline bool socket_is(const struct sock *sk, __u32 socket)
{
	return !socket || BPF_CORE_READ((const struct netlink_sock *)sk, portid) == socket;
}

/* skb_free_datagram(sk, skb): a thread has read what a socket held */
static __always_inline int message_received(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct sock *sk = (struct sock *)args[0];
	const __u64 skb = sonde_address_of((void *)args[1]);
	struct message *message;
	struct thread *thread;
	struct bucket *bucket;
	struct held *held;
	__u32 id, kind, *socket;
	__u64 now;

	if (SONDE_READ(access, sk, __sk_common.skc_family) != FAMILY_NETLINK)
		return 0;
	bucket = bucket_of(skb);
	message = bucket ? message_find(bucket, skb) : NULL;
	if (!message || !socket_is(sk, message->socket))
		return 0;
	now = bpf_ktime_get_ns();
	id = thread_id();
	thread = thread_find(id);
	if (!thread) {
		thread_enter(id);
		thread = thread_find(id);
	}
	kind = message->kind;
	if (!thread || kind > HIDDEN)
		return 0;
	thread_receives(thread, now);
	if (thread->next - thread->first >= HELD_MAX)
		thread->first = thread->next - HELD_MAX + 1;
	held = &thread->held[thread->next % HELD_MAX];
	held->message = *message;
	held->received = now;
	held->answered = 0;
	held->put = held->executed = 0;
	thread->next++;
	message->skb = 0;
	socket = &thread->sockets[held->message.socket % SOCKETS];
	if (*socket != held->message.socket) {
		*socket = held->message.socket;
		reader_enter(held->message.socket);
	}
	if (kind == HIDDEN)
		return 0;
	thread->shown = thread->next;
	if (!cfg_direct_keys)
		held->message.key = message_key((struct sk_buff *)args[1], access);
	message_done(&held->message, COUNT_RECEIVED, UPCALL_QUEUED, now - held->message.at);
	return 0;
}

/*
 * The one that waits for this answer, HELD_MAX: none. From the last one answered on, then the older ones. A flow is
 * put for a miss only.
 */
static __always_inline __u32 held_find(struct thread *thread, __u64 number, bool put)
{
	const __u32 number_held = thread->next - thread->first;
	__u32 at = thread->cursor;

	/* all are hidden: a filter that lets nothing through costs no search */
	if (!thread->shown || thread->next - thread->shown >= number_held)
		return HELD_MAX;
	if (thread->next - at > number_held)
		at = thread->first;
	for (__u32 i = 0; i < HELD_MAX; i++) {
		const struct held *held;

		if (i >= number_held)
			break;
		if (at == thread->next)
			at = thread->first;
		held = &thread->held[at % HELD_MAX];
		if (put ? held->message.key == number && !held->put && held->message.kind != UPCALL_ACTION :
			  held->message.look == number && !held->executed) {
			thread->cursor = at;
			return at % HELD_MAX;
		}
		at++;
	}
	return HELD_MAX;
}

static __always_inline void held_answered(struct thread *thread, struct held *held, __u64 now)
{
	thread->answering = 1;
	if (held->answered)
		return;
	held->answered = now;
	message_done(&held->message, COUNT_ANSWERED, UPCALL_USER, now - held->received);
}

/* of a command */
static __always_inline const unsigned char *attribute_at(struct genl_info *info, __u32 type, enum sonde_access access)
{
	struct nlattr **attributes = SONDE_READ(access, info, attrs);
	unsigned char *attribute = NULL;

	bpf_probe_read_kernel(&attribute, sizeof(attribute), &attributes[type]);
	return attribute;
}

static __always_inline void flow_put(struct thread *thread, __u64 key)
{
	__u32 index = key ? held_find(thread, key, true) : HELD_MAX;

	if (index >= HELD_MAX)
		return;
	thread->held[index].put = 1;
	held_answered(thread, &thread->held[index], bpf_ktime_get_ns());
}

/* ovs_nla_get_identifier(id, ufid, key, log): a flow is put, and its key is known */
static __always_inline int flow_known(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct thread *thread = thread_find(thread_id());

	if (thread)
		flow_put(thread, key_number((struct sw_flow_key *)args[2]));
	return 0;
}

/* ovs_flow_cmd_new(skb, info) */
static __always_inline int flow_command(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct thread *thread = thread_find(thread_id());
	const unsigned char *data;
	struct attribute head;

	if (!thread)
		return 0;
	data = attribute_at((struct genl_info *)args[1], ATTR_FLOW_KEY, access);
	if (data && !bpf_probe_read_kernel(&head, sizeof(head), data))
		flow_put(thread, key_hash(head, data, ATTR_FLOW_KEY));
	return 0;
}

/* true if all that is left from at on is one packet that has not come back */
static __always_inline bool held_is_last(const struct thread *thread, __u32 at)
{
	return thread->next - at == 1 && !thread->held[at % HELD_MAX].executed;
}

static __always_inline __u32 held_by_look(struct thread *thread, struct genl_info *info, enum sonde_access access)
{
	const unsigned char *data = attribute_at(info, ATTR_PACKET_PACKET, access);
	const __u64 look = data ? look_attribute(data) : 0;
	__u32 index = look ? held_find(thread, look, false) : HELD_MAX;

	/* ovs-vswitchd may have changed it */
	if (index >= HELD_MAX && held_is_last(thread, thread->cursor))
		index = thread->cursor % HELD_MAX;
	return index;
}

/* ovs_packet_cmd_execute(skb, info): the packet comes back */
static __always_inline int packet_returns(void *ctx, const __u64 *args, enum sonde_access access)
{
	struct thread *thread = thread_find(thread_id());
	__u32 index;

	if (!thread)
		return 0;
	thread->executing = 0;
	/* the only one of its batch needs no look */
	if (!thread->slept && held_is_last(thread, thread->batch))
		index = thread->batch % HELD_MAX;
	else
		index = held_by_look(thread, (struct genl_info *)args[1], access);
	if (index >= HELD_MAX)
		return 0;
	thread->held[index].executed = 1;
	if (thread->held[index].message.kind == HIDDEN) {
		thread->answering = 1;
		return 0;
	}
	/* most were answered by their flow */
	held_answered(thread, &thread->held[index], thread->held[index].answered ? 0 : bpf_ktime_get_ns());
	thread->executing = index + 1;
	return 0;
}

static __always_inline __u32 row_index(const struct upcall_key *key, __u32 way)
{
	__u64 hash = (__u64)key->thread << 32 ^ (__u64)key->cpu << 16 ^ key->device.ifindex ^ key->device.netns;

	return ((hash * 0x9e3779b97f4a7c15ULL >> 32) + way) % UPCALL_ROWS;
}

static __always_inline struct upcall_row *row_at(const struct upcall_key *key, __u32 way)
{
	__u32 index = row_index(key, way);

	return bpf_map_lookup_elem(&rows, &index);
}

static __always_inline bool row_is(const struct upcall_row *row, const struct upcall_key *key)
{
	return row && row->who.key.thread == key->thread && row->who.key.cpu == key->cpu && row->who.key.kind == key->kind &&
	       row->who.key.device.ifindex == key->device.ifindex && row->who.key.device.netns == key->device.netns;
}

/* takes a place for a new row */
static __noinline int row_enter(const struct upcall_key *key)
{
	for (__u32 way = 0; key && way < WAYS; way++) {
		struct upcall_row *row = row_at(key, way);
		__u32 taken = 1, index;

		if (!row || row->who.key.thread)
			continue;
		index = row_index(key, way);
		if (bpf_map_update_elem(&rows_taken, &index, &taken, BPF_NOEXIST))
			continue;
		/* the thread that answers is this one */
		bpf_get_current_comm(row->who.comm, sizeof(row->who.comm));
		row->who.key = *key;
		return 0;
	}
	loss_add(LOSS_rows);
	return 0;
}

static __always_inline struct upcall_row *row_find(const struct upcall_key *key)
{
#pragma GCC unroll 4
	for (__u32 way = 0; way < WAYS; way++) {
		struct upcall_row *row = row_at(key, way);

		if (row_is(row, key))
			return row;
	}
	return NULL;
}

/* a thread is in one program at a time, and its rows are its own */
static __always_inline void row_add(const struct held *held, __u32 id, __u64 now)
{
	struct upcall_key key = {
		.thread = id,
		.kind = held->message.kind,
		.cpu = held->message.cpu,
		.device = held->message.device,
	};
	struct upcall_row *row = row_find(&key);

	if (!row) {
		row_enter(&key);
		row = row_find(&key);
	}
	if (!row)
		return;
	row->sums.count++;
	row->sums.queued += held->received - held->message.at;
	row->sums.user += held->answered - held->received;
	row->sums.again += now - held->answered;
	row->sums.whole += now - held->message.at;
}

/* ovs_packet_cmd_execute() returns */
static __always_inline int packet_returned(void *ctx, const __u64 *args, __s32 result)
{
	const __u32 id = thread_id();
	struct thread *thread = thread_find(id);
	struct held *held;
	__u32 index, kind;
	__u64 now;

	if (!thread || !thread->executing)
		return 0;
	now = bpf_ktime_get_ns();
	index = thread->executing - 1;
	thread->executing = 0;
	if (index >= HELD_MAX)
		return 0;
	held = &thread->held[index];
	kind = held->message.kind;
	if (kind >= UPCALL_KINDS)
		return 0;
	if (result) {
		count(kind, COUNT_FAILED);
		return 0;
	}
	row_add(held, id, now);
	if (held->message.group) {
		if (!group_is_complete(held->message.group, UPCALL_AGAIN)) {
			count(kind, COUNT_EXECUTED);
			return 0;
		}
		bpf_map_delete_elem(&groups, &held->message.group);
	}
	time_add(kind, UPCALL_AGAIN, now - held->answered);
	time_add(kind, UPCALL_WHOLE, now - held->message.at);
	return 0;
}

/* arguments of the function: how many */
#define HOOK_RETURN(hook, function, body, arguments)                                     \
	SEC("fexit/" #function) int hook##__fx__##function(__u64 *ctx)                  \
	{                                                                               \
		return body(ctx, ctx, ctx[arguments]);                                  \
	}                                                                               \
	SEC("kretprobe/" #function) int hook##__kr__##function(struct pt_regs *ctx)     \
	{                                                                               \
		return body(ctx, NULL, PT_REGS_RC(ctx));                                \
	}

HOOK_RETURN(upcall_done, ovs_dp_upcall, upcall_ends, 5)
HOOK_FUNCTION(segments, queue_gso_packets, segments_begin)
HOOK_FUNCTION(segment, queue_userspace_packet, segment_begins)
HOOK_FUNCTION(message, ovs_nla_put_key, message_made)
HOOK_FUNCTION(socket, netlink_unicast, message_leaves)
HOOK_FUNCTION(receive, skb_free_datagram, message_received)
SEC("fentry/ovs_nla_get_identifier") int put__fe(__u64 *ctx)
{
	return flow_known(ctx, ctx, SONDE_DIRECT);
}
SEC("kprobe/ovs_flow_cmd_new") int put__kp(struct pt_regs *ctx)
{
	const __u64 args[] = { PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx) };

	return flow_command(ctx, args, SONDE_PROBE);
}
HOOK_FUNCTION(execute, ovs_packet_cmd_execute, packet_returns)
HOOK_RETURN(execute_done, ovs_packet_cmd_execute, packet_returned, 2)
