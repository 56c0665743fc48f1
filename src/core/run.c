// SPDX-License-Identifier: GPL-2.0-only
/* run.c: the life of one command: options, kernel facts, load, attach, one epoll loop, reports, the exit ledger. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/buffer.h"
#include "core/clock.h"
#include "core/cost.h"
#include "core/device.h"
#include "core/feature.h"
#include "core/filter.h"
#include "core/kbtf.h"
#include "core/ksym.h"
#include "core/ledger.h"
#include "core/missed.h"
#include "core/module.h"
#include "core/object.h"
#include "core/option.h"
#include "core/plain.h"
#include "core/reason.h"
#include "core/record.h"
#include "core/run.h"
#include "core/version.h"

#define DEFAULT_INTERVAL_NS 10000000000ULL

__attribute__((format(printf, 2, 0)))
static void run_say(const struct run *run, const char *format,
							  va_list args)
{
	char words[512];

	vsnprintf(words, sizeof(words), format, args);
	fprintf(stderr, "netsonde %s: ", run->command);
	/* what the user typed, and names of devices and tasks, may hold control characters */
	plain_words(words, stderr);
	fputc('\n', stderr);
}

void run_error(struct run *run, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(run->why, sizeof(run->why), format, args);
	va_end(args);
	if (run->quiet)
		return;
	va_start(args, format);
	run_say(run, format, args);
	va_end(args);
}

void run_remark(struct run *run, const char *words)
{
	if (run->note_count < sizeof(run->notes) / sizeof(run->notes[0]))
		run->notes[run->note_count++] = words;
}

void run_note(const struct run *run, const char *format, ...)
{
	va_list args;

	if (!run->verbose)
		return;
	va_start(args, format);
	run_say(run, format, args);
	va_end(args);
}

json_t *run_probe_json(const struct probe *probe)
{
	return json_pack("{s:s, s:s, s:s}", "hook", probe->hook->name, "target", probe->target,
			 "by", probe->by);
}

static const char symbols_hidden[] =
	"kernel symbols (kernel.kptr_restrict): places are addresses, and frees that are no loss "
	"are taken for drops";

/* what was attached, or would be; the line that says: ready */
static void start_print(struct run *run)
{
	const char *type = run->dry_run ? "dry_run" : "start";
	json_t *record, *probes, *missing;
	unsigned int helpers = 0, named = 0;
	struct utsname name;

	uname(&name);
	if (!run->json) {
		fprintf(stderr, "netsonde %s on %s: ", run->command, name.release);
		for (unsigned int i = 0; i < run->probe_count; i++) {
			/* the probes that only help to understand are many: named by --verbose and --dry-run */
			if (run->probes[i].hook->optional && !run->verbose && !run->dry_run)
				helpers++;
			else
				fprintf(stderr, "%s%s by %s at %s", named++ ? ", " : "",
					run->probes[i].hook->name, run->probes[i].by,
					run->probes[i].target);
		}
		if (helpers)
			fprintf(stderr, " and %u more probe%s (--verbose)", helpers,
				helpers == 1 ? "" : "s");
		fprintf(stderr, "%s\n", run->dry_run ? " would be attached" : ". Ctrl-C ends it.");
		if (run->symbols_hidden)
			fprintf(stderr, "  not visible: %s\n", symbols_hidden);
		for (unsigned int i = 0; i < run->missing_count; i++) {
			if (run->missing[i]->without)
				fprintf(stderr, "  not visible: %s\n", run->missing[i]->without);
		}
		for (unsigned int i = 0; i < run->note_count; i++)
			fprintf(stderr, "  %s\n", run->notes[i]);
		return;
	}
	record = record_new(run, type);
	json_object_set_new(record, "version", json_string(NETSONDE_VERSION));
	record_time(record);
	json_object_set_new(record, "kernel", json_string(name.release));
	probes = json_array();
	for (unsigned int i = 0; i < run->probe_count; i++)
		json_array_append_new(probes, run_probe_json(&run->probes[i]));
	json_object_set_new(record, "probes", probes);
	missing = json_array();
	if (run->symbols_hidden)
		json_array_append_new(missing, json_string(symbols_hidden));
	for (unsigned int i = 0; i < run->missing_count; i++) {
		if (run->missing[i]->without)
			json_array_append_new(missing, json_string(run->missing[i]->without));
	}
	json_object_set_new(record, "not_visible", missing);
	if (run->note_count) {
		json_t *notes = json_array();

		for (unsigned int i = 0; i < run->note_count; i++)
			json_array_append_new(notes, json_string(run->notes[i]));
		json_object_set_new(record, "notes", notes);
	}
	record_print(run, record);
}

