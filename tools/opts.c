/* SPDX-License-Identifier: MIT */
/* opts.c - see opts.h */
#include "tools/opts.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/parse.h"
#include "common/say.h"

#define NS_PER_S   1000000000ull
#define HELP_WIDTH 26

static int take_number(const struct opts_entry *entry, const char *text)
{
	uint64_t value;

	if (parse_u64(text, entry->min, entry->max, &value)) {
		say_error("--%s %s: a number from %u to %u is wanted",
			  entry->name, text, entry->min, entry->max);
		return -EINVAL;
	}
	*(uint32_t *)entry->to = (uint32_t)value;
	return 0;
}

static int take_seconds(const struct opts_entry *entry, const char *text)
{
	uint64_t ns;

	if (parse_duration(text, entry->max * NS_PER_S, &ns) ||
	    ns < entry->min * NS_PER_S) {
		say_error(
			"--%s %s: a time from %us to %us is wanted, as in "
			"90s, 10m or 2h",
			entry->name, text, entry->min, entry->max);
		return -EINVAL;
	}
	*(uint32_t *)entry->to = (uint32_t)(ns / NS_PER_S);
	return 0;
}

static int take_one_more(const struct opts_entry *entry, const char *text)
{
	struct opts_list *list = entry->to;

	if (list->is_default)
		*list = (struct opts_list){.nr = 0};
	if (list->nr == OPTS_LIST_MAX) {
		say_error("--%s %s: given more than %u times", entry->name,
			  text, OPTS_LIST_MAX);
		return -EINVAL;
	}
	list->texts[list->nr++] = text;
	return 0;
}

/* Nowhere is it a path, a name or a host. */
static int say_empty(const struct opts_entry *entry)
{
	say_error("--%s has an empty value: %s is wanted", entry->name,
		  entry->arg);
	return -EINVAL;
}

static int take(const struct opts_entry *entry, const char *text)
{
	if (text && !*text && entry->kind != OPTS_MAYBE)
		return say_empty(entry);
	switch (entry->kind) {
	case OPTS_FLAG:
		*(bool *)entry->to = true;
		return 0;
	case OPTS_TEXT:
		*(const char **)entry->to = text;
		return 0;
	case OPTS_LIST:
	case OPTS_MAYBE:
		return take_one_more(entry, text ? text : "");
	case OPTS_U32:
		return take_number(entry, text);
	case OPTS_SECONDS:
		return take_seconds(entry, text);
	}
	return -EINVAL;
}

static int say_wrong(const struct opts_entry *table, int found, int which,
		     const char *word)
{
	if (found == ':' && which < (int)OPTS_MAX)
		say_error("--%s needs a value: %s", table[which].name,
			  table[which].arg);
	else
		say_error("%s is no option: see %s --help", word, say_name());
	return -EINVAL;
}

/* The two that every program has. */
static int letter_of(const struct opts_entry *entry)
{
	if (!strcmp(entry->name, "help"))
		return 'h';
	return strcmp(entry->name, "version") ? 0 : 'V';
}

static int has_arg(const struct opts_entry *entry)
{
	if (!entry->arg)
		return no_argument;
	return entry->kind == OPTS_MAYBE ? optional_argument
					 : required_argument;
}

/* The entry that has a letter too, or '?'. */
static int entry_of(const struct opts_entry *table, int letter)
{
	for (int i = 0; table[i].name; i++)
		if (letter_of(&table[i]) == letter)
			return i;
	return '?';
}

int opts_parse(const struct opts_entry *table, int argc, char **argv)
{
	struct option options[OPTS_MAX + 1] = {0};
	int found, at, error = 0;

	for (unsigned i = 0; i < OPTS_MAX && table[i].name; i++)
		options[i] = (struct option){
			.name = table[i].name,
			.has_arg = has_arg(&table[i]),
			.val = (int)i,
		};
	opterr = 0;
	for (;;) {
		at = optind;
		found = getopt_long(argc, argv, ":hV", options, NULL);
		if (found == -1)
			return optind;
		if (found == 'h' || found == 'V')
			found = entry_of(table, found);
		if (found == ':' || found == '?')
			/* optopt is the option's val; 0 when it is unknown. */
			return say_wrong(table, found, optopt,
					 argv[optind > at ? optind - 1 : at]);
		error = take(&table[found], optarg);
		if (error)
			return error;
	}
}

static int take_flag(const struct opts_entry *entry, const char *text)
{
	static const char *const words[] = {"no", "yes",   "off",
					    "on", "false", "true"};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(text, words[i])) {
			*(bool *)entry->to = i % 2;
			return 0;
		}
	say_error("%s = %s: yes or no is wanted", entry->name, text);
	return -EINVAL;
}

/* A file's text, which lives as long as the program. */
struct kept {
	struct kept *next;
	char text[];
};

static const char *keep(const char *text)
{
	static struct kept *all;
	size_t bytes = strlen(text) + 1;
	struct kept *kept = malloc(sizeof(*kept) + bytes);

	if (!kept)
		return NULL;
	memcpy(kept->text, text, bytes);
	kept->next = all;
	all = kept;
	return kept->text;
}

static const struct opts_entry *find(const struct opts_entry *table,
				     const char *name)
{
	for (; table->name; table++)
		if (!strcmp(table->name, name))
			return table;
	return NULL;
}

int opts_set(const struct opts_entry *table, const char *name,
	     const char *value)
{
	const struct opts_entry *entry = find(table, name);
	struct opts_list *list;
	const char *copy;
	int error;

	if (!entry)
		return -ENOENT;
	if (entry->kind == OPTS_FLAG)
		return take_flag(entry, value);
	copy = keep(value);
	if (!copy)
		return -ENOMEM;
	if (entry->kind != OPTS_LIST && entry->kind != OPTS_MAYBE)
		return take(entry, copy);
	list = entry->to;
	list->is_default = false;
	error = take_one_more(entry, copy);
	list->is_default = true;
	return error;
}

static const char *before_arg(const struct opts_entry *entry)
{
	if (entry->kind == OPTS_MAYBE)
		return "[=";
	return entry->arg ? " " : "";
}

static void short_form(const struct opts_entry *entry, char ret[8])
{
	ret[0] = '\0';
	if (letter_of(entry))
		(void)snprintf(ret, 8, "-%c, ", letter_of(entry));
}

void opts_help(const struct opts_entry *table, FILE *out)
{
	char left[HELP_WIDTH * 2], letter[8];

	for (; table->name; table++) {
		if (!table->help)
			continue;
		short_form(table, letter);
		(void)snprintf(left, sizeof(left), "%s--%s%s%s%s", letter,
			       table->name, before_arg(table),
			       table->arg ? table->arg : "",
			       table->kind == OPTS_MAYBE ? "]" : "");
		(void)fprintf(out, "  %-*s %s\n", HELP_WIDTH, left,
			      table->help);
	}
}
