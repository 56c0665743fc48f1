// SPDX-License-Identifier: GPL-2.0-only
/*
 * engine: packets in flight through this host. Each stage is one program, which
 * looks its packet up by skb->head and notes the stage and its time in the
 * packet's flight. A packet enters the table at a stage that begins the path,
 * if the filter wants it, and leaves it at the path's end or when its skb is
 * freed: only then are its times added to the histograms, all at once, which is
 * what makes a stage cheap.
 */
#include "sonde.bpf.h"
#include "event.bpf.h"
#include "abi/path.h"
#include "path/device.bpf.h"
#include "path/end.bpf.h"
#include "path/guest.bpf.h"
#include "path/host.bpf.h"
#include "path/upcall.bpf.h"

EVENT(path_packet);
