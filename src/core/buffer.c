// SPDX-License-Identifier: GPL-2.0-only
/* buffer.c: events from the kernel; both kinds of buffer behind one interface. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "core/buffer.h"
#include "core/object.h"
#include "core/tool.h"

#define BATCH 1024
#define PERF_PAGES 256 /* a CPU: 1 MiB */

struct buffer {
	struct run *run;
	buffer_event handle;
	struct ring_buffer *ring;
	struct perf_buffer *perf;
	unsigned int batch; /* events handed over by this call of buffer_consume() */
};

static int ring_event(void *data, void *event, size_t size)
{
	struct buffer *buffer = data;

	buffer->handle(buffer->run, event, size);
	/* a run that has what it wants leaves the rest; a flood must not keep us from timers and signals */
	return buffer->run->stop || ++buffer->batch >= BATCH ? -EAGAIN : 0;
}

static void perf_event(void *data, int cpu, void *event, __u32 size)
{
	(void)cpu;
	ring_event(data, event, size);
}

struct buffer *buffer_open(struct run *run, buffer_event handle, int *none)
{
	int ring = object_map(run, "events"), perf = object_map(run, "events_perf");
	struct buffer *buffer;

	*none = ring < 0 && perf < 0;
	if (*none)
		return NULL;
	buffer = calloc(1, sizeof(*buffer));
	if (!buffer)
		return NULL;
	buffer->run = run;
	buffer->handle = handle;
	if (ring >= 0)
		buffer->ring = ring_buffer__new(ring, ring_event, buffer, NULL);
	else /* no handler for lost events: programs count each output that failed */
		buffer->perf = perf_buffer__new(perf, PERF_PAGES, perf_event, NULL, buffer, NULL);
	if (!buffer->ring && !buffer->perf) {
		free(buffer);
		return NULL;
	}
	return buffer;
}

int buffer_fd(const struct buffer *buffer)
{
	return buffer->ring ? ring_buffer__epoll_fd(buffer->ring)
			    : perf_buffer__epoll_fd(buffer->perf);
}

bool buffer_consume(struct buffer *buffer)
{
	buffer->batch = 0;
	if (buffer->ring)
		return ring_buffer__consume(buffer->ring) < 0;
	/* reads what was there when it began: ends by itself */
	perf_buffer__consume(buffer->perf);
	return false;
}

void buffer_close(struct buffer *buffer)
{
	if (!buffer)
		return;
	ring_buffer__free(buffer->ring);
	perf_buffer__free(buffer->perf);
	free(buffer);
}
