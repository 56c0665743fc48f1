// SPDX-License-Identifier: GPL-2.0-only
/* megaflow_command.c: the parts of commands by thread, and what their bytes say. */
#include <stdlib.h>
#include <string.h>

#include "tools/ovs/megaflow_command.h"

/* a command does not take that long: its end was lost */
#define COMMAND_PATIENCE_NS 60000000000ULL

struct odp_attrs message_attrs(const unsigned char *bytes, uint32_t length)
{
	if (length < MESSAGE_HEAD)
		return (struct odp_attrs){};
	return (struct odp_attrs){ bytes + MESSAGE_HEAD, length - MESSAGE_HEAD };
}

struct odp_attrs message_nested(struct odp_attrs attrs, uint16_t type)
{
	struct odp_attr attr;

	return odp_find(attrs, type, &attr) ? odp_nested(&attr) : (struct odp_attrs){};
}

struct datapath_id message_datapath(const struct ovs_megaflow *head, const unsigned char *bytes)
{
	return (struct datapath_id){ head->more.netns, odp_u32(bytes + NLMSG_HDRLEN + GENL_HDRLEN) };
}

struct odp_attrs message_key_plain(struct odp_attrs key)
{
	static unsigned char plain[MESSAGE_MAX + ODP_CANONICAL_MORE];

	if (key.length > MESSAGE_MAX)
		return (struct odp_attrs){};
	return (struct odp_attrs){ plain, odp_canonical(key, (struct odp_attrs){}, false, plain) };
}

static struct command **place_of(struct commands *commands, uint32_t thread)
{
	struct command **place = &commands->first;

	while (*place && (*place)->head.more.thread != thread)
		place = &(*place)->next;
	return place;
}

static struct command *take(struct command **place)
{
	struct command *command = *place;

	if (command)
		*place = command->next;
	return command;
}

void command_part(struct commands *commands, const struct megaflow_message *message)
{
	const struct megaflow_part *part = &message->event.more;
	struct command **place = place_of(commands, part->thread), *command = *place;

	if (!part->offset) {
		const uint32_t room = part->total < MESSAGE_MAX ? part->total : MESSAGE_MAX;

		/* one whose end was lost */
		if (command)
			commands->cut++;
		free(take(place));
		command = calloc(1, sizeof(*command) + room);
		if (!command)
			return;
		command->head = message->event;
		command->room = room;
		command->next = commands->first;
		commands->first = command;
	}
	/* a part that was lost leaves the others without sense */
	if (!command || part->offset != command->length || part->length > command->room - part->offset)
		return;
	memcpy(command->bytes + part->offset, message->bytes, part->length);
	command->length += part->length;
}

void command_reply(struct commands *commands, const struct megaflow_message *message)
{
	struct command *command = *place_of(commands, message->event.more.thread);

	if (!command || message->event.more.offset)
		return;
	command->reply_length = message->event.more.length;
	memcpy(command->reply, message->bytes, message->event.more.length);
}

struct command *command_end(struct commands *commands, uint32_t thread)
{
	struct command *command = take(place_of(commands, thread));

	if (!command)
		return NULL;
	command->next = NULL;
	/* too long for us, or a part was lost: attributes that are not whole are not seen */
	if (command->length < command->head.more.total)
		commands->cut++;
	return command;
}

void commands_expire(struct commands *commands, uint64_t now)
{
	struct command **place = &commands->first;

	while (*place) {
		if (now != UINT64_MAX && now - (*place)->head.at < COMMAND_PATIENCE_NS) {
			place = &(*place)->next;
			continue;
		}
		if (now != UINT64_MAX)
			commands->cut++;
		free(take(place));
	}
}
