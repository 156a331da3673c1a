/* SPDX-License-Identifier: MIT */
#include "tools/childtell.h"

#include <stdlib.h>
#include <sys/ioctl.h>

#include "common/childnote.h"
#include "common/cleanup.h"
#include "loader/phases.h"

_Static_assert(PHASES <= CHILDNOTE_PHASES_MAX, "all phases fit a note");

void childtell_load(const struct load *load)
{
	struct childnote_load note = {.format = CHILDNOTE_FORMAT,
				      .nr_phases = PHASES};

	if (load->dir->space < 0)
		return;
	for (int phase = 0; phase < PHASES; phase++)
		note.phase_us[phase] = phases_us((enum phase)phase);
	(void)ioctl(load->dir->space, CHILDNOTE_LOAD, &note);
}

void childtell_pages(const struct load *load, const struct workset *set)
{
	CLEANUP_FREE struct childnote_pages *note = calloc(1, sizeof(*note));
	int r = 0;

	if (load->dir->space < 0 || !note)
		return;
	note->format = CHILDNOTE_FORMAT;
	for (uint32_t from = 0; !r && from < set->nr; from += note->nr_runs) {
		note->nr_runs = 0;
		while (note->nr_runs < CHILDNOTE_RUNS_MAX &&
		       from + note->nr_runs < set->nr) {
			const struct workset_run *run =
				&set->runs[from + note->nr_runs];

			note->runs[note->nr_runs++] = (struct childnote_run){
				run->first_page, run->nr_pages};
		}
		r = ioctl(load->dir->space, CHILDNOTE_PAGES, note);
	}
}
