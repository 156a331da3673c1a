/* SPDX-License-Identifier: MIT */
#include "tools/load_tell.h"

#include "common/say.h"
#include "loader/fdoption.h"
#include "loader/phases.h"

void load_tell_phases(void)
{
	for (int phase = 0; phase < PHASES; phase++)
		say_note("%6llu us %s",
			 (unsigned long long)phases_us((enum phase)phase),
			 phase_name((enum phase)phase));
}

static void tell(const char *words)
{
	say_note("%s", words);
}

void load_tell_options(const struct load *load)
{
	fdoption_foresee(load->dir->image, load->fates, tell);
}
