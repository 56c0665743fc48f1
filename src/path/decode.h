/* SPDX-License-Identifier: GPL-2.0-only */
/* decode.h: the first bytes of a packet through the programs' own parser. */
#ifndef NETSONDE_PATH_DECODE_H
#define NETSONDE_PATH_DECODE_H

#include "abi/path.h"

/** decode_bytes: packet from its first bytes; what they do not reach is truncated. */
void decode_bytes(const struct path_bytes *first, struct sonde_packet *packet);

#endif
