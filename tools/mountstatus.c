/* SPDX-License-Identifier: MIT */
#include "tools/mountstatus.h"

#include <string.h>

#include "common/parse.h"

static void take_number(const char *text, uint64_t *ret)
{
	uint64_t value;

	if (!parse_u64(text, 0, UINT64_MAX, &value))
		*ret = value;
}

/* "cold (reason)", "ready: what that means": the word, and what is behind. */
static const char *cut_word(char *text)
{
	char *end = text + strcspn(text, " :("), *rest = end;
	size_t len;

	rest += strspn(rest, " :(");
	*end = '\0';
	len = strlen(rest);
	if (len && rest[len - 1] == ')')
		rest[len - 1] = '\0';
	return rest;
}

static void take(struct mountstatus *status, const char *key, char *value)
{
	if (!strcmp(key, "source"))
		status->source = value;
	else if (!strcmp(key, "mode"))
		status->mode = value;
	else if (!strcmp(key, "pages_present"))
		take_number(value, &status->pages_present);
	else if (!strcmp(key, "pages_here"))
		take_number(value, &status->pages_here);
	else if (!strcmp(key, "users"))
		take_number(value, &status->users);
	else if (!strcmp(key, "state")) {
		(void)cut_word(value);
		status->state = value;
	} else if (!strcmp(key, "tier")) {
		status->why = cut_word(value);
		status->tier = value;
	}
}

void mountstatus_parse(char *text, struct mountstatus *ret)
{
	struct mountstatus status = {"", "", "", "", ""};
	char *save = NULL, *line;

	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *colon = strstr(line, ": ");

		if (!colon)
			continue;
		*colon = '\0';
		take(&status, line, colon + 2);
	}
	*ret = status;
}
