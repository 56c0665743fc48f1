/* SPDX-License-Identifier: GPL-2.0-only */
/* device.h: names of devices that stand as ifindex and namespace in a row's key. */
#ifndef NETSONDE_CORE_DEVICE_H
#define NETSONDE_CORE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "abi/types.h"

/** device_use_map: file descriptor of the map that programs enter names into; -1: none. */
void device_use_map(int fd);
/** device_name: the name as it was when the row's first packet was seen; false if it is not known. */
bool device_name(const struct sonde_device_key *key, sonde_name name);

#endif
