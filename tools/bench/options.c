/* SPDX-License-Identifier: MIT */
#include "tools/bench/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/parse.h"
#include "common/say.h"
#include "common/standard.h"
#include "config.h"

/* One line an option: the bits of the benchmarks that have it, 0 for all. */
static const struct entry {
	const char *name, *arg;
	int letter;
	unsigned takes;
	const char *help;
} entries[] = {
	{"parent", "NAME", 'p', OPTIONS_PARENT,
	 "c-NNm or python-NNm: a language and MiB; hello, hello-python"},
	{"language", "NAME", 'l', OPTIONS_LANGUAGE,
	 "of the parents: c or python"},
	{"sizes", "LIST", 's', OPTIONS_SIZES, "of parents, in MiB"},
	{"counts", "LIST", 'c', OPTIONS_COUNTS, "of children, at most 64"},
	{"percents", "LIST", '%', OPTIONS_PERCENTS, "of the memory"},
	{"transport", "NAME", 't', 0, "local, or tcp (over loopback)"},
	{"delay", "US", 'd', 0,
	 "of the tcp, each way, microseconds (0 to 5000)"},
	{"memory", "NAME", 'm', OPTIONS_MEMORY,
	 "shared or own, as of mitosis-load"},
	{"", "OPTIONS", 'o', OPTIONS_MOUNT, "of mitosisfs, for the mount"},
	{"", "RUNS", 'N', 0, "how many runs"},
	{"json", NULL, 'j', 0, "one line of JSON for each measured thing"},
	{"help", NULL, 'h', 0, "this text"},
	{"version", NULL, 'V', 0, "the version"},
};

#define NR_ENTRIES (sizeof(entries) / sizeof(entries[0]))

static bool has(const struct options_use *use, const struct entry *entry)
{
	if (entry->letter == 'N')
		return use->runs;
	return !entry->takes || (use->takes & entry->takes);
}

static bool has_default(const struct options_use *use,
			const struct entry *entry)
{
	const unsigned lists =
		OPTIONS_SIZES | OPTIONS_COUNTS | OPTIONS_PERCENTS;

	return (entry->takes & lists) || entry->takes == OPTIONS_PARENT ||
	       entry->letter == 'N' || entry->letter == 'l';
}

static void print_default(const struct options_use *use,
			  const struct entry *entry)
{
	if (!has_default(use, entry))
		(void)putchar('\n');
	else if (entry->letter == 'N')
		(void)printf(" (%u)\n", use->runs);
	else
		(void)printf(" (%s)\n", entry->takes == OPTIONS_PARENT
						? use->parent
					: entry->letter == 'l' ? "c"
							       : use->list);
}

static void print_help(const struct options_use *use)
{
	(void)printf("Usage: mitosis-bench %s [OPTION...]\n%s\n\n", use->name,
		     use->what);
	for (const struct entry *entry = entries; entry < entries + NR_ENTRIES;
	     entry++) {
		char left[40];

		if (!has(use, entry))
			continue;
		if (!*entry->name)
			(void)snprintf(left, sizeof(left), "-%c %s",
				       entry->letter, entry->arg);
		else
			(void)snprintf(left, sizeof(left), "%s--%s%s%s",
				       entry->letter == 'h'   ? "-h, "
				       : entry->letter == 'V' ? "-V, "
							      : "",
				       entry->name, entry->arg ? " " : "",
				       entry->arg ? entry->arg : "");
		(void)printf("  %-19s %s", left, entry->help);
		print_default(use, entry);
	}
}

static int wrong(const char *what, const char *value)
{
	say_error("%s '%s': see mitosis-bench --help", what, value);
	return -EINVAL;
}

int options_parent(const char *name, struct bench_parent *ret_parent)
{
	struct bench_parent parent = {.python = !strncmp(name, "python-", 7)};
	size_t len = strlen(name);
	char digits[24];
	uint64_t mib;

	if (!strcmp(name, "hello") || !strcmp(name, "hello-python")) {
		parent.python = name[5];
		strcpy(parent.name, name);
		*ret_parent = parent;
		return 0;
	}
	if ((!parent.python && strncmp(name, "c-", 2) != 0) ||
	    len >= sizeof(parent.name) || name[len - 1] != 'm')
		return -EINVAL;
	strcpy(parent.name, name);
	strcpy(digits, strchr(name, '-') + 1);
	digits[strlen(digits) - 1] = '\0';
	if (parse_u64(digits, 1, OPTIONS_MIB_MAX, &mib))
		return -EINVAL;
	parent.mib = (uint32_t)mib;
	*ret_parent = parent;
	return 0;
}

