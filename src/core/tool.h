/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tool.h: how a tool declares itself, and what a run of it knows.
 *
 * A tool is one BPF object and one table (TOOL). The core opens the object,
 * binds options to its rodata, chooses and attaches programs, and prints
 * events and maps by the BTF of the object's own structs.
 */
#ifndef NETSONDE_CORE_TOOL_H
#define NETSONDE_CORE_TOOL_H

#include <bpf/libbpf.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "abi/types.h"
#include "core/attach.h"

/** Exit statuses of every command. */
enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_KERNEL = 3, /* this kernel cannot */
};

enum tool_kind {
	TOOL_SUMMARY, /* aggregates in the kernel; --interval, --count counts reports */
	TOOL_DETAILS, /* one record an event; --count counts events */
	TOOL_COMMAND, /* loads nothing: .main does it all */
};

enum option_kind {
	OPTION_END,
	OPTION_FLAG, /* no value: writes 1 (an option that is on by default writes 0) */
	OPTION_U32, /* whole number from .min to .max */
	OPTION_DURATION, /* 100us 5ms 2s 1m; a bare number is seconds */
	OPTION_STRING, /* kept as the caller typed it */
	OPTION_PARSED, /* .parse does it */
	OPTION_FLAG_PARSED, /* no value: .parse does it */
};

struct run;

/** One option: where its value goes is a member of struct run, or of the object's rodata. */
struct option_row {
	enum option_kind kind;
	const char *name; /* without the dashes */
	const char *value; /* what the help shows for the value, NULL for a flag */
	const char *help; /* NULL: only for older command lines, not shown */
	const char *aliases; /* older spellings, separated by blanks */
	size_t offset;
	bool rodata, state; /* offset is into the object's rodata, or the tool's state; else into struct run */
	bool off; /* a flag that writes 0 */
	bool words; /* a list: words that follow and are no options belong to it */
	uint64_t min, max; /* range of OPTION_U32 and, in ns, OPTION_DURATION */
	/** Parses the value; on failure returns -errno and says why in one clause. */
	int (*parse)(struct run *run, const char *value, char *why, size_t size);
};

/** Options stand in the help, and in the docs, in this order of groups. */
struct option_group {
	const char *title;
	const struct option_row *rows;
};

/** A place to attach: programs NAME__* of the object. */
struct hook_row {
	const char *name;
	bool optional;
	/** NULL: always; else whether this run needs it. */
	bool (*wanted)(const struct run *run, const struct hook_row *hook);
	/** What the run will not see if nothing can be attached (optional hooks); NULL: another hook says it. */
	const char *without;
	unsigned int tag; /* the tool's own, for wanted */
	/** NULL, or a struct or variable that the kernel's types must have: without it the program sees nothing. */
	const char *needs;
	/**
	 * Several tasks of one CPU run into it, not for each packet. Where the kernel may take one of them off the CPU
	 * within the program, a trampoline skips it for the others until that one goes on; a kprobe is held there.
	 */
	bool shared_by_tasks;
};

enum scope {
	SCOPE_INTERVAL,
	SCOPE_TOTAL,
};

struct tool {
	const char *area, *name; /* area "" for a command that stands by itself */
	const char *summary; /* one line for the list of commands */
	const char *question; /* what an operator asks when this is the tool to run */
	enum tool_kind kind;
	const char *was; /* names in the older toolset, separated by blanks */
	const char *was_options; /* its options that no alias can stand for: "-i=interval --name=dev", by blanks */
	const char *cannot_see; /* for help and docs */
	const void *(*object)(size_t *size); /* the embedded BPF object */
	const struct option_row *options;
	const struct hook_row *hooks; /* ends with a NULL name */
	const char *event; /* struct that the object's events have */
	const char *row_key,
		*row_values; /* structs of a report's rows: what they are counted by, and the sums */
	/** Records of reports whose rows are no structs: JSON, {"types": [names], "members": {schema properties}}. */
	const char *records;
	bool filter; /* the object includes filter.bpf.h */
	size_t state_size; /* of the tool's own state, zeroed, in run->state */
	/** After the options, before the load: checks combinations, fills rodata. -EINVAL after usage_error(). */
	int (*configure)(struct run *run);
	/** After the choice of programs: -ENOSYS, said, if what is left makes no sense. */
	int (*chosen)(struct run *run);
	/** After the load: maps exist, nothing is attached yet. */
	int (*loaded)(struct run *run);
	/** Everything is attached: what is counted from now on is the run's. */
	void (*attached)(struct run *run);
	/** Each second while the run lasts. */
	void (*tick)(struct run *run);
	/** The run ends; everything is still attached. */
	void (*ending)(struct run *run);
	/** Each event as it comes; true: the tool keeps it, and prints what it makes of it by run_event() later. */
	bool (*event_take)(struct run *run, const void *event, size_t size);
	/** Each event before it is printed: may shorten what the kernel gave. */
	void (*event_before)(struct run *run, void *event);
	/** Each event after its record is complete; may add keys. NULL json: text output. */
	int (*event_more)(struct run *run, const void *event, json_t *json, FILE *text);
	/** After the last event: what waited for more is printed now. */
	void (*drained)(struct run *run);
	/** A report of a summary tool. */
	int (*report)(struct run *run, enum scope scope);
	void (*finish)(struct run *run);
	/** TOOL_COMMAND */
	int (*main)(struct run *run);
};

