/* SPDX-License-Identifier: GPL-2.0-only */
/* device.h: names of devices that stand as ifindex and namespace in a row's key. */
#ifndef NETSONDE_CORE_DEVICE_H
#define NETSONDE_CORE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "abi/types.h"

/** device_use_map: file descriptor of the map that programs enter names into; -1: none. */
void device_use_map(int fd);
/** device_name: the device's name, 16 bytes padded with zeros; false if nobody knows it. */
bool device_name(const struct sonde_device_key *key, sonde_name name);

#endif
