// SPDX-License-Identifier: GPL-2.0-only
/* field.c: how each field type of abi/types.h is printed; units are converted here and nowhere else. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "abi/packet.h"
#include "abi/types.h"
#include "core/clock.h"
#include "core/device.h"
#include "core/field.h"
#include "core/ksym.h"
#include "core/packet.h"
#include "core/reason.h"
#include "core/stack.h"

static uint64_t number(const struct field *field, const void *value)
{
	uint64_t result = 0;

	memcpy(&result, value, field->size < sizeof(result) ? field->size : sizeof(result));
	return result;
}

static void number_json(const struct field *field, const void *value, json_t *object)
{
	json_object_set_new(object, field->name, json_integer(number(field, value)));
}

static void number_text(const struct field *field, const void *value, FILE *to)
{
	fprintf(to, "%s %" PRIu64, field->name, number(field, value));
}

static void time_json(const struct field *field, const void *value, json_t *object)
{
	uint64_t wall = clock_wall(number(field, value));
	char text[CLOCK_TEXT];

	clock_format(wall, text, sizeof(text));
	json_object_set_new(object, "time", json_string(text));
	json_object_set_new(object, "time_ns", json_integer(wall));
}

static void time_text(const struct field *field, const void *value, FILE *to)
{
	char text[CLOCK_TEXT];

	clock_format(clock_wall(number(field, value)), text, sizeof(text));
	fputs(text, to);
}

static void nanoseconds_json(const struct field *field, const void *value, json_t *object)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_ns", field->name);
	json_object_set_new(object, name, json_integer(number(field, value)));
}

static void nanoseconds_text(const struct field *field, const void *value, FILE *to)
{
	char text[CLOCK_SPAN];

	fprintf(to, "%s %s", field->name, clock_span(text, number(field, value)));
}

static void reason_json(const struct field *field, const void *value, json_t *object)
{
	uint32_t reason = number(field, value);
	const char *name = reason_name(reason);

	if (name)
		json_object_set_new(object, field->name, json_string(name));
	else if (!reason)
		json_object_set_new(object, field->name, json_null());
	else
		json_object_set_new(object, field->name,
				    json_sprintf("UNKNOWN_%u_OF_SUBSYSTEM_%u", reason & 0xffff,
						 reason >> 16));
}

static void reason_text(const struct field *field, const void *value, FILE *to)
{
	uint32_t reason = number(field, value);
	const char *name = reason_name(reason);

	if (name)
		fputs(name, to);
	else if (!reason)
		fputs("no reason given", to);
	else
		fprintf(to, "UNKNOWN_%u_OF_SUBSYSTEM_%u", reason & 0xffff, reason >> 16);
}

static void place_json(const struct field *field, const void *value, json_t *object)
{
	uint64_t address = number(field, value);
	struct ksym symbol;
	json_t *place = json_object();

	if (ksym_find(address, &symbol)) {
		json_object_set_new(place, "function", json_string(symbol.name));
		json_object_set_new(place, "offset", json_integer(address - symbol.address));
		if (symbol.module)
			json_object_set_new(place, "module", json_string(symbol.module));
	} else {
		json_object_set_new(place, "function", json_null());
		json_object_set_new(place, "address", json_sprintf("0x%" PRIx64, address));
	}
	json_object_set_new(object, field->name, place);
}

static void place_text(const struct field *field, const void *value, FILE *to)
{
	char text[160];

	ksym_format(number(field, value), text, sizeof(text));
	fprintf(to, "at %s", text);
}

void field_plain(const char *text, size_t size, FILE *to)
{
	for (size_t i = 0; i < size && text[i]; i++)
		fputc(isascii(text[i]) && isprint(text[i]) ? text[i] : '?', to);
}

void field_clean(char *text, size_t size)
{
	for (size_t i = 0; i < size && text[i]; i++) {
		if (!isascii(text[i]) || !isprint(text[i]))
			text[i] = '?';
	}
}

/* a JSON string must be UTF-8, which names of devices and tasks need not be */
static json_t *plain_json(const char *text, size_t size)
{
	char plain[64] = "";
	FILE *to = fmemopen(plain, sizeof(plain), "w");

	if (to) {
		field_plain(text, size, to);
		fclose(to);
	}
	return json_string(plain);
}

void field_device_json(json_t *object, const struct sonde_device_key *key, const char *name)
{
	if (key->ifindex != SONDE_ANY_DEVICE) {
		if (name)
			json_object_set_new(object, "dev", plain_json(name, sizeof(sonde_name)));
		else
			json_object_set_new(object, "dev", json_null());
		json_object_set_new(object, "ifindex", json_integer(key->ifindex));
	}
	json_object_set_new(object, "netns", json_integer(key->netns));
}