void run_event(struct run *run, const void *from, size_t size)
{
	const struct schema *schema = run->schema_of_event;
	/* a member that the program left away at the end reads as zero; a copy may be changed, the buffer may not */
	static char event[4096];
	json_t *record;

	if (run->stop || size > sizeof(event))
		return;
	if (run->tool->event_take && run->tool->event_take(run, from, size))
		return;
	memcpy(event, from, size);
	memset(event + size, 0,
	       schema->size > size && schema->size <= sizeof(event) ? schema->size - size : 0);
	if (run->tool->event_before)
		run->tool->event_before(run, event);
	run->events++;
	if (run->json) {
		record = record_new(run, "event");
		record_json(schema, event, NULL, run, record);
		if (run->tool->event_more)
			run->tool->event_more(run, event, record, NULL);
		record_print(run, record);
	} else {
		record_text(schema, event, NULL, run, stdout);
		if (run->tool->event_more)
			run->tool->event_more(run, event, NULL, stdout);
		record_flush(run);
	}
	if (run_prints_events(run) && run->count && run->events >= run->count) {
		run->stop = true;
		run->stopped_by = "count";
	}
}

static void report(struct run *run, enum scope scope)
{
	int err = run->tool->report ? run->tool->report(run, scope) : 0;

	if (err)
		run_error(run, "a report is incomplete: %s", strerror(-err));
	run->interval_started_ns = clock_now();
}

static int timer_open(uint64_t first_ns, uint64_t every_ns)
{
	struct itimerspec when = {
		.it_value = { first_ns / 1000000000, first_ns % 1000000000 },
		.it_interval = { every_ns / 1000000000, every_ns % 1000000000 },
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0)
		timerfd_settime(fd, 0, &when, NULL);
	return fd;
}

enum wakeup {
	WAKE_EVENTS,
	WAKE_INTERVAL,
	WAKE_DURATION,
	WAKE_TICK,
	WAKE_SIGNAL,
	WAKE_OUTPUT,
};

static void watch(int epoll, int fd, enum wakeup why, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.u32 = why };

	/* a regular file as output cannot be watched, and never closes */
	if (fd >= 0)
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void wake(struct run *run, enum wakeup why, int fd, struct buffer *buffer)
{
	uint64_t ticks;
	struct signalfd_siginfo signal;

	switch (why) {
	case WAKE_EVENTS: buffer_consume(buffer); break;
	case WAKE_INTERVAL:
		if (read(fd, &ticks, sizeof(ticks)) != sizeof(ticks))
			break;
		report(run, SCOPE_INTERVAL);
		if (run->count && ++run->reports >= run->count) {
			run->stop = true;
			run->stopped_by = "count";
		}
		break;
	case WAKE_DURATION:
		run->stop = true;
		run->stopped_by = "duration";
		break;
	case WAKE_TICK:
		if (read(fd, &ticks, sizeof(ticks)) == sizeof(ticks))
			run->tool->tick(run);
		break;
	case WAKE_SIGNAL:
		if (read(fd, &signal, sizeof(signal)) != sizeof(signal))
			break;
		run->stop = true;
		run->stopped_by = "signal";
		break;
	case WAKE_OUTPUT:
		record_output_failed(run, EPIPE);
		break;
	}
}

