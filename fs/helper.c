/* SPDX-License-Identifier: MIT */
#include "fs/helper.h"

#include <string.h>

#define FUSE_USE_VERSION 314
#include <fuse_opt.h>

#include "fs/options_check.h"

bool helper_is(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	return strncmp(slash ? slash + 1 : argv0, "mount.", 6) == 0;
}

static int add(struct options *options, struct fuse_args *args,
	       const char *word)
{
	return fuse_opt_add_arg(args, word)
		       ? options_wrong(options, "%s", "out of memory")
		       : 0;
}

/* "-fv" is "-f" and "-v". */
static int add_letters(struct options *options, struct fuse_args *args,
		       const char *letters)
{
	int r = 0;

	for (; !r && *letters; letters++) {
		const char word[] = {'-', *letters, '\0'};

		r = add(options, args, word);
	}
	return r;
}

static bool is_letters(const char *word)
{
	return word[0] == '-' && word[1] && !word[1 + strspn(word + 1, "sfnv")];
}

/* The word at @argv; *@ret_nr is 2 when the next one belongs to it. */
static int spread(char **argv, struct options *options, struct fuse_args *args,
		  int *ret_nr)
{
	const char *word = argv[0];
	bool is_alone = word[0] == '-' && word[1] && !word[2];

	*ret_nr = 1;
	if (is_letters(word))
		return add_letters(options, args, word + 1);
	if (!strncmp(word, "-N", 2))
		return options_wrong(
			options, "%s",
			"-N is not possible: mitosisfs mounts where it runs; "
			"say nsenter --mount=NAMESPACE mount ...");
	if (is_alone && strchr("ot", word[1])) {
		if (!argv[1])
			return options_wrong(options,
					     "%s wants a word behind it", word);
		*ret_nr = 2;
	}
	if (!strncmp(word, "-t", 2))
		return 0;
	if (add(options, args, word))
		return -1;
	return *ret_nr == 2 ? add(options, args, argv[1]) : 0;
}

int helper_spread(int argc, char **argv, struct options *options,
		  struct fuse_args *args)
{
	bool is_over = false;
	int nr, r = add(options, args, argv[0]);

	for (int i = 1; !r && i < argc; i += nr) {
		nr = 1;
		is_over |= !strcmp(argv[i], "--");
		r = is_over ? add(options, args, argv[i])
			    : spread(argv + i, options, args, &nr);
	}
	return r;
}
