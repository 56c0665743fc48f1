/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * read.bpf.h: read a member of a kernel struct, directly where the program's
 * kind allows it (BTF-typed tracepoint, fentry: one instruction) or by a
 * helper call (raw tracepoint, kprobe: about 60). One body serves both: it
 * takes the access as its first argument, which must be a constant.
 *
 * With SONDE_NATIVE the same code is plain C, for unit tests.
 */
#ifndef NETSONDE_READ_BPF_H
#define NETSONDE_READ_BPF_H

#include <stdbool.h>

enum sonde_access {
	SONDE_DIRECT,
	SONDE_PROBE,
};

#ifdef SONDE_NATIVE

#include <stddef.h>
#include <string.h>

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#ifndef __noinline
#define __noinline __attribute__((noinline, unused))
#endif

/* what the kernel that a test plays has */
static struct {
	bool vlan_all, vlan_present;
} sonde_native = { .vlan_all = true };

static inline int sonde_native_copy(void *dst, size_t size, const void *src)
{
	memcpy(dst, src, size);
	return 0;
}

#define SONDE_READ(access, ptr, field) ((void)(access), (ptr)->field)
#define SONDE_READ_BITS(access, ptr, field) ((void)(access), (ptr)->field)
#define SONDE_EXISTS(ptr, field) ((void)(ptr), sonde_native.field)
#define SONDE_READ_TEXT(access, to, text) ((void)(access), memcpy(to, text, sizeof(to)))
#define SONDE_COPY(dst, size, src) sonde_native_copy(dst, size, src)

#else

#ifndef NULL
#define NULL ((void *)0)
#endif

#define SONDE_READ(access, ptr, field) \
	((access) == SONDE_DIRECT ? (ptr)->field : BPF_CORE_READ(ptr, field))
#define SONDE_READ_BITS(access, ptr, field) \
	((access) == SONDE_DIRECT ? BPF_CORE_READ_BITFIELD(ptr, field) : \
				    BPF_CORE_READ_BITFIELD_PROBED(ptr, field))
#define SONDE_EXISTS(ptr, field) bpf_core_field_exists((ptr)->field)
/** Copies 16 bytes of text from a kernel struct into __u64 to[2]. */
#define SONDE_READ_TEXT(access, to, text)                                            \
	do {                                                                         \
		if ((access) == SONDE_DIRECT) {                                      \
			(to)[0] = *(const __u64 *)&(text)[0];                        \
			(to)[1] = *(const __u64 *)&(text)[8];                        \
		} else {                                                             \
			bpf_probe_read_kernel(to, sizeof(to), text);                 \
		}                                                                    \
	} while (0)
/** 0, or not 0 with dst zeroed if the address cannot be read. */
#define SONDE_COPY(dst, size, src) bpf_probe_read_kernel(dst, size, src)

#endif

/**
 * A pointer as a number. Since 6.17 the verifier takes skb->head, read
 * directly, for a pointer to memory; offsets added to it must then be followed
 * precisely, and each way through a parser becomes a state of its own. What an
 * atomic add leaves on the stack is a number to every verifier. Cost: 3
 * instructions.
 */
static __always_inline __u64 sonde_address_of(const void *pointer)
{
#ifdef SONDE_NATIVE
	return (__u64)pointer;
#else
	volatile __u64 number = 0;

	__sync_fetch_and_add(&number, (__u64)pointer);
	return number;
#endif
}

/**
 * The same number, which the verifier no longer knows. For results of functions
 * that are not inlined: where a branch is decided by a number that the verifier
 * knows, it goes back to where that came from to keep it apart from others, and
 * until 6.3 a call on that way makes it keep every number apart, which a parser
 * does not survive. What is stored beside the edge of a stack slot is forgotten,
 * except zero. Cost: 4 instructions.
 */
static __always_inline __u32 sonde_forget(__u32 number)
{
#ifdef SONDE_NATIVE
	return number;
#else
	volatile struct {
		__u32 edge, beside;
	} __attribute__((aligned(8))) slot;

	/* or the compiler leaves the edge out, and what was beside it is at an edge: since 5.16 that is not forgotten */
	asm volatile("" : "=m"(slot));
	slot.beside = number + 1;
	return slot.beside - 1;
#endif
}

/**
 * True if a pointer read from a struct can be one into the kernel: in the
 * upper half of the address space on every 64-bit machine. Says nothing about
 * what is there.
 */
static __always_inline bool sonde_kernel_pointer(const void *pointer)
{
#ifdef SONDE_NATIVE
	return (__u64)pointer > 0xffff;	/* unit tests run in the lower half */
#else
	return (__s64)pointer < 0;
#endif
}

#endif
