// SPDX-License-Identifier: GPL-2.0-only
/* ksym.c: kernel text symbols; one sorted table of addresses and offsets into one block of names. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ksym.h"
#include "core/names.h"

struct entry {
	uint64_t address;
	uint32_t name; /* offset into block */
	uint16_t module; /* index into modules, 0: vmlinux */
};

/* the last function of a module, or of the kernel itself, is taken to be no larger: nothing says where it ends */
#define EDGE_SIZE 8192

static struct entry *entries;
static uint32_t *order; /* of entries, by address */
static size_t entry_count, entry_room;
static char *block; /* the names, each with its end */
static size_t block_size, block_room;
static struct names by_name; /* of place in entries, from 1; made when the first is asked for */
static char (*modules)[64];
static unsigned int module_count;
static bool loaded;

/* an index is sorted, not the entries: qsort() takes as much memory again as what it sorts */
static int order_compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	if (entries[left].address != entries[right].address)
		return entries[left].address < entries[right].address ? -1 : 1;
	/* of aliases the first: kallsyms lists the strong name before the others */
	return left < right ? -1 : left > right;
}

/* modules come in runs, so the last one is nearly always the one */
static unsigned int module_index(const char *module)
{
	void *more;

	if (module_count && !strcmp(modules[module_count - 1], module))
		return module_count;
	more = reallocarray(modules, module_count + 1, sizeof(*modules));
	if (!more)
		return 0;
	modules = more;
	snprintf(modules[module_count], sizeof(*modules), "%s", module);
	return ++module_count;
}

static bool entry_add(uint64_t address, const char *name, const char *module)
{
	size_t length = strlen(name) + 1;

	if (entry_count == entry_room) {
		size_t room = entry_room ? entry_room * 3 / 2 : 65536;
		void *more = reallocarray(entries, room, sizeof(*entries));

		if (!more)
			return false;
		entries = more;
		entry_room = room;
	}
	if (block_size + length > block_room) {
		size_t room = block_room ? block_room * 3 / 2 : 1 << 20;
		void *more = realloc(block, room);

		if (!more)
			return false;
		block = more;
		block_room = room;
	}
	memcpy(block + block_size, name, length);
	entries[entry_count++] = (struct entry){
		.address = address,
		.name = block_size,
		.module = module ? module_index(module) : 0,
	};
	block_size += length;
	return true;
}

/* "ffffffffc0a01230 t ovs_vport_send\t[openvswitch]"; plain code, since there are 200,000 of them */
static bool line_add(char *line)
{
	uint64_t address = 0;
	char *module;

	for (; *line && *line != ' '; line++)
		address = address << 4 | (*line <= '9' ? *line - '0' : *line - 'a' + 10);
	if (!address || strlen(line) < 4 || !strchr("tTwW", line[1]))
		return true;
	line += 3;
	module = strchr(line, '\t');
	if (module) {
		*module = '\0';
		module += 2;
		module[strcspn(module, "]")] = '\0';
	}
	return entry_add(address, line, module);
}

static void lines_read(int fd)
{
	char buffer[16384];
	size_t kept = 0;
	ssize_t n;

	while ((n = read(fd, buffer + kept, sizeof(buffer) - kept)) > 0) {
		char *line = buffer, *end;

		kept += n;
		while ((end = memchr(line, '\n', buffer + kept - line))) {
			*end = '\0';
			if (!line_add(line))
				return;
			line = end + 1;
		}
		kept = buffer + kept - line;
		memmove(buffer, line, kept);
	}
}

/* The kernel's own come in order, and modules lie behind them on x86: then only the modules' are sorted. */
static size_t order_sorted(void)
{
	size_t sorted = 0;

	while (sorted < entry_count && (!sorted || entries[sorted - 1].address <= entries[sorted].address))
		sorted++;
	for (size_t i = sorted; i < entry_count; i++) {
		if (entries[i].address < entries[sorted - 1].address)
			return 0;
	}
	return sorted;
}

