/* SPDX-License-Identifier: GPL-2.0-only */
/* megaflow_upcall.h: upcalls that ovs-vswitchd has not answered, or whose packet may still come back. */
#ifndef NETSONDE_OVS_MEGAFLOW_UPCALL_H
#define NETSONDE_OVS_MEGAFLOW_UPCALL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "tools/ovs/megaflow_command.h"
#include "tools/ovs/megaflow_life.h"

#define UPCALL_BUCKETS 4096
/* more than the handlers' sockets hold */
#define UPCALLS_MOST 32768

/** A message to ovs-vswitchd: a packet without a flow, or a segment of one. */
struct upcall {
	TAILQ_ENTRY(upcall) in_time, of_key, of_look;
	struct life *life; /* that it began, and that waits for the packet; life->upcall points back */
	bool answered; /* a flow with its key was put */
	bool returned; /* the packet came back */
	uint32_t key_hash;
	struct datapath_id datapath;
	struct ovs_megaflow head;
	size_t key_length;
	unsigned char key[]; /* canonical */
};

TAILQ_HEAD(upcall_list, upcall);

struct upcalls {
	struct upcall_list all, by_key[UPCALL_BUCKETS], by_look[UPCALL_BUCKETS]; /* each the oldest first */
	unsigned int count, most;
	/* packets: seen; of these not handed over; sent back without a flow; answered by a flow that another one began */
	uint64_t seen, lost, only_executed, shared;
	/* neither within 30 s; pushed out by later ones, since most are kept */
	uint64_t unanswered, forgotten;
};

void upcalls_init(struct upcalls *upcalls, unsigned int most);
/** Keeps one; key: as message_key_plain() gives it. */
void upcall_keep(struct upcalls *upcalls, const struct ovs_megaflow *event, struct datapath_id datapath,
		 struct odp_attrs key);
/** The last message of that upcall was not handed over. */
void upcall_lost(struct upcalls *upcalls, const struct ovs_megaflow *event);
/**
 * A flow with this key is put: the oldest upcall that waits begins its life (life->head is then its), and the others with
 * the key are answered, too.
 */
void upcalls_answer(struct upcalls *upcalls, struct life *life, struct odp_attrs key);
/** The packet that looks so came back. Returns the life that waits for it, or NULL. */
struct life *upcall_return(struct upcalls *upcalls, uint64_t identity);
/** The life does not wait any longer. */
void upcall_release(struct life *life);
/** Forgets those of which nothing will be heard. */
void upcalls_expire(struct upcalls *upcalls, uint64_t now);
/** Packets that are neither answered nor back. */
uint64_t upcalls_waiting(const struct upcalls *upcalls);
void upcalls_free(struct upcalls *upcalls);

#endif