/* a tool stands in a section of its own, so that no list has to be kept */
#define TOOL(symbol, ...)                                                                          \
	static const struct tool symbol##_tool = { __VA_ARGS__ };                                  \
	static const struct tool *const symbol##_entry                                             \
		__attribute__((used, section("netsonde_tools"))) = &symbol##_tool

/** For option rows: a member of struct run, of the tool's state (a uint32_t for a flag), or of its skeleton's rodata. */
#define OPT_RUN(member) .offset = offsetof(struct run, member)
#define OPT_STATE(type, member) .state = true, .offset = offsetof(type, member)
#define OPT_RODATA(skeleton, member)                                                               \
	.rodata = true, .offset = offsetof(struct skeleton##__rodata, member)

/** One attached (or, with --dry-run, chosen) program. */
struct probe {
	const struct hook_row *hook;
	struct bpf_program *program;
	struct bpf_link *link;
	const char *by; /* tp_btf, raw_tp, fentry, kprobe, fexit, kretprobe */
	char target[64];
	struct attach_where where;
};

#define RUN_PROBES_MAX 64

/** Everything that one run of a tool knows. */
struct run {
	const struct tool *tool;
	char command[64]; /* "drop packets", for messages */
	const char *called; /* the word on the command line that named the tool */

	/* options that every tool has */
	uint64_t interval_ns, duration_ns, count;
	uint32_t top, each, json, verbose, dry_run, cost, help, schema;
	const char *btf_path, *output;

	struct bpf_object *object;
	void *rodata;
	size_t rodata_size;
	struct sonde_filter *filter; /* in rodata; NULL if the tool has none */
	bool filtered; /* a filter option was given */
	uint32_t kfree_skb_args;

	struct probe probes[RUN_PROBES_MAX];
	unsigned int probe_count;
	const struct hook_row *missing[RUN_PROBES_MAX];
	unsigned int missing_count;

	const struct schema *schema_of_event;
	uint64_t events; /* printed */
	uint64_t reports;
	uint64_t missed; /* hits of probes that the kernel skipped; at the end of the run */
	uint64_t started_ns, interval_started_ns; /* CLOCK_MONOTONIC */
	int stats_fd;
	bool quiet; /* run_error() keeps its words in why and prints nothing */
	char why[256]; /* the last run_error() */
	const char *notes[4]; /* what the start line says of options */
	unsigned int note_count;
	bool symbols_hidden; /* kernel.kptr_restrict */
	bool failed; /* something that was asked for was not done: exit 1 */
	bool stop;
	int output_error; /* errno of the write to standard output that failed; 0: none has */
	const char *stopped_by;
	void *state;
};

/** Prints one sentence, "netsonde COMMAND: ...", on stderr. */
void run_error(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** One sentence for the lines behind the start line: an option that means nothing, or something else, today. */
void run_remark(struct run *run, const char *words);
/** As run_error; for verbose runs only. */
void run_note(const struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** True if this run prints each event, not reports. */
static inline bool run_prints_events(const struct run *run)
{
	return run->tool->kind == TOOL_DETAILS || run->each;
}

/** registry.c: the tool that argv names; eats the words that it took. NULL: none, see registry_help(). */
const struct tool *registry_find(int *argc, char ***argv);
/** All tools, or those of an area. */
void registry_help(FILE *to, const char *area);
bool registry_has_area(const char *area);
/** Calls visit for each tool, sorted by area and name. */
void registry_each(void (*visit)(const struct tool *tool, void *data), void *data);

/** run.c: the whole life of one command; returns its exit status. */
int run_tool(const struct tool *tool, int argc, char **argv);

#endif