int options_list(const char *text, uint32_t min, uint32_t max,
		 struct options_list *ret_list)
{
	struct options_list list = {.nr = 0};
	char copy[128], *rest = copy, *word;
	uint64_t value;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	while ((word = strsep(&rest, ","))) {
		if (list.nr == OPTIONS_LIST_MAX ||
		    parse_u64(word, min, max, &value))
			return -EINVAL;
		list.items[list.nr++] = (uint32_t)value;
	}
	*ret_list = list;
	return 0;
}

static int set_transport(struct options *options, const char *name)
{
	options->tcp = !strcmp(name, "tcp");
	if (options->tcp || !strcmp(name, "local"))
		return 0;
	return wrong("no such transport", name);
}

static int set_memory(struct options *options, const char *name)
{
	options->memory = name;
	if (!strcmp(name, "shared") || !strcmp(name, "own"))
		return 0;
	return wrong("no such memory", name);
}

static int set_language(struct options *options, const char *name)
{
	options->parent.python = !strcmp(name, "python");
	if (options->parent.python || !strcmp(name, "c"))
		return 0;
	return wrong("no such language", name);
}

static int set_number(const char *what, const char *text, uint32_t max,
		      uint32_t *ret)
{
	uint64_t value;

	if (parse_u64(text, max == OPTIONS_RUNS_MAX, max, &value))
		return wrong(what, text);
	*ret = (uint32_t)value;
	return 0;
}

static int set_list(struct options *options, int letter, const char *text)
{
	uint32_t min = letter != '%', max = 100;

	if (letter != '%')
		max = letter == 'c' ? OPTIONS_CHILDREN_MAX : OPTIONS_MIB_MAX;
	if (!options_list(text, min, max, &options->list))
		return 0;
	return wrong("not up to 16 numbers in their limits", text);
}

static int set(const struct options_use *use, struct options *options,
	       int letter, const char *value)
{
	switch (letter) {
	case 'p':
		if (!options_parent(value, &options->parent))
			return 0;
		return wrong("no such parent", value);
	case 'l':
		return set_language(options, value);
	case 's':
	case 'c':
	case '%':
		return set_list(options, letter, value);
	case 't':
		return set_transport(options, value);
	case 'd':
		return set_number("not a delay of 0 to 5000 us", value,
				  OPTIONS_DELAY_MAX_US, &options->delay_us);
	case 'm':
		return set_memory(options, value);
	case 'N':
		return set_number("not a number of runs", value,
				  OPTIONS_RUNS_MAX, &options->runs);
	case 'o':
		options->mount = value;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case 'h':
		print_help(use);
		exit(standard_end() ? 1 : 0);
	case 'V':
		(void)puts("mitosis-bench " MITOSIS_VERSION);
		exit(standard_end() ? 1 : 0);
	default:
		return wrong("no such option, or no value for it", value);
	}
}

static int take(const struct options_use *use, int argc, char **argv,
		struct options *options)
{
	struct option long_options[NR_ENTRIES + 1] = {0};
	char letters[16] = "hV";
	unsigned nr = 0;
	int letter, error;

	for (unsigned i = 0; i < NR_ENTRIES; i++) {
		if (!has(use, &entries[i]))
			continue;
		if (!*entries[i].name)
			(void)snprintf(letters + strlen(letters), 3,
				       "%c:", entries[i].letter);
		else
			long_options[nr++] = (struct option){
				.name = entries[i].name,
				.has_arg = entries[i].arg != NULL,
				.val = entries[i].letter,
			};
	}
	opterr = 0;
	while ((letter = getopt_long(argc, argv, letters, long_options,
				     NULL)) != -1) {
		if (letter == '?')
			optarg = argv[optind - 1];
		error = set(use, options, letter, optarg);
		if (error)
			return error;
	}
	return optind == argc
		       ? 0
		       : wrong("options only are wanted, not", argv[optind]);
}

int options_parse(const struct options_use *use, int argc, char **argv,
		  struct options *ret_options)
{
	struct options options = {.runs = use->runs, .memory = "shared"};
	int error;

	if (use->parent)
		(void)options_parent(use->parent, &options.parent);
	if (use->list)
		(void)options_list(use->list, 0, OPTIONS_MIB_MAX,
				   &options.list);
	error = take(use, argc, argv, &options);
	if (error)
		return error;
	if (options.delay_us && !options.tcp)
		return wrong("only --transport tcp has a", "--delay");
	*ret_options = options;
	return 0;
}