static int loop(struct run *run, int signals)
{
	int fds[WAKE_OUTPUT + 1] = { -1, -1, -1, -1, signals, STDOUT_FILENO }, none = 0, err;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct buffer *buffer = buffer_open(run, run_event, &none);
	bool summary = !run_prints_events(run), interval_ended = false;

	if (!buffer && !none) {
		run_error(run, "cannot open the event buffer: %s", strerror(errno));
		close(epoll);
		return -errno;
	}
	if (buffer)
		fds[WAKE_EVENTS] = buffer_fd(buffer);
	/* first, so that a last interval that ends with the run is reported by its end, and none of no length follows */
	if (run->duration_ns)
		fds[WAKE_DURATION] = timer_open(run->duration_ns, 0);
	if (summary)
		fds[WAKE_INTERVAL] = timer_open(run->interval_ns, run->interval_ns);
	if (run->tool->tick)
		fds[WAKE_TICK] = timer_open(1000000000, 1000000000);
	for (int i = 0; i < WAKE_OUTPUT; i++)
		watch(epoll, fds[i], i, EPOLLIN);
	/* nothing to read there: only the error that says that the reader of our pipe has gone */
	watch(epoll, STDOUT_FILENO, WAKE_OUTPUT, 0);

	while (!run->stop) {
		struct epoll_event event;

		module_check(run);
		/* neither a module that goes nor a perf buffer that was full wakes us */
		if (epoll_wait(epoll, &event, 1, 1000) != 1) {
			if (buffer)
				buffer_consume(buffer);
			continue;
		}
		wake(run, event.data.u32, fds[event.data.u32], buffer);
		interval_ended = event.data.u32 == WAKE_INTERVAL;
	}
	if (run->tool->ending)
		run->tool->ending(run);
	err = missed_count(run, &run->missed);
	if (err)
		run_error(run, "cannot read how many hits the kernel skipped for kprobes: %s", strerror(-err));
	/* what happened before the end belongs to the run; what happens from here on does not */
	object_detach(run);
	if (buffer && strcmp(run->stopped_by, "count") && strcmp(run->stopped_by, "output")) {
		run->stop = false;
		while (buffer_consume(buffer))
			;
	}
	if (run->tool->drained)
		run->tool->drained(run);
	run->stop = true;
	if (summary) {
		if (!interval_ended)
			report(run, SCOPE_INTERVAL);
		report(run, SCOPE_TOTAL);
	}
	buffer_close(buffer);
	for (int i = WAKE_INTERVAL; i <= WAKE_TICK; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	close(epoll);
	return 0;
}

/* kernel facts that rodata and the choice of programs need */
static int kernel_read(struct run *run)
{
	int err, args;

	if (feature_locked_down()) {
		run_error(
			run,
			"kernel lockdown (confidentiality) forbids to read kernel memory: nothing can be seen; boot with "
			"lockdown=integrity or none");
		return -ENOSYS;
	}
	err = kbtf_open(run->btf_path);
	if (err == -ENOENT && !run->btf_path) {
		run_error(
			run,
			"this kernel has no types (/sys/kernel/btf/vmlinux, CONFIG_DEBUG_INFO_BTF): give them with "
			"--btf FILE");
		return -ENOSYS;
	}
	if (err) {
		run_error(run, "--btf %s: %s", run->btf_path ? run->btf_path : "", kbtf_error(err));
		return -EINVAL;
	}
	reason_load();
	args = kbtf_tracepoint_args("kfree_skb");
	run->kfree_skb_args = args > 0 ? args : 2;
	return 0;
}

static int options_check(struct run *run)
{
	if (run->interval_ns && run_prints_events(run)) {
		run_error(run, "--interval is for reports: this run prints each event");
		return -EINVAL;
	}
	if (run->interval_ns && run->duration_ns && run->interval_ns > run->duration_ns) {
		run_error(run, "--interval is longer than --duration: no report would ever come");
		return -EINVAL;
	}
	if (!run->interval_ns)
		run->interval_ns = DEFAULT_INTERVAL_NS;
	return 0;
}

/* the schema that events are printed by */
static int event_schema_load(struct run *run)
{
	struct schema *schema = malloc(sizeof(*schema));

	if (!schema || schema_load(bpf_object__btf(run->object), run->tool->event, schema)) {
		run_error(run, "the embedded object does not describe its events");
		free(schema);
		return -EINVAL;
	}
	run->schema_of_event = schema;
	return 0;
}

int run_examine(struct run *run)
{
	int err = run->object ? 0 : object_open(run);

	if (!err)
		err = kernel_read(run);
	if (!err && run->tool->configure)
		err = run->tool->configure(run);
	if (!err)
		err = object_choose(run);
	if (!err && run->tool->chosen)
		err = run->tool->chosen(run);
	/* the symbols are read by now */
	run->symbols_hidden = ksym_hidden();
	return err;
}

/* the exit status for what the steps before the load return */
static int status_of(int err)
{
	switch (err) {
	case -EINVAL: return EXIT_USAGE;
	case -ENOSYS: return EXIT_KERNEL;
	}
	return EXIT_FAILED;
}

/* --btf, before all other options: libbpf wants it when the object is opened, and options are written into the object */
static void btf_find(struct run *run, int argc, char **argv)
{
	static const char name[] = "--btf";

	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], name) && i + 1 < argc)
			run->btf_path = argv[i + 1];
		else if (!strncmp(argv[i], name, strlen(name)) && argv[i][strlen(name)] == '=')
			run->btf_path = argv[i] + strlen(name) + 1;
	}
}

