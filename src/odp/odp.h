/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * odp.h: flows of Open vSwitch's datapath, from the attributes of
 * linux/openvswitch.h to the text of "ovs-dpctl dump-flows -m".
 *
 * Reads any bytes: what is too short, too long or unknown is shown in hex.
 */
#ifndef NETSONDE_ODP_H
#define NETSONDE_ODP_H

#include "odp/attr.h"
#include "odp/text.h"

/** How ports are called. */
struct odp_names {
	/** The name of a port of the datapath, or NULL. */
	const char *(*port)(void *data, uint32_t number);
	void *data;
};

/** odp_key_text: a key with its mask (length 0: none, all bits count). names may be NULL. */
void odp_key_text(struct odp_text *text, struct odp_attrs key, struct odp_attrs mask,
		  const struct odp_names *names);
/** odp_actions_text: a list of actions; none is "drop". */
void odp_actions_text(struct odp_text *text, struct odp_attrs actions, const struct odp_names *names);
/** odp_ufid_text: a unique flow identifier of 16 bytes: ufid:xxxxxxxx-xxxx-... */
void odp_ufid_text(struct odp_text *text, const unsigned char ufid[16]);
/** odp_action_name: the word for an action of enum ovs_action_attr; NULL: unknown. */
const char *odp_action_name(uint16_t type);

/**
 * odp_canonical_mask: a mask as the kernel understands it, beside its key. odp_canonical: a key,
 * masked with that, as the kernel lists it in a dump: ordered, what the kernel does not keep left
 * away. to must have room for ODP_CANONICAL_MORE bytes more than is given. extension_headers:
 * the kernel is one that lists those of IPv6, which ovs-vswitchd 3.1 does not
 * send, and hides. Returns the bytes written.
 */
size_t odp_canonical_mask(struct odp_attrs key, struct odp_attrs mask, unsigned char *to);
size_t odp_canonical(struct odp_attrs key, struct odp_attrs mask, bool extension_headers, unsigned char *to);
#define ODP_CANONICAL_MORE 256 /* bytes that the result may have more than the key */

/** Name of a bit of ct_state, or NULL. */
const char *odp_ct_state(unsigned int bit);

/* between the files of this folder */

#define ODP_DEEPEST 16 /* levels of nested actions or tags; the kernel takes fewer */

/** One attribute of a key as dump-flows prints it; mask NULL: exact. brief: leave away what the mask hides. */
void odp_key_attr_text(struct odp_text *text, const struct odp_attr *key, const struct odp_attr *mask,
		       const struct odp_names *names, bool brief, int depth);
void odp_tunnel_text(struct odp_text *text, const struct odp_attr *key, const struct odp_attr *mask,
		     bool brief);
void odp_nsh_text(struct odp_text *text, const struct odp_attr *key, const struct odp_attr *mask);
/** "nsh(...)" of a set action, in which each value is followed by its mask. */
void odp_set_nsh_text(struct odp_text *text, const struct odp_attr *attr);
void odp_push_nsh_text(struct odp_text *text, const struct odp_attr *attr);
void odp_conntrack_text(struct odp_text *text, const struct odp_attr *attr);
void odp_userspace_text(struct odp_text *text, const struct odp_attr *attr, const struct odp_names *names);
void odp_port_text(struct odp_text *text, uint32_t port, const struct odp_names *names);
/** The list of a policy: attributes by type, the last of each; false if one has a length outside min..max. */
struct odp_policy {
	bool known, required;
	uint16_t min, max;
};
bool odp_parse(struct odp_attrs attrs, const struct odp_policy *policy, unsigned int count,
	       struct odp_attr *found);

/* fields: "name=value[/mask],"; mask NULL: exact; brief: nothing if the mask is empty */
void odp_field_mac(struct odp_text *text, const char *name, const unsigned char *value,
		   const unsigned char *mask, bool brief);
void odp_field_ip4(struct odp_text *text, const char *name, const unsigned char *value,
		   const unsigned char *mask, bool brief);
void odp_field_ip6(struct odp_text *text, const char *name, const unsigned char *value,
		   const unsigned char *mask, bool brief);
void odp_field_u8(struct odp_text *text, const char *name, unsigned char value,
		  const unsigned char *mask, bool brief, bool hex);
void odp_field_be16(struct odp_text *text, const char *name, const unsigned char *value,
		    const unsigned char *mask, bool brief, bool hex);
void odp_vlan_text(struct odp_text *text, uint16_t tci, uint16_t mask, bool brief);
void odp_mpls_text(struct odp_text *text, uint32_t entry);
/** 128 bits in the machine's byte order. */
void odp_u128_text(struct odp_text *text, const unsigned char *value, const unsigned char *mask);
/** Names of bits with + or - where mask is not all of whole, else joined by between. */
void odp_flags_text(struct odp_text *text, const char *const *names, unsigned int count, uint32_t flags,
		    char between);
void odp_flags_masked_text(struct odp_text *text, const char *const *names, unsigned int count,
			   uint32_t flags, uint32_t mask, uint32_t whole);
/** False, and the attribute in hex, if its length or that of its mask is not as expected. */
bool odp_length_check(struct odp_text *text, const struct odp_attr *key, const struct odp_attr *mask,
		      int expected, bool name);
/** Expected lengths: */
#define ODP_ANY_LENGTH -2
#define ODP_NO_SUCH -1
/** A mask that hides all, as long as any attribute. */
extern const unsigned char *const odp_zeros;

#endif
