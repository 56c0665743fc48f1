/* SPDX-License-Identifier: GPL-2.0-only */
/* plain.h: text from outside, made harmless to the terminal that it is printed on. */
#ifndef NETSONDE_CORE_PLAIN_H
#define NETSONDE_CORE_PLAIN_H

#include <stdio.h>

/**
 * Prints words, such as those that the user typed, with ? for each byte that a terminal might obey: control characters,
 * and what is not UTF-8. Where the locale is none of UTF-8, that is all but ASCII.
 */
void plain_words(const char *words, FILE *to);

#endif
