/* SPDX-License-Identifier: GPL-2.0-only */
/* device.bpf.h: which device and namespace an skb belongs to, and the device's name for aggregating tools. */
#ifndef NETSONDE_DEVICE_BPF_H
#define NETSONDE_DEVICE_BPF_H

/* names of the devices that stand in a tool's rows, entered with a row's first packet */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct sonde_device_key);
	__type(value, sonde_name);
} devices SEC(".maps");

static __always_inline void device_remember(struct net_device *dev, const struct sonde_device_key *key)
{
	sonde_name name = {};

	if (!dev || !key->ifindex)
		return;
	bpf_probe_read_kernel(name, sizeof(name), dev->name);
	if (bpf_map_update_elem(&devices, key, name, BPF_ANY))
		loss_add(LOSS_devices);
}

#endif
