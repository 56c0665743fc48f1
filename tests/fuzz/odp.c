// SPDX-License-Identifier: GPL-2.0-only
/*
 * odp.c: fuzz target of the decoder of datapath flows. The input is the length of a key and of a mask, two
 * bytes each, then key, mask, and actions; each part goes to a block of its own, so that a byte read beyond
 * it is found.
 */
#include <stdlib.h>

#include "odp/odp.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const char *port_name(void *data, uint32_t number)
{
	(void)data;
	return number == 1 ? "vp0" : NULL;
}

static struct odp_attrs part(const unsigned char **data, size_t *size, size_t wanted)
{
	struct odp_attrs attrs = { .length = wanted < *size ? wanted : *size };
	unsigned char *copy = malloc(attrs.length);

	if (!copy && attrs.length)
		abort();
	if (attrs.length)
		memcpy(copy, *data, attrs.length);
	attrs.data = copy;
	*data += attrs.length;
	*size -= attrs.length;
	return attrs;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	const struct odp_names names = { .port = port_name };
	struct odp_attrs key, mask, actions, whole, listed;
	struct odp_text text = {};
	unsigned char *canonical, *bits;
	size_t key_length, mask_length;

	if (size < 4)
		return -1;
	key_length = odp_u16(data);
	mask_length = odp_u16(data + 2);
	data += 4;
	size -= 4;
	key = part(&data, &size, key_length);
	mask = part(&data, &size, mask_length);
	actions = part(&data, &size, size);
	odp_key_text(&text, key, mask, &names);
	odp_actions_text(&text, actions, &names);
	canonical = malloc(key.length + ODP_CANONICAL_MORE);
	bits = malloc(mask.length + ODP_CANONICAL_MORE);
	if (!canonical || !bits)
		abort();
	listed = (struct odp_attrs){ bits, odp_canonical_mask(key, mask, bits) };
	whole = (struct odp_attrs){ canonical, odp_canonical(key, listed, key.length & 4, canonical) };
	odp_key_text(&text, whole, listed, NULL);
	if (!text.failed && text.length != strlen(text.data))
		abort();
	free(text.data);
	free(canonical);
	free(bits);
	free((void *)key.data);
	free((void *)mask.data);
	free((void *)actions.data);
	return 0;
}
