/* SPDX-License-Identifier: GPL-2.0-only */
/* buffer.h: events from the kernel, over the ring buffer or the perf buffer of a tool's object. */
#ifndef NETSONDE_CORE_BUFFER_H
#define NETSONDE_CORE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct run;
struct buffer;

typedef void (*buffer_event)(struct run *run, const void *event, size_t size);

/** buffer_open: NULL with errno if it cannot be; with *none set if the object has no events. */
struct buffer *buffer_open(struct run *run, buffer_event handle, int *none);
/** File descriptor that is readable when events wait. */
int buffer_fd(const struct buffer *buffer);
/** Hands waiting events to the handler; true if it left some because they were many. */
bool buffer_consume(struct buffer *buffer);
void buffer_close(struct buffer *buffer);

#endif
