/* SPDX-License-Identifier: GPL-2.0-only */
/* megaflow_command.h: commands of user space to the kernel's flow table, put together from the parts in which they come. */
#ifndef NETSONDE_OVS_MEGAFLOW_COMMAND_H
#define NETSONDE_OVS_MEGAFLOW_COMMAND_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/openvswitch.h>
#include <stdint.h>

#include "abi/megaflow.h"
#include "odp/odp.h"

#define MESSAGE_HEAD (NLMSG_HDRLEN + GENL_HDRLEN + sizeof(struct ovs_header))
#define MESSAGE_MAX (MEGAFLOW_PART * MEGAFLOW_PARTS)

/** A datapath: interface numbers are unique only within their network namespace. */
struct datapath_id {
	uint32_t netns; /* inode number */
	uint32_t ifindex; /* of its own port */
};

static inline bool datapath_same(struct datapath_id a, struct datapath_id b)
{
	return a.netns == b.netns && a.ifindex == b.ifindex;
}

/** The attributes of a message; of one that is too short, none. */
struct odp_attrs message_attrs(const unsigned char *bytes, uint32_t length);
/** What is nested in an attribute of a message; of none, nothing. */
struct odp_attrs message_nested(struct odp_attrs attrs, uint16_t type);
/** The datapath that a message is about; it has at least MESSAGE_HEAD bytes. */
struct datapath_id message_datapath(const struct ovs_megaflow *head, const unsigned char *bytes);
/** A key whole, in the kernel's order: the same for what the kernel sent and what comes back. Until the next call. */
struct odp_attrs message_key_plain(struct odp_attrs key);

/** A thread's command. */
struct command {
	struct command *next;
	struct ovs_megaflow head;
	uint32_t room, length;
	uint32_t reply_length;
	unsigned char reply[MEGAFLOW_PART]; /* the kernel's answer to a deletion */
	unsigned char bytes[]; /* as many as there is room for */
};

/** Those that have begun: a thread has one, and the kernel does one at a time of each datapath, so they are few. */
struct commands {
	struct command *first;
	uint64_t cut; /* not seen whole */
};

/** A part of a command; the first one begins it. */
void command_part(struct commands *commands, const struct megaflow_message *message);
/** What the kernel answers to it. */
void command_reply(struct commands *commands, const struct megaflow_message *message);
/** The thread's command, taken out: the caller frees it. NULL: its begin was not seen. */
struct command *command_end(struct commands *commands, uint32_t thread);
/** Frees those whose end was not seen for a minute; now UINT64_MAX: all. */
void commands_expire(struct commands *commands, uint64_t now);

#endif
