// SPDX-License-Identifier: GPL-2.0-only
/* doctor: what this kernel offers, which tools will work and by which probes, and what to do about what is missing. */
#include <string.h>
#include <sys/utsname.h>

#include "core/feature.h"
#include "core/kbtf.h"
#include "core/object.h"
#include "core/option.h"
#include "core/reason.h"
#include "core/record.h"
#include "core/run.h"

static void features_print(struct run *run)
{
	if (!run->json)
		printf("%-28s %-4s %s\n", "This kernel has", "", "");
	for (const struct feature *feature = features; feature->name; feature++) {
		char detail[160] = "";
		bool has = feature->has(detail, sizeof(detail));

		if (run->json) {
			json_t *record = record_new(run, "feature");

			json_object_set_new(record, "feature", json_string(feature->name));
			json_object_set_new(record, "has", json_boolean(has));
			json_object_set_new(record, "detail", json_string(detail));
			if (!has)
				json_object_set_new(record, "advice", json_string(feature->advice));
			record_print(run, record);
			continue;
		}
		printf("  %-28s %-4s %s\n", feature->title, has ? "yes" : "NO", detail);
		if (!has)
			printf("  %33s -> %s\n", "", feature->advice);
	}
}

static void tool_text(const struct run *tool, bool works)
{
	printf("  %-14s %s", tool->command, works ? "works:" : "DOES NOT WORK: ");
	if (!works)
		printf("%s", tool->why);
	for (unsigned int i = 0; works && i < tool->probe_count; i++)
		printf("%s %s by %s", i ? "," : "", tool->probes[i].hook->name, tool->probes[i].by);
	putchar('\n');
	for (unsigned int i = 0; works && i < tool->missing_count; i++) {
		if (tool->missing[i]->without)
			printf("  %-14s not visible: %s\n", "", tool->missing[i]->without);
	}
}

static void tool_json(struct run *run, const struct run *tool, bool works)
{
	json_t *record = record_new(run, "tool"), *probes = json_array(), *missing = json_array();

	json_object_set_new(record, "name", json_string(tool->command));
	json_object_set_new(record, "works", json_boolean(works));
	if (!works)
		json_object_set_new(record, "why", json_string(tool->why));
	for (unsigned int i = 0; works && i < tool->probe_count; i++)
		json_array_append_new(probes, run_probe_json(&tool->probes[i]));
	for (unsigned int i = 0; works && i < tool->missing_count; i++) {
		if (tool->missing[i]->without)
			json_array_append_new(missing, json_string(tool->missing[i]->without));
	}
	json_object_set_new(record, "probes", probes);
	json_object_set_new(record, "not_visible", missing);
	record_print(run, record);
}

/* what keeps every tool from working, whatever the kernel has; NULL: nothing does */
static const char *forbidden(void)
{
	static char words[192];
	char why[128];

	if (feature_forbidden())
		return feature_forbidden();
	if (feature_loads_bpf(why, sizeof(why)))
		return NULL;
	snprintf(words, sizeof(words), "the kernel loads no BPF programs: %s", why);
	return words;
}

/* what the tool would attach on this kernel with no options */
static void tool_examine(const struct tool *tool, void *data)
{
	struct run *run = data, examined;
	bool works;

	if (tool->kind == TOOL_COMMAND || run_init(&examined, tool))
		return;
	examined.quiet = true;
	examined.dry_run = true;
	works = !run_examine(&examined);
	if (works && forbidden()) {
		works = false;
		run_error(&examined, "%s", forbidden());
	}
	if (run->json)
		tool_json(run, &examined, works);
	else
		tool_text(&examined, works);
	run_free(&examined);
}

static int doctor(struct run *run)
{
	struct utsname name;
	int err;

	/* its words are for who asks a tool for them */
	libbpf_set_print(NULL);
	err = kbtf_open(run->btf_path);
	if (err && run->btf_path) {
		run_error(run, "--btf %s: %s", run->btf_path, kbtf_error(err));
		return EXIT_USAGE;
	}
	reason_load();
	uname(&name);
	if (run->json) {
		json_t *record = record_new(run, "kernel");

		record_time(record);
		json_object_set_new(record, "release", json_string(name.release));
		json_object_set_new(record, "machine", json_string(name.machine));
		record_print(run, record);
	} else {
		printf("netsonde doctor on %s %s\n\n", name.release, name.machine);
	}
	features_print(run);
	if (!run->json)
		printf("\nTools on it\n");
	registry_each(tool_examine, run);
	return EXIT_DONE;
}

TOOL(doctor, .area = "", .name = "doctor", .kind = TOOL_COMMAND,
     .summary = "what this kernel offers, which tools work on it and by which probes",
     .question = "what can netsonde see on this host, and what will it miss?",
     .records = "{\"types\": [\"kernel\", \"feature\", \"tool\"], \"members\": {"
		"\"time\": {\"type\": \"string\", \"format\": \"date-time\"}, \"time_ns\": {\"type\": \"integer\"}, "
		"\"release\": {\"type\": \"string\", \"description\": \"kernel: as uname -r says it\"}, "
		"\"machine\": {\"type\": \"string\", \"description\": \"kernel: as uname -m says it\"}, "
		"\"feature\": {\"type\": \"string\", \"description\": \"feature: its short name\"}, "
		"\"has\": {\"type\": \"boolean\", \"description\": \"feature: whether it is there\"}, "
		"\"detail\": {\"type\": \"string\", \"description\": \"feature: more of it, or nothing\"}, "
		"\"advice\": {\"type\": \"string\", \"description\": \"feature that is not there: what that means, and what to do\"}, "
		"\"name\": {\"type\": \"string\", \"description\": \"tool: its command\"}, "
		"\"works\": {\"type\": \"boolean\", \"description\": \"tool: whether it works on this host\"}, "
		"\"why\": {\"type\": \"string\", \"description\": \"tool that does not work: why\"}, "
		"\"probes\": {\"type\": \"array\", \"description\": \"tool: hook, target, by of each probe\"}, "
		"\"not_visible\": {\"type\": \"array\", \"description\": \"tool: what this kernel does not let it see\"}}}",
     .main = doctor);