/* Returns an exit status, or -1 to go on. */
static int prepare(struct run *run, int argc, char **argv)
{
	int err;

	btf_find(run, argc, argv);
	if (object_open(run))
		return EXIT_FAILED;
	if (option_parse(run, argc, argv))
		return EXIT_USAGE;
	if (run->help) {
		option_help(run, stdout);
		return EXIT_DONE;
	}
	if (run->tool->event && event_schema_load(run))
		return EXIT_FAILED;
	if (run->schema) {
		record_schema(run, stdout);
		return EXIT_DONE;
	}
	if (options_check(run) || filter_finish(run))
		return EXIT_USAGE;
	if (feature_forbidden() && !run->dry_run) {
		run_error(run, "%s", feature_forbidden());
		return EXIT_FAILED;
	}
	err = run_examine(run);
	return err ? status_of(err) : -1;
}

/* status, if what was written has come out */
static int output_status(struct run *run, int status)
{
	record_flush(run);
	if (!run->output_error)
		return status;
	run_error(run, "cannot write to standard output, stopped: %s",
		  run->output_error == EPIPE ? "its reader closed it" : strerror(run->output_error));
	return EXIT_FAILED;
}

/* Returns an exit status. */
static int attached(struct run *run, int signals)
{
	int err;

	/* memory of maps was charged to the locked-memory limit before 5.11 */
	setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
	/* 20 MB that the load does not need, before libbpf reads the kernel's types for itself; symbols are read again
	 * when the first one is printed
	 */
	module_watch(run);
	kbtf_close();
	ksym_close();
	err = object_load(run);
	if (err)
		return err == -EPERM ? EXIT_KERNEL : EXIT_FAILED;
	device_use_map(object_map(run, "devices"));
	if (run->tool->loaded && run->tool->loaded(run))
		return EXIT_FAILED;
	if (run->cost && cost_start(run))
		return EXIT_KERNEL;
	if (object_attach(run))
		return EXIT_KERNEL;
	if (run->tool->attached)
		run->tool->attached(run);
	run->started_ns = run->interval_started_ns = clock_now();
	start_print(run);
	err = loop(run, signals);
	ledger_print(run);
	return output_status(run, err || run->failed ? EXIT_FAILED : EXIT_DONE);
}

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int run_init(struct run *run, const struct tool *tool)
{
	*run = (struct run){ .tool = tool, .called = tool->name, .stats_fd = -1, .stopped_by = "" };
	snprintf(run->command, sizeof(run->command), "%s%s%s", tool->area, *tool->area ? " " : "",
		 tool->name);
	run->state = calloc(1, tool->state_size ? tool->state_size : 1);
	return run->state ? 0 : -ENOMEM;
}

void run_free(struct run *run)
{
	if (run->object)
		object_close(run);
	if (run->stats_fd >= 0)
		close(run->stats_fd);
	free((void *)run->schema_of_event);
	free(run->state);
}

static int run_command(struct run *run, int argc, char **argv)
{
	if (option_parse(run, argc, argv))
		return EXIT_USAGE;
	if (run->help)
		option_help(run, stdout);
	else if (run->schema)
		record_schema(run, stdout);
	else
		return output_status(run, run->tool->main(run));
	return EXIT_DONE;
}

static int run_traced(struct run *run, int argc, char **argv)
{
	int status = prepare(run, argc, argv), signals;

	if (status >= 0)
		return status;
	if (run->dry_run) {
		start_print(run);
		return EXIT_DONE;
	}
	signals = signals_open();
	status = attached(run, signals);
	if (run->tool->finish)
		run->tool->finish(run);
	close(signals);
	return status == EXIT_DONE && run->failed ? EXIT_FAILED : status;
}

int run_tool(const struct tool *tool, int argc, char **argv)
{
	struct run run;
	int status;

	if (run_init(&run, tool))
		return EXIT_FAILED;
	/* registry_find() has eaten the words that name the tool */
	run.called = argv[-1];
	status = tool->kind == TOOL_COMMAND ? run_command(&run, argc, argv)
					    : run_traced(&run, argc, argv);
	run_free(&run);
	kbtf_close();
	return status;
}
