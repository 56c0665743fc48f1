/* SPDX-License-Identifier: GPL-2.0-only */
/* unit.h: cmocka, and what the core expects of the runner. */
#ifndef NETSONDE_TESTS_UNIT_H
#define NETSONDE_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "core/tool.h"

/* the last sentence that the core would have printed */
static char unit_said[256];

void run_error(struct run *run, const char *format, ...)
{
	va_list args;

	(void)run;
	va_start(args, format);
	vsnprintf(unit_said, sizeof(unit_said), format, args);
	va_end(args);
}

void run_note(const struct run *run, const char *format, ...)
{
	(void)run;
	(void)format;
}

#endif
