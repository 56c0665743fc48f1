/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hook.bpf.h: one body becomes several programs, of which core/attach.c loads
 * the best that the kernel can take. The program's name is the attach table:
 *
 *	HOOK__KIND[__ALTERNATIVE]
 *
 * with KIND one of tp (BTF-typed tracepoint), rt (raw tracepoint), fe (fentry),
 * kp (kprobe), fx (fexit), kr (kretprobe). Among programs of one hook and one
 * kind the first in the object whose target exists is taken.
 *
 * A body is
 *	static __always_inline int NAME(void *ctx, const __u64 *args, enum sonde_access access)
 * where args[] are the hook's arguments and ctx is what helpers want.
 */
#ifndef NETSONDE_HOOK_BPF_H
#define NETSONDE_HOOK_BPF_H

#define HOOK_TRACEPOINT(hook, tracepoint, body)                                                    \
	SEC("tp_btf/" #tracepoint) int hook##__tp(__u64 *ctx)                                      \
	{                                                                                          \
		return body(ctx, ctx, SONDE_DIRECT);                                               \
	}                                                                                          \
	SEC("raw_tp/" #tracepoint) int hook##__rt(struct bpf_raw_tracepoint_args *ctx)             \
	{                                                                                          \
		return body(ctx, (const __u64 *)ctx->args, SONDE_PROBE);                           \
	}

/* at most the first five arguments; a body must read none that the function lacks */
#define HOOK_FUNCTION(hook, function, body)                                                        \
	SEC("fentry/" #function) int hook##__fe__##function(__u64 *ctx)                            \
	{                                                                                          \
		return body(ctx, ctx, SONDE_DIRECT);                                               \
	}                                                                                          \
	SEC("kprobe/" #function) int hook##__kp__##function(struct pt_regs *ctx)                   \
	{                                                                                          \
		const __u64 args[] = { PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx), \
				       PT_REGS_PARM4(ctx), PT_REGS_PARM5(ctx) };                   \
		return body(ctx, args, SONDE_PROBE);                                               \
	}

/* the end of a function; arguments: how many it has, behind which a trampoline has the result; body(ctx, result) */
#define HOOK_RESULT(hook, function, arguments, body)                                               \
	SEC("fexit/" #function) int hook##__fx__##function(__u64 *ctx)                             \
	{                                                                                          \
		return body(ctx, ctx[arguments]);                                                  \
	}                                                                                          \
	SEC("kretprobe/" #function) int hook##__kr__##function(struct pt_regs *ctx)                \
	{                                                                                          \
		return body(ctx, PT_REGS_RC(ctx));                                                 \
	}

#endif