static void load(void)
{
	size_t sorted;
	int fd;

	if (loaded)
		return;
	loaded = true;
	fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	lines_read(fd);
	close(fd);
	order = malloc(entry_count * sizeof(*order));
	if (!order) {
		entry_count = 0;
		return;
	}
	for (size_t i = 0; i < entry_count; i++)
		order[i] = i;
	sorted = order_sorted();
	qsort(order + sorted, entry_count - sorted, sizeof(*order), order_compare);
}

void ksym_close(void)
{
	free(entries);
	free(order);
	free(block);
	free(modules);
	names_free(&by_name);
	entries = NULL;
	order = NULL;
	block = NULL;
	modules = NULL;
	entry_count = entry_room = block_size = block_room = module_count = 0;
	loaded = false;
}

bool ksym_hidden(void)
{
	load();
	return !entry_count;
}

/* the symbol at place i of the order */
static void symbol_fill(size_t i, struct ksym *symbol)
{
	const struct entry *entry = &entries[order[i]];

	symbol->name = block + entry->name;
	symbol->module = entry->module ? modules[entry->module - 1] : NULL;
	symbol->address = entry->address;
	symbol->size = EDGE_SIZE;
	/* aliases share an address */
	for (size_t next = i + 1; next < entry_count; next++) {
		const struct entry *behind = &entries[order[next]];

		if (behind->address == entry->address)
			continue;
		/* between two modules lies what belongs to neither */
		if (behind->module == entry->module || behind->address - entry->address < EDGE_SIZE)
			symbol->size = behind->address - entry->address;
		break;
	}
}

/* how many symbols begin at or below address */
static size_t order_upper(uint64_t address)
{
	size_t low = 0, high = entry_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (entries[order[middle]].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool ksym_find(uint64_t address, struct ksym *symbol)
{
	size_t at;

	load();
	at = order_upper(address);
	if (!at)
		return false;
	for (at--; at && entries[order[at - 1]].address == entries[order[at]].address; at--)
		;
	symbol_fill(at, symbol);
	/* what lies behind the last function of a module belongs to a module or program that came later */
	return address - symbol->address < symbol->size;
}

static bool name_table(void)
{
	if (by_name.slots)
		return true;
	if (names_make(&by_name, entry_count))
		return false;
	for (size_t i = 0; i < entry_count; i++)
		names_add(&by_name, block + entries[i].name, i + 1);
	return true;
}

bool ksym_lookup(const char *name, struct ksym *symbol)
{
	size_t found = SIZE_MAX;
	uint32_t number, slot;

	load();
	if (!name_table())
		return false;
	for (number = names_first(&by_name, name, &slot); number; number = names_next(&by_name, &slot)) {
		const size_t i = number - 1;

		if (strcmp(block + entries[i].name, name))
			continue;
		if (found == SIZE_MAX || !entries[i].module)
			found = i;
		if (!entries[i].module)
			break;
	}
	if (found == SIZE_MAX)
		return false;
	symbol_fill(order_upper(entries[found].address) - 1, symbol);
	symbol->name = block + entries[found].name;
	return true;
}

void ksym_text(const char *name, struct sonde_text *text)
{
	struct ksym symbol;

	if (ksym_lookup(name, &symbol))
		*text = (struct sonde_text){ symbol.address, symbol.size };
}

bool ksym_is(const char *name, const char *function)
{
	const size_t length = strcspn(name, ".");

	return strlen(function) == length && !strncmp(name, function, length);
}

void ksym_each(void (*visit)(const struct ksym *symbol, void *data), void *data)
{
	struct ksym symbol;

	load();
	for (size_t i = 0; i < entry_count; i++) {
		symbol_fill(i, &symbol);
		visit(&symbol, data);
	}
}

void ksym_format(uint64_t address, char *text, size_t size)
{
	struct ksym symbol;

	if (!ksym_find(address, &symbol))
		snprintf(text, size, "0x%" PRIx64, address);
	else if (symbol.module)
		snprintf(text, size, "%s+0x%" PRIx64 " [%s]", symbol.name, address - symbol.address,
			 symbol.module);
	else
		snprintf(text, size, "%s+0x%" PRIx64, symbol.name, address - symbol.address);
}
