/* SPDX-License-Identifier: GPL-2.0-only */
/* The mark where count.c notes how many instructions a CPU has executed: an x86 no-operation that no compiler emits. */
#pragma once

#define MARK 0x0f, 0x1f, 0x84, 0x00, 0x73, 0x6f, 0x6e, 0x64	/* nopl 0x646e6f73(%rax,%rax,1) */
#define MARK_ASM ".byte 0x0f, 0x1f, 0x84, 0x00, 0x73, 0x6f, 0x6e, 0x64"