static void device_text(const struct sonde_device_key *key, const char *name, FILE *to)
{
	if (key->ifindex == SONDE_ANY_DEVICE)
		;
	else if (name) {
		fputs("dev ", to);
		field_plain(name, sizeof(sonde_name), to);
		fputc(' ', to);
	} else if (key->ifindex)
		fprintf(to, "dev #%u ", key->ifindex);
	else
		fputs("no device ", to);
	fprintf(to, "netns %u", key->netns);
}

/* an event carries the name that the kernel saw; without one, an skb that lost its device may still know the ifindex */
static const char *event_device(const struct sonde_device *device, struct sonde_device_key *key,
				char name[17])
{
	*key = (struct sonde_device_key){ device->ifindex, device->netns };
	memset(name, 0, 17);
	memcpy(name, device->name, sizeof(device->name));
	if (*name || device_name(key, name))
		return name;
	return NULL;
}

static void event_device_json(const struct field *field, const void *value, json_t *object)
{
	struct sonde_device_key key;
	char name[17];

	(void)field;
	field_device_json(object, &key, event_device(value, &key, name));
}

static void event_device_text(const struct field *field, const void *value, FILE *to)
{
	struct sonde_device_key key;
	char name[17];
	const char *known = event_device(value, &key, name);

	(void)field;
	device_text(&key, known, to);
}

static void key_device_json(const struct field *field, const void *value, json_t *object)
{
	char name[17] = "";

	(void)field;
	field_device_json(object, value, device_name(value, name) ? name : NULL);
}

static void key_device_text(const struct field *field, const void *value, FILE *to)
{
	char name[17] = "";

	(void)field;
	device_text(value, device_name(value, name) ? name : NULL, to);
}

static void string_json(const struct field *field, const void *value, json_t *object)
{
	json_object_set_new(object, field->name, plain_json(value, field->size));
}

static void string_text(const struct field *field, const void *value, FILE *to)
{
	fprintf(to, "%s ", field->name);
	field_plain(value, field->size, to);
}

static void handle_json(const struct field *field, const void *value, json_t *object)
{
	uint32_t handle = number(field, value);

	json_object_set_new(object, field->name,
			    handle & 0xffff ? json_sprintf("%x:%x", handle >> 16, handle & 0xffff)
					    : json_sprintf("%x:", handle >> 16));
}

static void handle_text(const struct field *field, const void *value, FILE *to)
{
	uint32_t handle = number(field, value);

	fprintf(to, "%s %x:", field->name, handle >> 16);
	if (handle & 0xffff)
		fprintf(to, "%x", handle & 0xffff);
}

static void limit_json(const struct field *field, const void *value, json_t *object)
{
	uint32_t limit = number(field, value);

	json_object_set_new(object, field->name, limit ? json_integer(limit) : json_null());
}

static void limit_text(const struct field *field, const void *value, FILE *to)
{
	if (number(field, value))
		number_text(field, value, to);
}

static void gauge_json(const struct field *field, const void *value, json_t *object)
{
	uint64_t level = number(field, value);

	json_object_set_new(object, field->name,
			    level == SONDE_GAUGE_UNKNOWN ? json_null() : json_integer(level));
}

static void gauge_text(const struct field *field, const void *value, FILE *to)
{
	if (number(field, value) != SONDE_GAUGE_UNKNOWN)
		number_text(field, value, to);
}

/* values of include/linux/netdevice.h, the same since 2.6: part of the driver API */
static const char *xmit_name(uint32_t code)
{
	switch (code) {
	case 0: return "NET_XMIT_SUCCESS";
	case 1: return "NET_XMIT_DROP";
	case 2: return "NET_XMIT_CN";
	}
	return NULL;
}

static void xmit_json(const struct field *field, const void *value, json_t *object)
{
	const char *name = xmit_name(number(field, value));

	json_object_set_new(object, field->name, name ? json_string(name) : json_null());
}

static void xmit_text(const struct field *field, const void *value, FILE *to)
{
	const char *name = xmit_name(number(field, value));

	fprintf(to, "%s", name ? name : "return code not seen");
	(void)field;
}

static void field_packet_json(const struct field *field, const void *value, json_t *object)
{
	json_t *packet = json_object();

	packet_json(packet, value);
	json_object_set_new(object, field->name, packet);
}

