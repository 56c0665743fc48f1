/* SPDX-License-Identifier: GPL-2.0-only */
/* words.h: lists of words in one string, as tables keep aliases. */
#ifndef NETSONDE_CORE_WORDS_H
#define NETSONDE_CORE_WORDS_H

#include <stdbool.h>
#include <string.h>

/** True if both are the same word where - and _ count as equal; compares length bytes of each. */
static inline bool word_equal(const char *a, const char *b, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		char left = a[i] == '_' ? '-' : a[i], right = b[i] == '_' ? '-' : b[i];

		if (left != right)
			return false;
	}
	return true;
}

/** True if word is one of the blank-separated words of list (NULL: none), - and _ being equal. */
static inline bool words_contain(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (; list && *list; list += strcspn(list, " "), list += strspn(list, " ")) {
		if (strcspn(list, " ") == length && word_equal(list, word, length))
			return true;
	}
	return false;
}

#endif