static void field_packet_text(const struct field *field, const void *value, FILE *to)
{
	char text[512];

	(void)field;
	packet_text(text, sizeof(text), value);
	fputs(text, to);
}

static void field_flow_json(const struct field *field, const void *value, json_t *object)
{
	json_object_set_new(object, field->name, flow_json(value));
}

static void field_flow_text(const struct field *field, const void *value, FILE *to)
{
	char text[160];

	(void)field;
	flow_text(text, sizeof(text), value);
	fputs(text, to);
}

static void field_stack_json(const struct field *field, const void *value, json_t *object)
{
	json_object_set_new(object, field->name, stack_json(value));
}

static void field_stack_text(const struct field *field, const void *value, FILE *to)
{
	const struct sonde_stack *stack = value;

	if (!stack->frames)
		return;
	fprintf(to, "%s: ", field->name);
	stack_text(stack, to);
}

static void nothing_json(const struct field *field, const void *value, json_t *object)
{
	(void)field;
	(void)value;
	(void)object;
}

#define SCHEMA_NUMBER "\"%s\": {\"type\": \"integer\", \"minimum\": 0}"
#define SCHEMA_STRING "\"%s\": {\"type\": \"string\"}"
#define SCHEMA_STRING_OR_NULL "\"%s\": {\"type\": [\"string\", \"null\"]}"
#define SCHEMA_OBJECT "\"%s\": {\"type\": \"object\"}"
#define SCHEMA_DEVICE                                                                              \
	"\"dev\": {\"type\": [\"string\", \"null\"]}, \"ifindex\": {\"type\": \"integer\"}, "      \
	"\"netns\": {\"type\": \"integer\"}"

static const struct field_type types[] = {
	{ "sonde_time",
	  "\"time\": {\"type\": \"string\", \"format\": \"date-time\"}, \"time_ns\": {\"type\": \"integer\"}",
	  false, time_json, time_text },
	{ "sonde_nanoseconds", "\"%s_ns\": {\"type\": \"integer\", \"minimum\": 0}", false,
	  nanoseconds_json, nanoseconds_text },
	{ "sonde_count", SCHEMA_NUMBER, false, number_json, number_text },
	{ "sonde_bytes", SCHEMA_NUMBER, false, number_json, number_text },
	{ "sonde_reason", SCHEMA_STRING_OR_NULL, false, reason_json, reason_text },
	{ "sonde_place", SCHEMA_OBJECT, false, place_json, place_text },
	{ "sonde_cpu", SCHEMA_NUMBER, false, number_json, number_text },
	{ "sonde_pid", SCHEMA_NUMBER, false, number_json, number_text },
	{ "sonde_netns_id", SCHEMA_NUMBER, false, number_json, number_text },
	{ "sonde_queue", SCHEMA_NUMBER, false, number_json, number_text },
	{ "sonde_handle", SCHEMA_STRING, false, handle_json, handle_text },
	{ "sonde_limit", "\"%s\": {\"type\": [\"integer\", \"null\"]}", false, limit_json,
	  limit_text },
	{ "sonde_gauge", "\"%s\": {\"type\": [\"integer\", \"null\"]}", false, gauge_json,
	  gauge_text },
	{ "sonde_level", "\"%s\": {\"type\": [\"integer\", \"null\"]}", false, gauge_json,
	  gauge_text },
	{ "sonde_xmit", SCHEMA_STRING_OR_NULL, false, xmit_json, xmit_text },
	{ "sonde_comm", SCHEMA_STRING, false, string_json, string_text },
	{ "sonde_name", SCHEMA_STRING, false, string_json, string_text },
	{ "sonde_device", SCHEMA_DEVICE, false, event_device_json, event_device_text },
	{ "sonde_device_key", SCHEMA_DEVICE, false, key_device_json, key_device_text },
	{ "sonde_packet", SCHEMA_OBJECT, true, field_packet_json, field_packet_text },
	{ "sonde_flow", SCHEMA_OBJECT, true, field_flow_json, field_flow_text },
	{ "sonde_stack", "\"%s\": {\"type\": \"array\", \"items\": {\"type\": \"string\"}}", true,
	  field_stack_json, field_stack_text },
	{ "sonde_stack_id", "\"%s\": {\"type\": [\"array\", \"null\"], \"items\": {\"type\": \"string\"}}",
	  true, nothing_json, NULL },
	{ "sonde_frame", NULL, true, nothing_json, NULL },
};

const struct field_type *field_type(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (!strcmp(types[i].name, name))
			return &types[i];
	}
	return NULL;
}
